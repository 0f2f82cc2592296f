"""Peers that do not fit: a worker or a gateway of another protocol version, a gateway whose name nobody
knows yet. Each is refused or waited for, is told once however often it is tried, and harms nobody."""
import ctypes
import os
import pathlib
import secrets
import shutil
import struct
import subprocess
import tempfile
import threading
import unittest

import msgpack
import zmq

from system import System, free_ports, wait_for
from workers import Worker

HELLO, CREDIT, WELCOME, RESET = 1, 2, 32, 38
OURS, THEIRS = 1, 2
POOLS = {"embed": 0, "retrieve": 1, "generate": 2}
TRIES = 3


def hello_of(version):
    return msgpack.packb([version, HELLO, 0, 0, "generate", secrets.token_hex(8), 4, "9", "future", ""])


class ForeignWorker(unittest.TestCase):
    def setUp(self):
        self.system = self.enterContext(System())
        self.zmq = zmq.Context()
        self.addCleanup(self.zmq.term)

    def try_once(self, hello):
        """Says hello as a new worker would, and returns the answer's header."""
        lane = self.zmq.socket(zmq.DEALER)
        try:
            lane.setsockopt(zmq.ROUTING_ID, b"w" + secrets.token_bytes(8))
            lane.setsockopt(zmq.LINGER, 0)
            lane.connect(f"tcp://127.0.0.1:{self.system.port + 1 + POOLS['generate']}")
            lane.send(hello)
            self.assertTrue(lane.poll(10000), "no answer")
            return msgpack.unpackb(lane.recv())
        finally:
            lane.close()

    def test_a_worker_of_another_version_is_refused_and_shown(self):
        for _ in range(TRIES):
            self.assertEqual(self.try_once(hello_of(THEIRS))[:2], [OURS, RESET])
        lane = self.system.lane("generate")
        shown = lane["refused_workers"]
        self.assertEqual([(w["address"], w["protocol"], w["times"]) for w in shown],
                         [("127.0.0.1", THEIRS, TRIES)])
        self.assertEqual([w["name"] for w in lane["workers"]], ["generator-1"])
        self.assertEqual(self.system.metric("millrace_workers_refused", pool="generate"), 1)
        self.assertEqual(self.system.metric("millrace_workers_refused", pool="embed"), 0)
        said = [line for line in self.system.logs()["gateway.log"].splitlines() if "protocol_version" in line]
        self.assertEqual(len(said), 1, said)
        self.assertIn("address=127.0.0.1", said[0])
        self.assertIn(f"version {THEIRS}", said[0])
        self.assertEqual(self.system.ask("Hello", store=False)[1]["type"], "done")

    def test_one_that_says_nothing_readable_is_refused_as_well(self):
        for hello in (b"", b"\xc1", msgpack.packb(["one", HELLO, 0, 0]), msgpack.packb([OURS])):
            self.assertEqual(self.try_once(hello)[:2], [OURS, RESET])
        self.assertEqual(self.system.lane("generate")["refused_workers"], [])
        self.assertEqual(self.system.ask("Hello", store=False)[1]["type"], "done")


class FakeGateway(threading.Thread):
    """Answers every HELLO of generators: with RESET as a gateway of `version` would, or as ours."""

    def __init__(self):
        super().__init__(daemon=True)
        self.port = free_ports(4)
        self.version = THEIRS
        self.hellos = self.credits = 0
        self.over = threading.Event()
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def run(self):
        context = zmq.Context()
        lane, tokens = context.socket(zmq.ROUTER), context.socket(zmq.SUB)
        lane.bind(f"tcp://127.0.0.1:{self.port + POOLS['generate']}")
        tokens.bind(f"tcp://127.0.0.1:{self.port + 3}")
        tokens.setsockopt(zmq.SUBSCRIBE, b"tfake.")
        while not self.over.is_set():
            tokens.poll(0)  # SUB tells its subscription from inside a call
            if lane.poll(50):
                peer, header = lane.recv_multipart()[:2]
                self.answer(lane, peer, msgpack.unpackb(header)[1])
        for socket in (lane, tokens):
            socket.close(0)
        context.term()

    def answer(self, lane, peer, kind):
        if kind == CREDIT:
            self.credits += 1
        if kind != HELLO:
            return
        self.hellos += 1
        fields = [RESET, 0, 0] if self.version == THEIRS else [WELCOME, 0, 0, "fake", 1, 500, 100]
        lane.send_multipart([peer, msgpack.packb([self.version, *fields])])


