#!/usr/bin/python3
"""Compares the local embedding model with the program it comes from, on passages of real
documentation in two languages: the same tokens, the same vectors. Then, what searching its vectors as
int8 loses (model_recall.c).

    oracle.py --programs DIR --folder DIR [--passages N]

Of --programs are model_vectors and model_recall; --folder keeps the fetched package. Documents and
questions are those of tests/eval. Passages longer than the tokens that ours takes are compared as far
as those go.

Of a run of equal characters ("-----") several ways to cut it are worth the same, and which one is taken
depends on the last bit of a sum: SentencePiece, which ours uses, adds in single precision, the package's
own cutter in double. Such passages have the same pieces in another order; they are counted, limited, and
their vectors compared over the same order.
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
TIES_MAX = 0.02  # of the passages; measured: .0085


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


def questions():
    with open(os.path.join(HERE, "..", "eval", "questions.tsv")) as file:
        rows = [line.split("\t") for line in file if line.strip() and not line.startswith("#")]
    return [row[3] for row in rows]


def framed(texts):
    return b"".join(struct.pack("<I", len(text)) + text for text in (t.encode() for t in texts))


def ours(program, model, texts):
    """(tokens, vector) of each text."""
    out = subprocess.run([program, model], input=framed(texts), stdout=subprocess.PIPE,
                         check=True).stdout
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


def cut_short(tokens, longest):
    return tokens if len(tokens) <= longest else tokens[:longest - 1] + tokens[-1:]


def theirs(model, cuts):
    """The vectors of texts that are cut into tokens."""
    backend = model._model
    backend.sp = Given()
    return backend.encode(cuts)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--passages", type=int, default=2000)
    return parser.parse_args()


def compare(model, texts, mine):
    """Prints how near they are; whether they are the same."""
    import numpy
    longest = max(len(tokens) for tokens, _ in mine)
    cuts = [cut_short(package.cut(model, text), longest) for text in texts]
    ties = [want != got and sorted(want) == sorted(got) for want, (got, _) in zip(cuts, mine)]
    vectors = theirs(model, [got if tie else want for tie, want, (got, _) in zip(ties, cuts, mine)])
    cosines = [float(numpy.dot(numpy.array(vector), wanted.astype(numpy.float64)))
               for (_, vector), wanted in zip(mine, vectors)]
    wrong = [f"cosine {cosine:.6f}, {len(got)} and {len(want)} tokens: {text[:60]!r}"
             for text, cosine, want, (got, _), tie in zip(texts, cosines, cuts, mine, ties)
             if cosine < COSINE or (want != got and not tie)]
    print(f"{len(texts)} passages, {sum(map(len, cuts))} tokens; {sum(ties)} with pieces in another "
          f"order; worst cosine {min(cosines):.7f}; {len(wrong)} differ")
    print("".join(line + "\n" for line in wrong[:10]), end="", flush=True)
    return not wrong and sum(ties) <= TIES_MAX * len(texts)


def main():
    options = arguments()
    model = package.program(options.folder)
    weights = os.path.join(options.folder, "model")
    texts = passages(options.passages)
    mine = list(ours(os.path.join(options.programs, "model_vectors"), weights, texts))
    same = compare(model, texts, mine)
    recall = subprocess.run([os.path.join(options.programs, "model_recall"), weights, str(len(texts))],
                            input=framed(texts + questions()))
    return 0 if same and recall.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
