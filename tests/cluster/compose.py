"""A project of docker compose for a test: its own name, its own volumes, gone at the end."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVICES = ("embedder", "retriever", "generator", "gateway")  # of ours
COMMAND_S = 900


class NoEngine(Exception):
    """Nothing that containers could run on."""


def works(*words):
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def command():
    """`docker compose` of version 2, or docker-compose."""
    if not shutil.which("docker") or not works("docker", "info"):
        raise NoEngine("no docker engine answers (DOCKER_HOST names one)")
    if works("docker", "compose", "version"):
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    raise NoEngine("there is neither docker compose nor docker-compose")


class Project:
    def __init__(self, name, **environment):
        self.name = name
        self.command = command()
        self.environment = {**os.environ, "COMPOSE_PROJECT_NAME": name, **environment}

    def compose(self, *words, timeout=COMMAND_S):
        return self.run(*self.command, "-f", str(ROOT / "deploy/compose.yaml"), *words, timeout=timeout)

    def run(self, *words, timeout=COMMAND_S):
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=timeout,
                              check=False)
        assert not done.returncode, f"{' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def down(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.compose("down", "--volumes", "--timeout", "10")

    # --- containers ---

    def containers(self, service):
        """Ids of those that run."""
        return self.compose("ps", "-q", service).split()

    def inspect(self, container):
        return json.loads(self.run("docker", "inspect", container))[0]

    def everything(self):
        """What the engine says of each container, those that have ended too."""
        found = self.run("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={self.name}")
        return json.loads(self.run("docker", "inspect", *found.split()))

    def pid(self, container):
        """Of its process; 0 while it has none."""
        return self.inspect(container)["State"]["Pid"]

    def host_address(self, network):
        """This machine's, as containers on that network see it."""
        found = json.loads(self.run("docker", "network", "inspect", f"{self.name}_{network}"))
        return found[0]["IPAM"]["Config"][0]["Gateway"]

    def kill(self, container):
        """SIGKILL to its process, as if it had died: its restart policy brings it back. Returns who died."""
        victim = self.pid(container)
        os.kill(victim, signal.SIGKILL)
        return victim

    @staticmethod
    def scales(counts):
        return [word for service, count in counts.items() for word in ("--scale", f"{service}={count}")]

    def scale(self, **counts):
        self.compose("up", "-d", "--no-recreate", "--no-build", *self.scales(counts), *counts)

    def up_whole(self, **counts):
        """As the README says it: all services, those that are not named in their usual number."""
        self.compose("up", "-d", *self.scales(counts))

    def sql(self, text):
        """Rows of tab-separated text, from inside the server's container."""
        container, = self.containers("postgres")
        out = self.run("docker", "exec", container, "psql", "-X", "-A", "-t", "-F", "\t", "-h", "/tmp",
                       "-U", "millrace", "-c", text)
        return [line.split("\t") for line in out.splitlines()]


def wait_for(condition, what, seconds=120):
    until = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return value
