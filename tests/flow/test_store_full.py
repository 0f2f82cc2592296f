"""A store with no room: writing is a 507, reading goes on."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from store_cases import StoreCase
from system import System, wait_for

# 4 MiB, half of it taken by a file that can be removed later.
MOUNT = """mount -t tmpfs -o size=4m none "$1" && head -c 2097152 /dev/zero >"$1/ballast" &&
shift && exec "$@" """


def private_mounts():
    """How a command gets a file system of its own, or None where that is not allowed."""
    for flags in (["--mount"], ["--mount", "--map-root-user"]):
        command = ["unshare", *flags, "sh", "-c", MOUNT, "sh"]
        probe = tempfile.mkdtemp()
        try:
            if subprocess.run([*command, probe, "true"], capture_output=True).returncode == 0:
                return command
        finally:
            shutil.rmtree(probe)
    return None


class SmallStore(System):
    """A system whose store lies on a small file system."""

    def __init__(self, mounts):
        super().__init__()
        self.mounts = mounts
        self.small = self.data / "small"
        self.small.mkdir()
        self.environment = {"DATABASE_URL": f"sqlite:{self.small}/millrace.db"}

    def command(self):
        return [*self.mounts, str(self.small), *super().command()]

    def give_room(self):
        """Removes the ballast, as the retriever sees it: the mount is its own."""
        seen = pathlib.Path(f"/proc/{self.pid('retriever-1')}/root")
        (seen / self.small.relative_to("/") / "ballast").unlink()


class StoreFull(StoreCase):
    def setUp(self):
        mounts = private_mounts()
        if not mounts:
            self.skipTest("no private mounts here")
        self.system = self.enterContext(SmallStore(mounts))
        self.portfolio = self.system.portfolio("small", [
            {"source": "first", "content": "The first note is about amber."}])

    def fill(self):
        for number in range(200):
            reply = self.put(number)
            if reply.status not in (201, 202):
                return reply
        self.fail("it never became full")

    def check_reading(self):
        self.assertEqual(self.system.search(self.portfolio, "amber")[0]["source"], "first")
        text, done = self.system.ask("What is the first note about?", portfolio_id=self.portfolio)
        self.assertEqual(done["type"], "done", done)
        self.assertIn("amber", text)

    def test_a_full_store_refuses_documents_and_goes_on_reading(self):
        reply = self.fill()
        self.assertEqual((reply.status, reply.code), (507, "store_full"))
        wait_for(lambda: self.store() == "store_full", "readyz says that it is full")
        self.check_reading()

    def test_a_store_that_has_room_again_takes_documents_again(self):
        self.fill()
        wait_for(lambda: self.store() == "store_full", "readyz says that it is full")
        self.system.give_room()
        wait_for(lambda: self.put(1000).status in (201, 202), "a document stored")
        self.system.wait_stored(self.portfolio)
        wait_for(lambda: self.put(1001).status in (201, 202) and self.store() == "ok",
                 "readyz says that it is full no more", interval=0.2)


if __name__ == "__main__":
    unittest.main()
