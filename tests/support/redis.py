"""A private Redis, and a TCP proxy before it that freezes, slows, cuts and garbles.

    with Redis() as redis, Proxy(redis.port) as proxy, System(environment={"REDIS_URL": proxy.url}):
        proxy.freeze()
"""
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from system import end_with_parent, wait_for

SERVER = "/usr/bin/redis-server"
GARBAGE = b"!what is this?\r\n"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Redis:
    def __init__(self, *options, password=None):
        self.options = list(options)
        self.password = password
        self.port = free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-redis-"))
        self.process = None

    @property
    def url(self):
        return f"redis://{':' + self.password + '@' if self.password else ''}127.0.0.1:{self.port}/0"

    @property
    def patiently(self):
        """For systems that are asked what Redis holds, on a machine that may be busy."""
        return {"REDIS_URL": self.url, "REDIS_TIMEOUT_MS": "2000"}

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        secret = ["--requirepass", self.password] if self.password else []
        self.process = subprocess.Popen(
            [SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly",
             "no", "--dir", str(self.folder), *secret, *self.options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=end_with_parent)
        wait_for(self.answers, "redis-server answers")
        return self

    def answers(self):
        try:
            return self.call("PING") == "PONG"
        except OSError:
            return False

    def kill(self):
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
        self.process = None

    def signal(self, number):
        self.process.send_signal(number)

    def call(self, *words):
        """One command on a connection of its own: text, a number, bytes, a list or None."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s, s.makefile("rwb") as f:
            if self.password:
                self._send(f, "AUTH", self.password)
            return self._send(f, *words)

    def _send(self, f, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        f.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        f.flush()
        return self._read(f)

    def _read(self, f):
        line = f.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if int(rest) < 0 else f.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._read(f) for _ in range(int(rest))]
        raise OSError(f"not an answer of Redis: {line!r}")

    def keys(self, prefix=""):
        return sorted(key.decode() for key in self.call("KEYS", prefix + "*"))

    def memory(self):
        info = self.call("INFO", "memory").decode()
        return int(next(line for line in info.splitlines()
                        if line.startswith("used_memory:")).partition(":")[2])


class Proxy:
    """Every mode is in force for connections that are open and for new ones."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.mode = "pass"
        self.delay_s = 0
        self.pairs = {}  # either end to the other
        self.lock = threading.Lock()
        self.over = False
        self.accepted = 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join(10)
        self.cut()
        self.listener.close()

    def freeze(self):
        self.mode = "freeze"

    def garble(self):
        self.mode = "garble"

    def slow(self, seconds):
        self.delay_s = seconds
        self.mode = "slow"

    def heal(self):
        self.mode = "pass"

    def cut(self):
        with self.lock:
            for end in list(self.pairs):
                end.close()
            self.pairs.clear()

    def _run(self):
        while not self.over:
            with self.lock:
                ends = [] if self.mode == "freeze" else list(self.pairs)
                ready, _, _ = select.select([self.listener, *ends], [], [], 0.005)
                for end in ready:
                    if end is self.listener:
                        self._accept()
                    elif end in self.pairs:
                        self._pass(end)

    def _accept(self):
        client, _ = self.listener.accept()
        self.accepted += 1
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=1)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pairs[client], self.pairs[server] = server, client

    def _pass(self, end):
        other = self.pairs[end]
        try:
            piece = end.recv(1 << 16)
            if self.mode == "slow":
                time.sleep(self.delay_s)
            if piece and self.mode == "garble":
                end.sendall(GARBAGE)
            elif piece:
                other.sendall(piece)
        except OSError:
            piece = b""
        if not piece:
            for closed in (end, other):
                self.pairs.pop(closed, None)
                closed.close()
