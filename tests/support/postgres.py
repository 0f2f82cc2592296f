"""A private PostgreSQL with pgvector: its own folder and socket, no port, fsync on, gone at the end.

    postgres.py exec COMMAND...   runs the command with MILLRACE_TEST_STORE naming the server
    postgres.py prepare           builds what it needs and exits

Where Debian has no package of pgvector (12), Debian 13's source is built into a private copy of the
installation; nothing of the system is changed.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile

KEEP = pathlib.Path(os.environ.get("MILLRACE_POSTGRES_DIR", f"/var/tmp/millrace-postgres-{os.getuid()}"))
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SOURCES = f"deb-src [signed-by={KEYRING}] http://deb.debian.org/debian trixie main\n"
START_SECONDS = 30
NEW_DATA = ("-U", "millrace", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")


class Missing(Exception):
    """PostgreSQL, or what pgvector is built with, is not installed."""


def run(*command, **options):
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.STDOUT)
    done = subprocess.run(command, text=True, timeout=300, check=False, **options)
    if done.returncode:
        raise Missing(f"{' '.join(map(str, command))}: {done.stdout}")
    return done.stdout


def newest_installation():
    """The folder of the newest server, /usr/lib/postgresql/15."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"),
                   key=lambda path: int(path.parts[-3]))
    if not found:
        raise Missing("no PostgreSQL is installed (tests/run installs it)")
    return found[-1].parent.parent


# --- pgvector ---


def fetch_source(folder):
    (folder / "lists/partial").mkdir(parents=True)
    (folder / "archives/partial").mkdir(parents=True)
    (folder / "sources.list").write_text(SOURCES)
    apt = ["apt-get", "-qq", "-o", f"Dir::Etc::SourceList={folder}/sources.list", "-o",
           "Dir::Etc::SourceParts=/dev/null", "-o", f"Dir::State::Lists={folder}/lists", "-o",
           f"Dir::Cache={folder}"]
    run(*apt, "update")
    run(*apt, "source", "--download-only", "pgvector", cwd=folder)
    archive = next(folder.glob("pgvector_*.orig.tar.gz"))
    run("tar", "-xzf", archive, cwd=folder)
    return next(path for path in folder.glob("pgvector-*") if path.is_dir())


def copy_installation(source, root):
    """A server finds its libraries by where its program lies: programs are copied, the rest linked."""
    version = source.name
    private = root / source.relative_to("/")
    private.mkdir(parents=True)
    shutil.copytree(source / "bin", private / "bin")
    run("cp", "-rs", f"{source}/lib", f"{private}/lib")
    share = root / f"usr/share/postgresql/{version}"
    share.parent.mkdir(parents=True)
    run("cp", "-rs", f"/usr/share/postgresql/{version}", share)
    return private


def build_private(source, root):
    config = source / "bin/pg_config"
    if not config.exists():
        config = shutil.which("pg_config") or config
    with tempfile.TemporaryDirectory() as name:
        tree = fetch_source(pathlib.Path(name))
        os.chmod(name, 0o755)
        making = root.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        copy_installation(source, making)
        for target in (["-j2"], ["install", f"DESTDIR={making}"]):
            run("make", "with_llvm=no", "OPTFLAGS=", f"PG_CONFIG={config}", *target, cwd=tree)
        making.rename(root)


def made_once(path, make):
    """Whoever comes first makes what is kept at that path; it comes by one rename, so it is whole."""
    KEEP.mkdir(mode=0o755, parents=True, exist_ok=True)
    with open(KEEP / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            make()


def installation():
    """The folder of a server that has pgvector; made once, by whoever comes first."""
    source = newest_installation()
    if pathlib.Path(f"/usr/share/postgresql/{source.name}/extension/vector.control").exists():
        return source
    root = KEEP / source.name
    made_once(root, lambda: build_private(source, root))
    return root / source.relative_to("/")


# --- a server ---


def become_server():
    """PostgreSQL refuses to run as root. Whoever started it takes it along when he dies."""
    import ctypes

    user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
    if user:
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG: a fast shutdown


def call(program, *arguments):
    """Runs a program of the server's as the user that it runs as."""
    return run(program, *arguments, preexec_fn=become_server, cwd="/",
               env={**os.environ, "LC_ALL": "C.UTF-8"})


def folder_of_server(parent=None):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-postgres-", dir=parent))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    return folder


def initial_data(programs):
    """What initdb makes, and takes four times as long for as all else that a server needs to start:
    made once, and copied by every server."""
    built = (run(programs / "postgres", "--version"), *NEW_DATA)
    kept = KEEP / f"data-{hashlib.sha256(' '.join(built).encode()).hexdigest()[:16]}"

    def make():
        folder = folder_of_server(KEEP)
        call(programs / "initdb", "-D", folder / "data", *NEW_DATA)
        (folder / "data").rename(kept)
        folder.rmdir()

    made_once(kept, make)
    return kept


class Server:
    """One server on a socket in `folder`; `settings` are more of its own."""

    def __init__(self, **settings):
        self.settings = settings
        self.bin = installation() / "bin"
        self.folder = folder_of_server()
        self.process = None
        call("/usr/bin/cp", "-r", "--reflink=auto", initial_data(self.bin), self.data)
        self.start()

    @property
    def data(self):
        return self.folder / "data"

    def url(self, database="postgres"):
        return f"postgresql:///{database}?host={self.folder}&user=millrace"

    def start(self):
        log = open(self.folder / "log", "ab")
        options = {"listen_addresses": "", "unix_socket_directories": self.folder,
                   "max_connections": 100, "shared_buffers": "64MB",
                   "log_min_messages": "warning", "fsync": "on", "timezone": "UTC", **self.settings}
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with log:
            self.process = subprocess.Popen([self.bin / "postgres", "-D", self.data, *flags],
                                            stdout=log, stderr=log, cwd="/",
                                            preexec_fn=become_server, start_new_session=True)
        self.await_ready()

    def await_ready(self):
        for _ in range(START_SECONDS * 20):
            done = subprocess.run([self.bin / "pg_isready", "-q", "-h", self.folder, "-t", "1"],
                                  check=False, timeout=30)
            if done.returncode == 0:
                return
            if self.process.poll() is not None:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
        raise Missing((self.folder / "log").read_text())

    def stop(self, how=signal.SIGINT):
        """SIGINT ends it in order, SIGQUIT at once, as a crash would."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(START_SECONDS)

    def close(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def psql(self, sql, database="postgres"):
        return run(self.bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d",
                   self.url(database), "-c", sql).strip()


@contextlib.contextmanager
def server(**settings):
    made = Server(**settings)
    try:
        yield made
    finally:
        made.close()


def main():
    if sys.argv[1:] == ["prepare"]:
        print(installation())
        return 0
    if len(sys.argv) < 3 or sys.argv[1] != "exec":
        print(__doc__)
        return 2
    with server() as made:
        env = {**os.environ, "MILLRACE_TEST_STORE": made.url()}
        return subprocess.run(sys.argv[2:], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
