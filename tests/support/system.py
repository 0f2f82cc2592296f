"""A private Millrace for a test: its own folder, its own ports, stopped by its own pid.

    with System(demo=True) as system:
        reply = system.post("/api/agents/1/chat", {"message": "Hello"})

The programs are those in MILLRACE_BIN. What any process said that a healthy one does not say (a
sanitizer's report, a death nobody expected) makes stop() raise.

With MILLRACE_TEST_STORE, the URL of a PostgreSQL server (postgres.py starts one), each system's store
is a database of its own there; else a file in its folder.
"""
import contextlib
import ctypes
import hashlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from urllib.parse import parse_qs

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("MILLRACE_BIN", ROOT / "build" / "bin"))
PORTS = 5  # HTTP, a lane for each pool, tokens
START_S = 90
STOP_S = 60
TAKEN = ("is taken", "Address already in use")  # a port, seen before the start or by who listens
ALARMS = ("AddressSanitizer", "LeakSanitizer", "runtime error:")
PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl


def end_with_parent():
    """For a child: SIGTERM when the test dies, however it dies."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count=PORTS):
    """The first of `count` ports that nobody uses, below those the kernel gives to clients."""
    for _ in range(1000):
        first = random.randrange(12000, 32000 - count)
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise RuntimeError("no free ports")


def wait_for(condition, what, timeout=20.0, interval=0.01):
    """Waits until condition() is true and returns what it gave."""
    until = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(interval)


class Reply:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = response.headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The code of an error."""
        return self.json["error"]["code"]

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Stream:
    """A server-sent event stream as it arrives: events(), and the raw bytes of each."""

    def __init__(self, connection, response):
        self.connection = connection
        self.response = response
        self.status = response.status
        self.headers = response.headers
        self.blocks = []  # raw bytes of each event, its blank line included

    def events(self):
        block = b""
        for line in self.response:
            block += line
            if line.strip():
                continue
            self.blocks.append(block)
            for data in block.splitlines():
                if data.startswith(b"data: "):
                    yield json.loads(data[6:])
            block = b""
        assert block == b"", f"the stream ends inside an event: {block!r}"

    def close(self):
        self.response.close()
        self.connection.close()


class FileStore:
    """The SQLite file that a system makes."""

    environment = {}  # what a command that knows the system's folder has to be told of its store

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.url = f"sqlite:{path}"

    @property
    def folder(self):
        """Where all lies that it keeps."""
        return self.path.parent

    def check(self, _):
        """Nothing but a store of its own could be in the system's folder."""

    def rows(self, sql):
        with contextlib.closing(sqlite3.connect(self.path, timeout=10)) as store:
            return store.execute(sql).fetchall()

    def drop(self):
        """Goes with its folder."""


