"""millrace ingest: a newcomer's own documents, on a terminal and off it."""
import os
import pathlib
import pty
import subprocess
import tempfile
import unittest

from system import BIN, System

FILES = {
    "guide.md": b"# Guide\n\nThe gearbox has seven speeds.\n",
    "pages/index.html": b"<html><title>Home</title><p>The clutch is hydraulic.</p></html>",
    "notes.txt": b"The axle is made of steel.\n",
    "manual.rst": b"Manual\n======\n\nThe brakes need oil.\n",
    "latin.txt": "El eje está engrasado en la mañana.\n".encode("latin-1"),
    "picture.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0",
    "blank.txt": b"\n\n",
    ".git/config": b"[core]\n",
}
TAKEN = {"guide.md", "pages/index.html", "notes.txt", "manual.rst", "latin.txt"}


class Ingest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System())

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.name = self.id().rsplit(".", 1)[1]
        for path, content in FILES.items():
            self.write(path, content)

    def write(self, path, content):
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(content)

    def command(self, *words):
        return [str(BIN / "millrace"), "ingest", "--url", self.system.url, *map(str, words)]

    def ingest(self, *words):
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=120)

    def portfolio(self):
        portfolios = self.system.good("GET", "/api/portfolios?limit=1000")["data"]
        return next(p["id"] for p in portfolios if p["name"] == self.name)

    def test_a_folder_is_loaded_by_type_of_file(self):
        result = self.ingest("--create", self.name, self.folder)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        documents = {d["source"]: d for d in self.system.documents(self.portfolio())}
        self.assertEqual(set(documents), TAKEN)
        self.assertEqual({s: d["format"] for s, d in documents.items()},
                         {"guide.md": "markdown", "pages/index.html": "html", "notes.txt": "text",
                          "manual.rst": "text", "latin.txt": "text"})
        self.assertEqual({d["status"] for d in documents.values()}, {"stored"})
        hits = self.system.search(self.portfolio(), "engrasado en la mañana")
        self.assertIn("mañana", hits[0]["text"])

    def test_plain_lines_and_a_summary_are_printed_where_no_terminal_is(self):
        result = self.ingest("--create", self.name, self.folder)
        self.assertNotIn("\r", result.stdout)
        self.assertNotIn("\033", result.stdout)
        self.assertRegex(result.stdout, r"(?m)^loading 100% 7/7 files, \d+/s, [\d.]+ MB/s, 0:00 left$")
        self.assertRegex(result.stdout, r"picture\.png: binary\n")
        self.assertRegex(result.stdout, r"blank\.txt: empty\n")
        self.assertRegex(result.stdout,
                         r"(?m)^5 stored \(\d+ chunks\), 0 unchanged, 2 skipped, 0 failed in [\d.]+ s$")

    def test_a_bar_moves_on_a_terminal(self):
        screen, terminal = pty.openpty()
        process = subprocess.Popen(self.command("--create", self.name, self.folder), stdout=terminal,
                                   stderr=terminal)
        os.close(terminal)
        shown = b""
        try:
            while part := os.read(screen, 4096):
                shown += part
        except OSError:
            pass  # the other side has closed
        os.close(screen)
        self.assertEqual(process.wait(60), 0)
        self.assertRegex(shown, rb"\rloading \[#+\] 100% 7/7 files")
        self.assertIn(b"left", shown)
        self.assertIn(b"5 stored", shown)

    def test_what_is_unchanged_is_skipped_and_what_changed_is_replaced(self):
        self.ingest("--create", self.name, self.folder)
        again = self.ingest(self.name, self.folder)
        self.assertIn("0 stored (0 chunks), 5 unchanged", again.stdout)
        self.write("notes.txt", b"The axle is made of titanium.\n")
        changed = self.ingest(self.portfolio(), self.folder)
        self.assertIn("4 unchanged", changed.stdout)
        self.assertEqual(len(self.system.documents(self.portfolio())), 5)
        self.assertIn("titanium", self.system.search(self.portfolio(), "what is the axle made of")[0]["text"])

    def test_what_failed_is_told_with_its_reason(self):
        self.write("large.txt", b"word " * (17 * 1024 * 1024 // 5))
        self.write("other/guide.md", b"# Other\n\nAnother guide.\n")
        result = self.ingest("--create", self.name, self.folder / "guide.md",
                             self.folder / "other/guide.md", self.folder / "large.txt")
        self.assertEqual(result.returncode, 1)
        failed = result.stdout.partition("failed:\n")[2]
        self.assertRegex(failed, r"large\.txt: .*large")
        self.assertRegex(failed, r'other/guide\.md: its source "guide\.md" is that of')
        self.assertIn("1 stored", result.stdout)

    def test_many_files_go_several_at_a_time(self):
        for i in range(300):
            self.write(f"many/{i}.txt", f"Part {i} weighs {i} grams.\n".encode())
        result = self.ingest("--create", self.name, self.folder / "many")
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertIn("300 stored", result.stdout)
        self.assertEqual(len(self.system.documents(self.portfolio())), 300)

    def test_without_waiting_documents_can_be_found_by_their_words(self):
        self.assertEqual(self.ingest("--create", "--no-wait", self.name, self.folder).returncode, 0)
        self.assertEqual(self.system.search(self.portfolio(), "clutch")[0]["source"], "pages/index.html")

    def test_mistakes_are_told_and_fail(self):
        cases = {
            "no such folder": (("--create", self.name, self.folder / "none"), "No such file"),
            "no such portfolio": ((self.name, self.folder), "--create makes one"),
            "no such id": (("999999", self.folder), "999999"),
            "nothing to load": ((self.name,), "--help"),
            "an unknown option": (("--colour", self.name, self.folder), "colour"),
        }
        for label, (words, want) in cases.items():
            with self.subTest(label):
                result = self.ingest(*words)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(want, result.stderr)

    def test_a_server_that_is_not_there_is_named(self):
        result = subprocess.run([str(BIN / "millrace"), "ingest", "--url", "http://127.0.0.1:1", "x",
                                 str(self.folder)], capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertIn("no server answers at http://127.0.0.1:1", result.stderr)


if __name__ == "__main__":
    unittest.main()
