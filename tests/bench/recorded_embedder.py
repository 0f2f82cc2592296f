#!/usr/bin/python3
"""An embedder that knows the vectors of a fixed list of questions, as bench_postgres has written them: so
that questions asked over HTTP are the same that were asked inside the retriever.

    recorded_embedder.py LANES_PORT EMBEDDER DIMENSIONS FILE"""
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "flow"))
import python_embedder  # noqa: E402


class Recording:
    def __init__(self, path):
        lines = pathlib.Path(path).read_text().splitlines()
        self.places = {line.split(" ", 2)[2]: place for place, line in enumerate(lines)}
        self.vectors = memoryview(pathlib.Path(f"{path}.vectors").read_bytes())

    def embed(self, text, dimensions):
        start = self.places[text] * 4 * dimensions
        return bytes(self.vectors[start:start + 4 * dimensions])


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    python_embedder.main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Recording(sys.argv[4]).embed)
