"""A scripted provider (tests/fakes/scripted_provider.c) for a test: on a free port, stopped with it.

    with ScriptedProvider() as provider:
        OPENAI_BASE_URL=provider.url, model=model(length=400, gap_ms=5, fault="cut", at=100)

What happened when, it keeps in a log: provider.events().
"""
import collections
import os
import pathlib
import shutil
import subprocess
import tempfile

from scripted import MASK, mix
from system import BIN, end_with_parent, wait_for

SECRET = "PROVIDER-SECRET-7c1f"  # in every error's text, with the address below; no client may see them
SECRET_ADDRESS = "10.99.99.99"
STOP_S = 30

# `given`: characters given so far, or texts to be embedded; of a refusal, its status.
Event = collections.namedtuple("Event", "event ns request given model")


def model(**words):
    """The name of a model that does this: PROVIDER_SCRIPT_LIST in tests/fakes/provider_script.h."""
    return "+".join(["script", *(f"{name}={value}" for name, value in words.items())])


def embedding_of(text, dimensions):
    """The vector of a text, before it is normalised; embedding_component in provider_embeddings.c."""
    digest = 0xCBF29CE484222325
    for byte in text.encode():
        digest = (digest ^ byte) * 0x100000001B3 & MASK
    high = (mix(digest + i & MASK) >> 48 for i in range(dimensions))
    return [(h - 65536 if h >= 32768 else h) / 32768.0 for h in high]


class ScriptedProvider:
    def __init__(self, port=0):
        """A port of one's own, for a provider that comes back after it was stopped."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="scripted-provider."))
        self.log = self.folder / "log"
        self.port = port
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        status = self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert kind or status == 0, f"the scripted provider ended with {status}"

    def start(self):
        self.process = subprocess.Popen([BIN / "scripted-provider", str(self.port)], text=True,
                                        stdout=subprocess.PIPE, preexec_fn=end_with_parent,
                                        env={**os.environ, "SCRIPTED_LOG": str(self.log)})
        line = self.process.stdout.readline()
        assert line.startswith("listening "), "the scripted provider did not start"
        self.port = int(line.split()[1])

    def stop(self):
        """Ends it; start() brings it back on the same port. Its exit status."""
        self.process.terminate()
        self.process.stdout.close()
        return self.process.wait(STOP_S)

    @property
    def root(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self):
        """OpenAI's interface, and that of all who are compatible. Anthropic's wants `root`."""
        return self.root + "/v1"

    @property
    def mistral_url(self):
        return self.root + "/mistral/v1"

    # --- what happened ---

    def events(self, event=None, **words):
        """The log's lines, of one event or all, whose model has these words."""
        wanted = {f"{name}={value}" for name, value in words.items()}
        if not self.log.exists():
            return []
        lines = (line.split(" ", 4) for line in self.log.read_text().splitlines())
        found = (Event(l[0], int(l[1]), int(l[2]), int(l[3]), l[4]) for l in lines)
        return [e for e in found
                if event in (None, e.event) and wanted <= set(e.model.replace("+", " ").split())]

    def wait_event(self, event, count=1, timeout=30, **words):
        """Waits for so many of them, and returns them."""
        wait_for(lambda: len(self.events(event, **words)) >= count, f"{count} of {event}", timeout)
        return self.events(event, **words)
