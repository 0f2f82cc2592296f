"""Runs the client programs of a language: run.py python|node FOLDER

The packages go into FOLDER, once. README's example in the language is one of the programs. Each other
finds systems by its environment: DOCUMENTS_URL answers from the demo's documents, SCRIPTED_URL does
what the question says (support/scripted.py), GUARDED_URL asks for an access token, GUARDED_TOKEN, and lets
nobody ask more than twice.
"""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

from system import System
from tokens import DOOR, token
from workers import SCRIPTED, Worker

HERE = pathlib.Path(__file__).resolve().parent
README = HERE.parents[1] / "README.md"
README_URL = "http://localhost:8000"
INSTALL_S = 300
PROGRAMS_S = 240
SKIPPED = 77


class Unavailable(Exception):
    """The packages cannot be had here: no fault of Millrace's."""


def run_install(*command):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} took longer than {INSTALL_S} s")
    if done.returncode:
        raise Unavailable(f"{' '.join(command[:3])} failed:\n{done.stdout[-2000:]}")


def install_python(folder):
    run_install("/usr/bin/python3", "-m", "venv", str(folder))
    run_install(str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check",
                "--requirement", str(HERE / "requirements.txt"))


def install_node(folder):
    for program in ("node", "npm"):
        if not shutil.which(program):
            raise Unavailable(f"{program} is not installed")
    shutil.copy(HERE / "package.json", folder)
    run_install("npm", "install", "--prefix", str(folder), "--no-package-lock", "--no-audit",
                "--no-fund", "--ignore-scripts")


def example(language, path, url):
    """README's, for the system at this address."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)
    code, = (block for block in blocks if README_URL in block)
    path.write_text(code.replace(README_URL, url))
    return str(path)


def python_programs(folder, url):
    python = str(folder / "bin" / "python")
    yield [python, str(HERE / "openai_python.py")]
    yield [python, example("python", folder / "readme.py", url)]


def node_programs(folder, url):
    """Copies: node looks for packages where the program lies."""
    for name in ("openai_node.mjs", "vercel_ai.mjs"):
        shutil.copy(HERE / name, folder)
        yield ["node", "--test", str(folder / name)]
    yield ["node", example("js", folder / "readme.mjs", url)]


LANGUAGES = {
    "python": ("requirements.txt", install_python, python_programs),
    "node": ("package.json", install_node, node_programs),
}


def installed(folder, pins, install):
    """The folder, with the packages that are pinned now."""
    stamp = folder / "installed"
    want = (HERE / pins).read_text()
    if not stamp.exists() or stamp.read_text() != want:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install(folder)
        stamp.write_text(want)
    return folder


def run_programs(programs, folder):
    with contextlib.ExitStack() as stack:
        documents = stack.enter_context(System(demo=True))
        scripted = stack.enter_context(System(counts=(1, 1, 0)))
        stack.enter_context(Worker(scripted, SCRIPTED))
        guarded = stack.enter_context(System(environment={
            **DOOR, "RATE_LIMIT_PER_MINUTE": "1", "RATE_LIMIT_BURST": "2"}))
        environment = {**os.environ, "DOCUMENTS_URL": documents.url, "SCRIPTED_URL": scripted.url,
                       "GUARDED_URL": guarded.url, "GUARDED_TOKEN": token(scope="chat")}
        for command in programs(folder, documents.url):
            if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL,
                              timeout=PROGRAMS_S).returncode:
                raise SystemExit(f"{pathlib.Path(command[-1]).name} failed")


def main(language, folder):
    pins, install, programs = LANGUAGES[language]
    try:
        folder = installed(pathlib.Path(folder) / language, pins, install)
    except Unavailable as reason:
        print(f"skipped: {reason}")
        return SKIPPED
    run_programs(programs, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