class Database:
    """A database on a server of PostgreSQL: the system that comes back to the name finds it again."""

    def __init__(self, server, name):
        address, _, options = server.partition("?")
        self.server = server
        self.name = "flow_" + hashlib.sha256(str(name).encode()).hexdigest()[:16]
        self.url = f"{address.rpartition('/')[0]}/{self.name}?{options}"
        self.environment = {"DATABASE_URL": self.url}
        self.folder = pathlib.Path(parse_qs(options)["host"][0])
        if not self.ask(server, f"SELECT 1 FROM pg_database WHERE datname = '{self.name}'"):
            self.ask(server, f"CREATE DATABASE {self.name}")

    @staticmethod
    def ask(url, sql):
        command = ["psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-R", "\x1e", "-d", url, "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True,
                              timeout=60).stdout.rstrip("\n")

    def rows(self, sql):
        return [tuple(row.split("\x1f")) for row in self.ask(self.url, sql).split("\x1e") if row]

    def check(self, data):
        """Whoever was told of a database makes no file beside it."""
        assert not (data / "millrace.db").exists(), f"a file beside {self.url}"

    def drop(self):
        self.ask(self.server, f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


def store_for(folder):
    """The store of whoever works in that folder: `url`, `environment`, `folder`, `rows(sql)`, `check(data)`, `drop()`."""
    server = os.environ.get("MILLRACE_TEST_STORE")
    return Database(server, folder) if server else FileStore(f"{folder}/millrace.db")


class System:
    def __init__(self, demo=False, counts=(1, 1, 1), environment=None, data=None, port=None):
        self.demo = demo
        self.counts = counts
        self.environment = environment or {}
        self.own_data = data is None
        self.data = pathlib.Path(data or tempfile.mkdtemp(prefix="millrace-flow-"))
        self.port = port
        self.store = store_for(self.data)
        self.headers = {"Content-Type": "application/json"}  # of every request
        self.said = []  # lines of the supervisor
        self.expected_deaths = 0
        self.process = None

    # --- life ---

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, kind, *_):
        if kind:
            self.show_logs()
            self.kill()
        else:
            self.stop()

    def command(self):
        demo = ["--demo", str(ROOT / "deploy" / "demo")] if self.demo else ["--no-demo"]
        pools = ("--embedders", "--retrievers", "--generators")
        counts = [str(word) for pair in zip(pools, self.counts) for word in pair]
        return [str(BIN / "millrace"), "supervise", "--data", str(self.data), "--port",
                str(self.port), *demo, *counts]

    def start(self):
        for _ in range(5):
            self.port = self.port or free_ports()
            if self._try_start():
                return self
            self.port = None  # somebody was faster
            refused, self.said = self.said, []
        raise RuntimeError("".join(refused))

    def _try_start(self):
        environment = {"PATH": os.environ["PATH"], "LOG_LEVEL": "info",
                       "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0",
                       "DATABASE_URL": self.store.url, **self.environment}
        self.process = subprocess.Popen(
            self.command(), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, preexec_fn=end_with_parent)
        ready = threading.Event()
        self.reader = threading.Thread(target=self._read, args=(ready,), daemon=True)
        self.reader.start()
        if not ready.wait(START_S):
            raise AssertionError("not ready: " + "".join(self.said))
        if any(line.startswith("ready: ") for line in self.said):
            return True
        if any(word in line for line in self.said for word in TAKEN):
            return False
        raise AssertionError("did not start: " + "".join(self.said))

    def _read(self, ready):
        with self.process.stdout as lines:
            for line in lines:
                self.said.append(line)
                if line.startswith("ready: "):
                    ready.set()
        ready.set()

    def stop(self):
        """Stops as `deploy/down` does, and looks at what was said meanwhile."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_S)
            self.reader.join(STOP_S)
            self.check_health(status)
        except BaseException:
            self.show_logs()
            raise
        finally:
            self.kill()

    def check_health(self, status):
        deaths = [line for line in self.said if "ended with" in line or "was killed" in line]
        assert status == 0, f"the supervisor ended with {status}: {''.join(self.said)}"
        assert len(deaths) <= self.expected_deaths, f"unexpected: {deaths}"
        self.store.check(self.data)
        assert not any("have not stopped in time" in line for line in self.said), self.said
        for name, text in self.logs().items():
            assert not any(alarm in text for alarm in ALARMS), f"{name} complains"

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.own_data:
            shutil.rmtree(self.data, ignore_errors=True)
            self.store.drop()

    def logs(self):
        return {path.name: path.read_text(errors="replace")
                for path in sorted((self.data / "log").glob("*.log"))}

    def show_logs(self):
        print("".join(self.said))
        for name, text in self.logs().items():
            print(f"--- {name} ---\n{text[-4000:]}")

    def pid(self, name):
        return int((self.data / "run" / f"{name}.pid").read_text())

    def kill_worker(self, name, number=signal.SIGKILL):
        """Kills a worker and returns the pid that it had."""
        pid = self.pid(name)
        self.expected_deaths += 1
        os.kill(pid, number)
        return pid

    # --- clients ---

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def connect(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def call(self, method, path, body=None, headers=None):
        """One request on a connection of its own; a body that is not bytes goes as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = self.connect()
        try:
            connection.request(method, path, body, {**self.headers, **(headers or {})})
            response = connection.getresponse()
            return Reply(response, response.read())
        finally:
            connection.close()

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body):
        return self.call("POST", path, body)

    def good(self, method, path, body=None):
        """The JSON of a call that has to succeed."""
        reply = self.call(method, path, body)
        assert reply.status // 100 == 2, f"{method} {path}: {reply}"
        return reply.json if reply.body else None

    def stream(self, message, agent=1, headers=None, **fields):
        connection = self.connect()
        body = json.dumps({"message": message, **fields})
        connection.request("POST", f"/api/agents/{agent}/chat/stream", body,
                           {**self.headers, **(headers or {})})
        return Stream(connection, connection.getresponse())

    def ask(self, message, agent=1, **fields):
        """Streams an answer; its text and its last event."""
        stream = self.stream(message, agent, **fields)
        events = list(stream.events())
        stream.close()
        text = "".join(event["content"] for event in events if event["type"] == "token")
        return text, events[-1]

    def metric(self, name, **labels):
        """The sum of a metric's samples that carry these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        total = 0.0
        for line in self.get("/metrics").body.decode().splitlines():
            if line.partition("{")[0].partition(" ")[0] == name and all(w in line for w in wanted):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def lane(self, pool):
        pools = self.good("GET", "/api/ops/pools")["pools"]
        return next(p for p in pools if p["pool"] == pool)

    def without_cache(self):
        """From now on the same question is answered anew, however often it is asked."""
        self.good("PUT", "/api/flags", {"cache": False})
        return self

    # --- content ---

    def portfolio(self, name, documents=()):
        """Makes a portfolio with these documents and waits until all of them are stored."""
        made = self.good("POST", "/api/portfolios", {"name": name})["id"]
        if documents:
            self.good("POST", f"/api/portfolios/{made}/documents", list(documents))
            self.wait_stored(made)
        return made

    def documents(self, portfolio):
        return self.good("GET", f"/api/portfolios/{portfolio}/documents?limit=1000")["data"]

    def wait_stored(self, portfolio, timeout=60):
        wait_for(lambda: all(d["status"] == "stored" for d in self.documents(portfolio)),
                 "all documents stored", timeout)

    def search(self, portfolio, query, top_k=8):
        return self.good("POST", f"/api/portfolios/{portfolio}/search",
                         {"query": query, "top_k": top_k})["results"]