class ForeignGateway(unittest.TestCase):
    def test_a_gateway_of_another_version_is_told_once_and_served_when_it_is_ours(self):
        system = self.enterContext(System(counts=(1, 1, 0)))
        fake = self.enterContext(FakeGateway())
        worker = self.enterContext(Worker(
            system, "millrace-generator", GATEWAYS=f"127.0.0.1:{fake.port},127.0.0.1:{system.port + 1}"))
        wait_for(lambda: fake.hellos >= TRIES, "it tries on")
        said = [line for line in system.logs()[f"{worker.name}.log"].splitlines() if str(fake.port) in line]
        self.assertEqual(len([line for line in said if f"version {THEIRS}" in line]), 1, said)
        self.assertFalse([line for line in said if "session over" in line], said)
        self.assertEqual(system.ask("Hello", store=False)[1]["type"], "done")
        fake.version = OURS
        wait_for(lambda: fake.credits, "it serves both")


class Opens:
    """Counts how often a file has been opened, by whatever process (inotify)."""
    IN_OPEN = 0x20

    def __init__(self, path):
        libc = ctypes.CDLL(None)
        self.fd = libc.inotify_init1(os.O_NONBLOCK)
        self.count = 0
        if self.fd < 0 or libc.inotify_add_watch(self.fd, str(path).encode(), self.IN_OPEN) < 0:
            raise OSError("inotify")

    def total(self):
        try:
            events = os.read(self.fd, 65536)
        except BlockingIOError:
            return self.count
        self.count += len(events) // struct.calcsize("iIII")  # a file's events bring no name
        return self.count


class NamelessGateway(unittest.TestCase):
    """The name of a gateway is in a hosts file of the worker's own, or not yet."""
    NAME = "gateway-of-nobody.test"
    OWN = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"'

    def own_names(self):
        """A command that gives another one names of its own, and the file that they come from."""
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        hosts, switch = folder / "hosts", folder / "nsswitch.conf"
        hosts.write_text("127.0.0.1 localhost\n")
        switch.write_text("hosts: files\n")
        for flags in (["--mount"], ["--mount", "--map-root-user"]):
            command = ["unshare", *flags, "sh", "-c", self.OWN, "sh", str(hosts), str(switch)]
            if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
                return command, hosts
        self.skipTest("no private mounts here")

    def test_its_name_is_asked_for_until_it_is_known_and_that_is_told_once(self):
        command, hosts = self.own_names()
        system = self.enterContext(System(counts=(1, 1, 0)))
        opens = Opens(hosts)
        self.addCleanup(os.close, opens.fd)
        worker = Worker(system, "millrace-generator", GATEWAYS=f"{self.NAME}:{system.port + 1}")
        worker.prefix = command
        worker.start()
        self.addCleanup(worker.end)
        wait_for(lambda: opens.total() >= TRIES, "the name is asked for again and again")
        self.assertEqual(system.lane("generate")["workers"], [])
        with hosts.open("a") as file:
            file.write(f"127.0.0.1 {self.NAME}\n")
        worker.wait_ready()
        self.assertEqual(system.ask("Hello", store=False)[1]["type"], "done")
        said = [line for line in system.logs()[f"{worker.name}.log"].splitlines() if " warn " in line]
        self.assertEqual(len([line for line in said if self.NAME in line]), 1, said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
