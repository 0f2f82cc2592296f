"""PostgreSQL with no room: for its tables, which is told as a full store, or for its log, of which it dies.
Reading goes on as long as it lives, and all of it recovers by itself once there is room."""
import ctypes
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import postgres
from store_cases import StoreCase
from system import Database, System, wait_for

CLONE_NEWNS = 0x00020000
MIB = 1 << 20
SEGMENT = 16 * MIB  # of PostgreSQL's log


def own_mounts():
    """Whether this process, and what it starts, may mount what nobody else sees."""
    return (not ctypes.CDLL(None).unshare(CLONE_NEWNS)
            and not subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True).returncode)


class SmallDisk:
    """A file system in memory, with ballast that can be thrown out."""

    def __init__(self, size):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="millrace-disk-", dir="/tmp"))
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "none", str(self.path)], check=True)
        shutil.chown(self.path, "postgres")

    def leave(self, room):
        """Takes all of it but that."""
        disk = os.statvfs(self.path)
        with open(self.path / "ballast", "wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, disk.f_bavail * disk.f_frsize - room)

    def give_room(self):
        (self.path / "ballast").unlink()

    def close(self):
        subprocess.run(["umount", "--lazy", str(self.path)], check=False)
        self.path.rmdir()


class Full(StoreCase):
    @classmethod
    def setUpClass(cls):
        if os.getuid() or not own_mounts():
            raise unittest.SkipTest("no private mounts here")

    def disk(self, size):
        disk = SmallDisk(size)
        self.addCleanup(disk.close)
        return disk

    def start(self, tables, log):
        """A server with its tables on the one disk and its log on the other, and a system on it."""
        tempfile.tempdir = str(tables.path)
        try:
            self.server = self.enterContext(postgres.server())
        finally:
            tempfile.tempdir = None
        self.server.stop()
        subprocess.run(["mv", self.server.data / "pg_wal", log.path], check=True)  # with its owner
        (self.server.data / "pg_wal").symlink_to(log.path / "pg_wal")
        self.server.start()
        self.database = Database(self.server.url(), self.id())
        self.system = self.enterContext(System(environment={"DATABASE_URL": self.database.url}))
        self.portfolio = self.system.portfolio("small", [
            {"source": "first", "content": "The first note is about amber."}])
        self.system.ask("Hello", store=False)  # from now on the gateway knows the agent

    def fill(self):
        """Until a document is refused; that answer."""
        return wait_for(lambda: next((reply for reply in map(self.put, range(20))
                                      if reply.status not in (201, 202)), None), "it is full", 60)

    def assert_reading(self):
        self.assertEqual(self.system.search(self.portfolio, "amber")[0]["source"], "first")
        return self.system.ask("What is the first note about?", portfolio_id=self.portfolio)[1]

    def assert_room(self):
        wait_for(lambda: self.put(1000).status in (201, 202), "a document stored", 30)
        wait_for(lambda: self.system.ask("Hello")[1] and self.store() == "ok", "readyz says so", interval=0.2)
        self.assertTrue(self.system.ask("Hello")[1].get("recorded", True))

    def test_no_room_for_tables(self):
        tables = self.disk("192m")
        self.start(tables, self.disk("256m"))
        tables.leave(MIB)
        refused = self.fill()
        self.assertEqual((refused.status, refused.code), (507, "store_full"), refused)
        # PostgreSQL 16 and later grow a table by some pages at once: turns may fit into the last ones.
        wait_for(lambda: self.assert_reading().get("recorded") is False, "a turn that is not recorded")
        self.assertEqual(self.system.ask("Hello", store=False)[1]["type"], "done")
        wait_for(lambda: self.store() == "store_full", "readyz says that it is full")
        trouble = self.system.lane("retrieve")["workers"][0]["trouble"]
        self.assertIn("store_full: ", trouble)
        self.assertIn("make some on the disk", trouble)
        self.assertIn("No space left on device", self.system.logs()["retriever-1.log"])
        tables.give_room()
        self.assert_room()

    def test_no_room_for_the_log(self):
        log = self.disk("96m")
        self.start(self.disk("192m"), log)
        log.leave(SEGMENT // 2)
        refused = self.fill()
        self.assertEqual((refused.status, refused.code), (503, "store_unavailable"), refused)
        self.assertTrue(refused.headers["Retry-After"])
        wait_for(lambda: self.store() == "store_unavailable", "readyz says that it is away")
        self.assertEqual(self.system.ask("Hello", store=False)[1]["type"], "done")
        self.assertIn("No space left on device", (self.server.folder / "log").read_text())
        log.give_room()
        self.server.stop()
        self.server.start()
        self.assert_room()


if __name__ == "__main__":
    unittest.main(verbosity=2)
