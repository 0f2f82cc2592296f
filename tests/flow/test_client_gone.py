"""A client that goes: its job is cancelled, its turn is kept as cancelled, nothing is left behind."""
import os
import signal
import socket
import unittest

from system import System, wait_for

BODY = b'{"message": "What does the ferry carry?"}'
REQUEST = (b"POST /api/agents/1/chat/stream HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
           b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY))


class ClientGone(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(System())
        portfolio = cls.system.portfolio("ferry", [
            {"source": "ferry", "content": "The ferry carries cars and trains."}])
        cls.system.good("PUT", "/api/agents/1", {"portfolio_id": portfolio})

    def generating(self):
        lane = self.system.lane("generate")
        return lane["queued"] + lane["in_flight"]

    def test_a_client_that_goes_cancels_its_job(self):
        generator = self.system.pid("generator-1")
        cancelled = self.system.lane("generate")["cancelled"]
        os.kill(generator, signal.SIGSTOP)
        try:
            with socket.create_connection(("127.0.0.1", self.system.port), 10) as client:
                client.sendall(REQUEST)
                wait_for(lambda: self.generating() == 1, "the job at the generator")
            wait_for(lambda: self.system.lane("generate")["cancelled"] == cancelled + 1,
                     "the job cancelled", 5)
        finally:
            os.kill(generator, signal.SIGCONT)
        wait_for(lambda: self.generating() == 0, "nothing left")
        text, done = self.system.ask("What does the ferry carry?")
        self.assertEqual(done["type"], "done")
        self.assertIn("trains", text)

    def test_a_hundred_clients_that_go_leave_nothing(self):
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", self.system.port), 10) as client:
                client.sendall(REQUEST)
        wait_for(lambda: self.generating() == 0, "nothing left")
        wait_for(lambda: self.system.metric("millrace_http_requests_in_flight") <= 1, "no request left")
        self.assertEqual(self.system.ask("What does the ferry carry?")[1]["type"], "done")


if __name__ == "__main__":
    unittest.main()
