"""Databases on PostgreSQL that are there but can't be used: without the extension, without rights, without
pgvector on the server, with tables of another user, with a newer schema, not there at all. What is told
says what to do; once that has been done everything works, without a restart."""
import pathlib
import subprocess
import unittest

import postgres
from system import BIN, Database, System, wait_for
from workers import Worker

USER = "poor"


def migrate(url):
    return subprocess.run([str(BIN / "millrace"), "migrate"], capture_output=True, text=True, timeout=60,
                          env={"DATABASE_URL": url, "ASAN_OPTIONS": "detect_leaks=0"})


class NotOurs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(postgres.server())
        cls.server.psql(f"CREATE ROLE {USER} LOGIN")

    def setUp(self):
        self.database = Database(self.server.url(), self.id())
        self.addCleanup(self.database.drop)

    def sql(self, text):
        return self.server.psql(text, self.database.name)

    def url(self):
        return self.database.url.replace("user=millrace", f"user={USER}")

    def assert_told(self, words, code="store_failed"):
        """By `millrace migrate`, in its words, and by its exit."""
        told = migrate(self.url())
        self.assertEqual((told.returncode, told.stdout), (1, ""), told.stderr)
        for word in (code, *words):
            self.assertIn(word, told.stderr)

    def serve(self):
        """A system whose own retriever is one of a user who may not."""
        self.system = self.enterContext(System(counts=(1, 0, 1)))
        self.retriever = self.enterContext(Worker(self.system, "millrace-retriever", DATABASE_URL=self.url()))

    def assert_shown(self, words, code="store_failed"):
        wait_for(lambda: self.system.get("/readyz").json["store"] == code, f"readyz says {code}")
        trouble = self.retriever.seen()["trouble"]
        log = [line for line in self.system.logs()[f"{self.retriever.name}.log"].splitlines() if code in line]
        self.assertEqual(len(log), 1, log)
        for word in words:
            self.assertIn(word, trouble)
            self.assertIn(word, log[0])
        reply = self.system.post("/api/portfolios", {"name": "notes"})
        self.assertEqual((reply.status, reply.code), (503, "store_unavailable"), reply)
        self.assertTrue(reply.headers["Retry-After"])

    def assert_mended(self):
        wait_for(lambda: self.system.get("/readyz").json["store"] == "ok", "it is used", 30)
        portfolio = self.system.portfolio("notes", [{"content": "Basalt is dark."}])
        self.assertEqual(self.system.search(portfolio, "basalt")[0]["text"], "Basalt is dark.")
        self.assertEqual(migrate(self.url()).returncode, 0)

    def test_without_the_extension_and_without_rights(self):
        extension = "CREATE EXTENSION vector"
        rights = f"GRANT USAGE, CREATE ON SCHEMA public TO {USER}"
        self.assert_told([extension, rights])
        self.serve()
        self.assert_shown([extension, rights])
        self.sql(extension)
        wait_for(lambda: extension not in self.retriever.seen()["trouble"], "that is mended", 30)
        self.assertIn(rights, self.retriever.seen()["trouble"])
        self.assert_told([rights])
        self.sql(rights)
        self.assert_mended()

    def test_a_start_of_everything_ends_with_what_to_do(self):
        with self.assertRaisesRegex(AssertionError, "did not start: .*CREATE EXTENSION vector"):
            self.enterContext(System(environment={"DATABASE_URL": self.url()}))

    def test_without_the_extension_alone(self):
        self.sql(f"GRANT CREATE ON SCHEMA public TO {USER}")
        self.assert_told(["permission denied to create extension", "CREATE EXTENSION vector"])
        self.sql("CREATE EXTENSION vector")
        self.assertEqual(migrate(self.url()).returncode, 0)

    def test_with_the_tables_of_another_user(self):
        self.assertEqual(migrate(self.database.url).returncode, 0)
        mend = f"REASSIGN OWNED BY millrace TO {USER}"
        self.assert_told(["permission denied", mend])
        self.serve()
        self.assert_shown([mend])
        for name in ("TABLES", "SEQUENCES"):
            self.sql(f"GRANT ALL ON ALL {name} IN SCHEMA public TO {USER}")
        self.assert_mended()

    def test_with_a_newer_schema(self):
        self.assertEqual(migrate(self.database.url).returncode, 0)
        self.sql("UPDATE millrace_schema SET version = 999")
        told = migrate(self.database.url)
        self.assertEqual((told.returncode, told.stdout), (1, ""))
        for word in ("store_schema", "999", "run a newer program"):
            self.assertIn(word, told.stderr)
        retriever = subprocess.run([str(BIN / "millrace-retriever")], capture_output=True, text=True, timeout=60,
                                   env={"DATABASE_URL": self.database.url, "ASAN_OPTIONS": "detect_leaks=0"})
        self.assertEqual(retriever.returncode, 1)
        self.assertIn("999", retriever.stderr)

    def test_that_is_not_there(self):
        missing = self.server.url("nowhere")
        told = migrate(missing)
        self.assertEqual(told.returncode, 75)
        self.assertIn('database "nowhere" does not exist', told.stderr)

    def test_an_address_that_cannot_be_read_is_refused_without_telling_it(self):
        for program in (["millrace", "migrate"], ["millrace-retriever"]):
            told = subprocess.run([str(BIN / program[0]), *program[1:]], capture_output=True, text=True, timeout=60,
                                  env={"DATABASE_URL": "postgresql://me:sword%zzfish@db/x",
                                       "ASAN_OPTIONS": "detect_leaks=0"})
            self.assertEqual(told.returncode, 1)
            self.assertIn("DATABASE_URL", told.stderr)
            self.assertNotIn("zz", told.stderr)


class WithoutPgvector(unittest.TestCase):
    """A server as Debian installs it."""

    def test_the_package_is_named(self):
        plain = postgres.newest_installation()
        if pathlib.Path(f"/usr/share/postgresql/{plain.name}/extension/vector.control").exists():
            self.skipTest("this machine's PostgreSQL has pgvector")
        with postgres.server() as server:
            server.stop()
            server.bin = plain / "bin"
            server.start()
            told = migrate(server.url())
            self.assertEqual(told.returncode, 1)
            self.assertIn("Install pgvector on the database server", told.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
