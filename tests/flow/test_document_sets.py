"""Killed in the middle of a set of documents: the retriever, and the database. Until a set is stored
what was there stays, whole; then the new is there, whole; and the call that comes again stores it
once."""
import concurrent.futures
import os
import pathlib
import signal
import subprocess
import unittest

import postgres
from system import Database, System, wait_for

COUNT = 9
OLD, NEW = "granite", "basalt"

# What nobody may ever see, whatever was killed. Each asks for rows that are wrong.
WRONG = {
    "a document's chunks are not those that are there":
        "SELECT id FROM documents d WHERE chunks <> (SELECT count(*) FROM chunks c WHERE"
        " c.document_id = d.id AND c.id BETWEEN d.first_chunk AND d.first_chunk + d.chunks - 1)",
    "chunks that no document has":
        "SELECT c.id FROM chunks c WHERE NOT EXISTS (SELECT 1 FROM documents d WHERE"
        " d.id = c.document_id AND c.id BETWEEN d.first_chunk AND d.first_chunk + d.chunks - 1)",
    "chunks that neither have a vector nor wait for one":
        "SELECT id FROM chunks WHERE NOT EXISTS (SELECT 1 FROM vectors WHERE slot / 2 = chunks.id)"
        " AND NOT EXISTS (SELECT 1 FROM unindexed WHERE slot / 2 = chunks.id)",
    "vectors of chunks that are gone":
        "SELECT slot FROM vectors WHERE NOT EXISTS (SELECT 1 FROM chunks WHERE id = slot / 2)",
    "slots of chunks that are gone":
        "SELECT slot FROM unindexed WHERE NOT EXISTS (SELECT 1 FROM chunks WHERE id = slot / 2)",
    "a document without its content":
        "SELECT id FROM documents WHERE NOT EXISTS (SELECT 1 FROM contents"
        " WHERE document_id = documents.id AND length(content) = documents.bytes)",
    "a portfolio that counts wrong":
        "SELECT id FROM portfolios p WHERE documents <> (SELECT count(*) FROM documents d WHERE"
        " d.portfolio_id = p.id) OR chunks <> (SELECT coalesce(sum(d.chunks), 0) FROM documents d"
        " WHERE d.portfolio_id = p.id)",
    "a result remembered twice": "SELECT op FROM operations GROUP BY op, part HAVING count(*) > 1",
}
KINDS = (f"SELECT DISTINCT CASE WHEN text LIKE '%{OLD}%{NEW}%' OR text LIKE '%{NEW}%{OLD}%' THEN 'mixed'"
         f" WHEN text LIKE '%{OLD}%' THEN '{OLD}' WHEN text LIKE '%{NEW}%' THEN '{NEW}' ELSE 'cut' END"
         " FROM chunks")


def documents(word, sections=30):
    """A set of one call; every chunk tells which. Longer where the word is."""
    text = "\n\n".join(f"# Part {n}\n\n" + f"The {word} wall number {n} stands. " * 25
                       for n in range(sections))
    return [{"source": f"d{n}", "format": "markdown", "content": f"{text}\n\nThe {word} end {n}."}
            for n in range(COUNT)]


class Sets(unittest.TestCase):
    """What the tests on both databases share; `self.system`, `self.store`."""

    def begin(self):
        self.portfolio = self.system.good("POST", "/api/portfolios", {"name": "walls"})["id"]
        self.pool = self.enterContext(concurrent.futures.ThreadPoolExecutor(1))

    def put(self, word):
        """One call with all documents, under way: its reply is to come."""
        path = f"/api/portfolios/{self.portfolio}/documents"
        return self.pool.submit(self.system.post, path, documents(word))

    def assert_whole(self, *words):
        """Everything fits, and all documents are of one of these words."""
        kinds = [row[0] for row in self.store.rows(KINDS)]
        self.assertLessEqual(len(kinds), 1, "a set was stored in part")
        self.assertIn((kinds or [None])[0], words)
        for what, sql in WRONG.items():
            self.assertEqual(self.store.rows(sql), [], what)

    def assert_stored_once(self, reply, word, version):
        self.assertIn(reply.status, (201, 202), reply)
        stored = reply.json["data"]
        self.assertEqual([d["source"] for d in stored], [f"d{n}" for n in range(COUNT)])
        self.assertEqual({d["version"] for d in stored}, {version}, "stored more than once")
        self.system.wait_stored(self.portfolio)
        self.assert_whole(word)
        self.assertEqual(len(self.system.documents(self.portfolio)), COUNT)
        self.assertIn(word, self.system.search(self.portfolio, f"{word} wall number 7")[0]["text"])
        again = self.put(word).result()
        self.assertEqual({d.get("unchanged") for d in again.json["data"]}, {True})

    def kill_retriever(self):
        pid = self.system.kill_worker("retriever-1")
        wait_for(lambda: self.system.pid("retriever-1") != pid, "a new retriever")


