"""What tests of a store in trouble share. They have a `system`; those that fill it, its `portfolio`."""
import unittest


class StoreCase(unittest.TestCase):
    def store(self):
        """What readyz says of the store. The gateway is ready all the time."""
        reply = self.system.get("/readyz")
        self.assertEqual((reply.status, reply.json["ready"]), (200, True), reply)
        return reply.json["store"]

    def put(self, number):
        """The answer to one of the documents that fill the store; each has words of its own."""
        words = " ".join(f"word{number}x{i}" for i in range(8000))
        return self.system.post(f"/api/portfolios/{self.portfolio}/documents",
                                {"source": f"fill{number}", "content": words})
