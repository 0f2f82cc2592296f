"""Clients with habits: one that reads in the background, one that reads only when told to."""
import json
import socket
import threading

from system import wait_for


class Asking(threading.Thread):
    """Streams an answer in the background: text so far, and the last event once it has come."""

    def __init__(self, system, message, **fields):
        super().__init__(daemon=True)
        self.text = ""
        self.last = None
        self.trouble = None
        self.stream = system.stream(message, **fields)
        self.start()

    def run(self):
        try:
            for event in self.stream.events():
                if event["type"] == "token":
                    self.text += event["content"]
                else:
                    assert self.last is None, f"{event} behind {self.last}"
                    self.last = event
        except Exception as trouble:  # for the test's own thread
            self.trouble = trouble
        self.stream.close()

    def wait_text(self, length):
        """Until the client has that many characters."""
        wait_for(lambda: len(self.text) >= length or not self.is_alive(), f"{length} characters")
        return self

    def result(self, timeout=60):
        """The text and the last event."""
        self.join(timeout)
        if self.trouble:
            raise self.trouble
        assert not self.is_alive() and self.last, f"no end after {len(self.text)} characters"
        return self.text, self.last


class Crowd:
    """Clients beside each other, each of which asks, by ask(), again and again until the crowd is left."""

    def __init__(self, clients, pause_s=0):
        self.pause_s = pause_s
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.ask_on) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def ask_on(self):
        while not self.over.wait(self.pause_s):
            self.ask()


class SlowClient:
    """Asks for a stream and reads nothing until read() is called. The kernel keeps little for it."""

    def __init__(self, system, message, request_id="slow"):
        body = json.dumps({"message": message}).encode()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", system.port))
        self.socket.sendall(b"POST /api/agents/1/chat/stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                            b"X-Request-Id: %s\r\nContent-Type: application/json\r\n"
                            b"Content-Length: %d\r\n\r\n%s" % (request_id.encode(), len(body), body))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    @staticmethod
    def chunk_size(reader):
        """Of the next chunk; 0 of the one that ends a whole stream."""
        line = reader.readline()
        if not line:
            raise ConnectionError("the stream was cut")
        return int(line, 16)

    def read(self):
        """The rest of the stream: text and last event."""
        reader = self.socket.makefile("rb")
        while reader.readline().strip():
            continue  # the headers
        raw = b""
        while size := self.chunk_size(reader):
            raw += reader.read(size)
            reader.readline()
        events = [json.loads(block[6:]) for block in raw.split(b"\n\n") if block.startswith(b"data: ")]
        text = "".join(event["content"] for event in events if event["type"] == "token")
        return text, events[-1]