class Hold:
    """A session of plain SQL that keeps the set's transaction waiting at its middle document."""

    def __init__(self, database, sql):
        self.database = database
        self.psql = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-d", database.url],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL, text=True)
        self.psql.stdin.write(f"SET millrace.writes = '1'; BEGIN; {sql};\n\\echo held\n")
        self.psql.stdin.flush()
        while (line := self.psql.stdout.readline()) != "held\n":
            assert line, "the session ended"

    def await_waiting(self):
        waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        wait_for(lambda: self.database.rows(waits), "the set to be in its middle")

    def release(self):
        self.psql.communicate(timeout=60)


class OnPostgreSQL(Sets):
    def setUp(self):
        self.server = self.enterContext(postgres.server())
        self.store = Database(self.server.url(), self.id())
        self.system = self.enterContext(System(environment={"DATABASE_URL": self.store.url}))
        self.begin()

    def hold_new(self):
        return Hold(self.store, "INSERT INTO documents (portfolio_id, source, title, given_title,"
                    " format, metadata, hash, bytes, status, first_chunk, chunks) VALUES"
                    f" ({self.portfolio}, 'd5', '', '', '', '', '', 0, '', 0, 0)")

    def hold_old(self):
        return Hold(self.store, "SELECT 1 FROM documents WHERE source = 'd5' FOR UPDATE")

    def test_retriever_killed_while_a_set_is_stored_and_replaced(self):
        steps = [(self.hold_new, None, OLD), (self.hold_old, OLD, NEW)]
        for version, (hold, before, after) in enumerate(steps, 1):
            held = hold()
            reply = self.put(after)
            held.await_waiting()
            self.kill_retriever()
            self.assert_whole(before)
            held.release()
            self.assert_stored_once(reply.result(), after, version)

    def test_connection_ended_while_a_set_is_stored_and_replaced(self):
        steps = [(self.hold_new, None, OLD), (self.hold_old, OLD, NEW)]
        for version, (hold, before, after) in enumerate(steps, 1):
            held = hold()
            reply = self.put(after)
            held.await_waiting()
            self.server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                             " WHERE wait_event_type = 'Lock'")
            self.assert_whole(before)
            held.release()
            self.assert_stored_once(reply.result(), after, version)

    def test_server_killed_while_a_set_is_stored_and_replaced(self):
        steps = [(self.hold_new, None, OLD), (self.hold_old, OLD, NEW)]
        for version, (hold, before, after) in enumerate(steps, 1):
            held = hold()
            reply = self.put(after)
            held.await_waiting()
            self.server.stop(signal.SIGQUIT)
            held.release()
            self.server.start()
            reply = reply.result()
            if reply.status == 503:
                self.assertEqual(reply.code, "store_unavailable")
                self.assert_whole(before)
                wait_for(lambda: self.system.get("/readyz").status == 200, "ready again", 30)
                reply = self.put(after).result()
            self.assert_stored_once(reply, after, version)


@unittest.skipIf(os.environ.get("MILLRACE_TEST_STORE"), "files are for SQLite")
class OnSQLite(Sets):
    def setUp(self):
        self.system = self.enterContext(System())
        self.store = self.system.store
        self.begin()

    def log_changes(self):
        """A function that tells whether the write-ahead log was written to since. The writer's
        cache is smaller than a set: its pages come there before its commit."""
        log = pathlib.Path(f"{self.store.path}-wal")
        before = log.stat().st_mtime_ns
        return lambda: log.stat().st_mtime_ns != before

    def test_retriever_killed_while_a_set_is_replaced(self):
        self.assert_stored_once(self.put(OLD).result(), OLD, 1)
        words = (OLD, NEW)
        for version in range(2, 6):
            changed = self.log_changes()
            reply = self.put(words[version % 2 == 0])
            wait_for(changed, "the set on its way into the log", interval=0.0005)
            self.kill_retriever()
            self.assert_whole(*words)
            self.assert_stored_once(reply.result(), words[version % 2 == 0], version)


if __name__ == "__main__":
    unittest.main()
