"""What tests ask of a scripted generator (tests/fakes/scripted_generator.c), and the text that they
must get for it, to the byte."""

MASK = 2**64 - 1
SEED_DIGITS = 16
# As scripted_text.c has them, in the same order.
SYMBOLS = ("abcdefghijklmnop" "qrstuvwxyzetaoin" "shrdlu          " "éñüçáó€—“語😀𝄞\"\\\n.")
assert len(SYMBOLS) == 64


def mix(x):
    """splitmix64: every input bit moves every output bit."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def text_of(seed, length):
    """The text of `length` characters that belongs to a seed."""
    drawn = (SYMBOLS[mix((seed + at * 0x9E3779B97F4A7C15) & MASK) >> 58]
             for at in range(SEED_DIGITS, length))
    return f"{seed:016x}"[:length] + "".join(drawn)


def seed_of(text):
    """The seed that a text says it has: that of whoever wrote it, where every attempt writes another."""
    return int(text[:SEED_DIGITS], 16)


def script(**words):
    """The question that makes a scripted generator do this; continued=1 is the script's continue."""
    if "continued" in words:
        words["continue"] = words.pop("continued")
    return "script " + " ".join(f"{name}={value}" for name, value in words.items())
