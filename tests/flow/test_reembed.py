"""Portfolios change their embedder: the old vectors answer meanwhile, whatever dies; and one whose
embedder nobody serves is searched by its words."""
import pathlib
import signal
import subprocess
import sys
import unittest

from system import BIN, System, end_with_parent, wait_for

WORKER = pathlib.Path(__file__).with_name("python_embedder.py")
HASHING = "hashing-1"
OTHER = "openai-compatible/python/64"
MILL = [{"source": str(i), "content": f"The mill number {i} grinds rye at dawn, and wheat at noon."}
        for i in range(150)]


class Reembed(unittest.TestCase):
    def setUp(self):
        self.system = self.enterContext(System())

    def worker(self):
        """An embedder of the other kind joins."""
        worker = subprocess.Popen([sys.executable, str(WORKER), str(self.system.port + 1), OTHER, "64"],
                                  stdout=subprocess.DEVNULL, preexec_fn=end_with_parent)
        self.addCleanup(worker.wait)
        self.addCleanup(worker.kill)
        wait_for(lambda: OTHER in self.served(), "the other embedder has joined")
        return worker

    def served(self):
        return [worker["serves"] for worker in self.system.lane("embed")["workers"]]

    def leave(self, worker):
        worker.kill()
        wait_for(lambda: OTHER not in self.served(), "the other embedder has left")

    def portfolio(self, number):
        return self.system.good("GET", f"/api/portfolios/{number}")

    def reembed(self, number, embedder=None):
        return self.system.post(f"/api/portfolios/{number}/reembed", {"embedder": embedder} if embedder else {})

    def is_rebuilt(self, number, embedder):
        got = self.portfolio(number)
        state = got["embedding"]
        return got["embedder"] == state["embedder"] == embedder and state["done"] == state["total"]

    def wait_rebuilt(self, number, embedder, timeout=60):
        wait_for(lambda: self.is_rebuilt(number, embedder), f"its vectors are {embedder}'s", timeout)

    def vector_score(self, number):
        return self.system.search(number, "Which mill grinds rye?", 3)[0]["scores"]["vector"]

    def failing(self):
        return self.system.good("GET", "/api/ops/pools")["index"]["failing"]

    def test_the_old_vectors_answer_while_the_new_ones_cannot_be_made(self):
        number = self.system.portfolio("mills", MILL)
        reply = self.reembed(number, OTHER)
        self.assertEqual(reply.status, 202)
        self.assertEqual((reply.json["embedder"], reply.json["embedding"]["embedder"]), (HASHING, OTHER))
        self.assertEqual((reply.json["embedding"]["done"], reply.json["embedding"]["total"]), (0, 150))
        wait_for(self.failing, "the failing embedder is shown")
        self.assertEqual([(t["embedder"], t["error"], t["portfolio_id"]) for t in self.failing()],
                         [(OTHER, "embedder_unavailable", number)])
        self.assertEqual(self.system.metric("millrace_index_failing"), 1)
        state = self.portfolio(number)["embedding"]
        self.assertEqual(state["error"], "embedder_unavailable")
        self.assertRegex(state["retry_at"], r"^\d{4}-\d\d-\d\dT.*Z$")
        self.assertGreater(self.vector_score(number), 0)
        self.worker()
        self.reembed(number, OTHER)  # asked again, it does not wait for its back-off
        self.wait_rebuilt(number, OTHER)
        wait_for(lambda: self.vector_score(number) > 0, "questions get the new embedder's vectors", 10)
        wait_for(lambda: not self.failing(), "nothing fails any more")

    def test_it_goes_on_by_itself_when_its_embedder_comes(self):
        number = self.system.portfolio("mills", MILL[:10])
        self.reembed(number, OTHER)
        wait_for(self.failing, "the failing embedder is shown")
        self.worker()
        self.wait_rebuilt(number, OTHER)

    def test_documents_that_come_meanwhile_are_found_and_get_both(self):
        number = self.system.portfolio("mills", MILL[:20])
        self.reembed(number, OTHER)
        self.system.good("POST", f"/api/portfolios/{number}/documents",
                         {"source": "new", "content": "The lighthouse keeper counts ships."})
        self.system.wait_stored(number)
        self.assertEqual(self.system.search(number, "lighthouse keeper")[0]["source"], "new")
        self.assertEqual(self.portfolio(number)["embedding"]["total"], 21)
        self.worker()
        self.reembed(number, OTHER)
        self.wait_rebuilt(number, OTHER)
        self.assertEqual(self.system.search(number, "lighthouse keeper")[0]["source"], "new")

    def test_it_outlives_the_death_of_every_process(self):
        number = self.system.portfolio("mills", MILL)
        self.reembed(number, OTHER)
        for name in ("retriever-1", "embedder-1", "gateway"):
            pid = self.system.kill_worker(name)
            wait_for(lambda: self.system.pid(name) != pid, f"{name} is started again")
        wait_for(lambda: self.answers("/readyz"), "ready again")
        self.assertEqual(self.portfolio(number)["embedding"]["embedder"], OTHER)
        self.assertGreater(self.vector_score(number), 0)
        worker = self.worker()
        self.reembed(number, OTHER)
        wait_for(lambda: self.portfolio(number)["embedding"]["done"] > 0, "some are made")
        worker.kill()
        pid = self.system.kill_worker("retriever-1")
        wait_for(lambda: self.system.pid("retriever-1") != pid, "the retriever is started again")
        self.worker()
        self.wait_rebuilt(number, OTHER, 90)

    def answers(self, path):
        try:
            return self.system.get(path).status == 200
        except OSError:
            return False

    def test_without_its_embedder_a_portfolio_is_searched_by_words_and_nothing_fails(self):
        worker = self.worker()
        made = self.system.good("POST", "/api/portfolios", {"name": "far", "embedder": OTHER})["id"]
        path = f"/api/portfolios/{made}/documents"
        self.system.good("POST", path, MILL[:3])
        self.system.wait_stored(made)
        wait_for(lambda: self.vector_score(made) > 0, "found by its vectors too", 10)
        self.leave(worker)
        reply = self.system.post(path, {"source": "late", "content": "The weir was mended in 1931."})
        self.assertEqual((reply.status, reply.json["status"]), (202, "indexing"))
        found = self.system.search(made, "When was the weir mended?")[0]
        self.assertEqual((found["source"], found["scores"]["vector"]), ("late", 0))
        text, last = self.system.ask("When was the weir mended?", portfolio_id=made)
        self.assertEqual(last["type"], "done", last)
        self.assertIn("1931", text)
        self.assertGreaterEqual(self.system.metric("millrace_questions_by_words_total", kind="search"), 1)
        self.assertEqual(self.system.metric("millrace_questions_by_words_total", kind="chat"), 1)
        self.assertEqual([d["status"] for d in self.system.documents(made)], ["stored"] * 3 + ["indexing"])
        self.worker()
        self.system.wait_stored(made)

    def test_the_operator_command_shows_it_and_goes_back(self):
        number = self.system.portfolio("mills", MILL)
        self.worker()
        def run(*words):
            return subprocess.run([str(BIN / "millrace"), "reembed", "--url", self.system.url, *words],
                                  capture_output=True, text=True, timeout=100)
        there = run("--embedder", OTHER, "mills")
        self.assertEqual((there.returncode, there.stderr), (0, ""))
        self.assertIn(f"mills, {OTHER} 100% 150/150 chunks", there.stdout)
        self.assertTrue(self.is_rebuilt(number, OTHER))
        back = run("--all")
        self.assertEqual((back.returncode, back.stderr), (0, ""))
        self.assertTrue(self.is_rebuilt(number, HASHING))
        self.assertGreater(self.vector_score(number), 0)
        self.assertEqual(run("--all").stdout, f"mills, {HASHING}: all 150 chunks have their vectors\n")
        wrong = run("--embedder", "telepathy", "mills")
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("invalid_field", wrong.stderr)
        self.assertEqual(run().returncode, 2)
        self.assertEqual(run("--all", "mills").returncode, 2)
        self.assertEqual(run("nowhere").returncode, 1)

    def test_reembedding_to_the_same_is_nothing_to_do(self):
        number = self.system.portfolio("mills", MILL[:3])
        reply = self.reembed(number)
        self.assertEqual(reply.status, 200)
        self.assertTrue(self.is_rebuilt(number, HASHING))
        self.assertEqual(self.system.call("POST", f"/api/portfolios/{number}/reembed").status, 200)
        known = self.portfolio(number)  # written back as it was read, it stays as it is
        again = self.system.good("PUT", f"/api/portfolios/{number}", known)
        self.assertEqual({**again, "version": 0}, {**known, "version": 0})
        self.assertEqual(self.reembed(999).code, "portfolio_not_found")
        self.assertEqual(self.reembed(number, "telepathy").code, "invalid_field")


class Restart(unittest.TestCase):
    def test_what_waits_for_its_vectors_still_does_after_a_restart_of_everything(self):
        system = System()
        self.addCleanup(system.kill)
        system.start()
        made = system.good("POST", "/api/portfolios", {"name": "far", "embedder": OTHER})["id"]
        system.good("POST", f"/api/portfolios/{made}/documents", MILL[:5])
        wait_for(lambda: system.good("GET", "/api/ops/pools")["index"]["failing"], "nobody serves it")
        system.process.send_signal(signal.SIGTERM)
        self.assertEqual(system.process.wait(60), 0)
        again = System(data=system.data)
        with again:
            self.assertEqual({d["status"] for d in again.documents(made)}, {"indexing"})
            self.assertEqual(len(again.search(made, "Which mill grinds rye?")), 5)
            worker = subprocess.Popen([sys.executable, str(WORKER), str(again.port + 1), OTHER, "64"],
                                      stdout=subprocess.DEVNULL, preexec_fn=end_with_parent)
            self.addCleanup(worker.wait)
            self.addCleanup(worker.kill)
            again.wait_stored(made)


if __name__ == "__main__":
    unittest.main(verbosity=2)
