#!/usr/bin/python3
"""Documents and questions for the benchmarks: synthetic, the same for the same seed, and shaped like
real ones where it costs time: Zipf's law over the words, English function words between them,
headings, lists, code and the markup of a manual around them.

    corpus.py documents CHUNKS [SEED]     JSON lines, as POST .../documents takes them
    corpus.py questions COUNT [SEED]      one a line, all different, none trivial
"""
import itertools
import json
import random
import re
import sys

CHUNK_CHARACTERS = 850  # what a chunk adds: about 1,000 characters, of which 150 overlap
DOCUMENT_CHUNKS = 10
WORDS = 8000
FUNCTION_WORDS = """the of and to in a is that for it as with on by this are be or from an at which
 when can if not will you has its all each used only one may more than then into no between other
 must after before where how so any does""".split()
ONSETS = "b br c cl d dr f fl g gr h l m n p pl pr qu r s sc st t tr v w".split()
VOWELS = "a e i o u ai ea io ou".split()
CODAS = ["", "", "", "l", "n", "nd", "r", "rt", "s", "st", "ct", "m", "x"]
ENDINGS = [""] * 12 + "s s ing ed er tion able ment _id _max".split()
QUESTIONS = [
    "How does the {0} {1} work with {2}?",
    "What happens when {0} reaches the {1} {2}?",
    "Which {0} settings change the {1} of a {2}?",
    "Where is the {0} for {1} and {2} kept?",
    "Why does {0} need a {1} before {2}?",
    "How do I set the {0} of {1} {2}?",
]


def make_words(rng):
    """Invented words, the most frequent first and shortest."""
    words = dict.fromkeys(())
    while len(words) < WORDS:
        syllables = 1 + (len(words) > 400 and rng.random() < 0.7)
        word = "".join(rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS)
                       for _ in range(syllables)) + rng.choice(ENDINGS)
        if len(word) > 2:
            words[word] = None
    return list(words)


class Vocabulary:
    """Words drawn by Zipf's law: the n-th most frequent with a weight of 1/n."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.words = make_words(random.Random(1))  # one language, whatever the seed
        self.weights = list(itertools.accumulate(1 / (n + 3) for n in range(WORDS)))

    def draw(self, count):
        return self.rng.choices(self.words, cum_weights=self.weights, k=count)

    def sentence(self):
        words = self.draw(self.rng.randint(4, 12))
        mixed = [w for word in words for w in
                 ((self.rng.choice(FUNCTION_WORDS), word) if self.rng.random() < 0.8 else (word,))]
        return " ".join(mixed).capitalize() + "."

    def paragraph(self):
        return " ".join(self.sentence() for _ in range(self.rng.randint(2, 6)))

    def title(self):
        return " ".join(self.draw(3)).title()


def html_block(vocabulary):
    """A piece of a page, and how many characters a reader sees of it."""
    kind = vocabulary.rng.random()
    if kind < 0.12:
        items = [vocabulary.sentence() for _ in range(3)]
        return "<ul>" + "".join(f"<li>{i}</li>\n" for i in items) + "</ul>", sum(map(len, items))
    if kind < 0.18:
        code = "\n".join(" = ".join(vocabulary.draw(2)) for _ in range(3))
        return f"<pre><code>{code}</code></pre>", len(code)
    text = vocabulary.paragraph()
    words = text.split(" ", 2)
    return f'<p>{words[0]} <a href="#{words[1]}">{words[1]}</a> {words[2]}</p>', len(text)


def html_section(vocabulary, characters):
    parts = [f"<h2>{vocabulary.title()}</h2>"]
    while characters > 0:
        block, length = html_block(vocabulary)
        parts.append(block)
        characters -= length
    return "\n".join(parts)


def document(vocabulary, number, chunks):
    title = vocabulary.title()
    sections = [html_section(vocabulary, 2 * CHUNK_CHARACTERS) for _ in range((chunks + 1) // 2)]
    head = f"<head><title>{title}</title><style>p {{ margin: 1em }}</style></head>"
    content = f"<!DOCTYPE html><html>{head}<body><h1>{title}</h1>{''.join(sections)}</body></html>"
    return {"title": title, "format": "html", "source": f"page-{number}.html", "content": content}


def documents(chunks, seed=1):
    """About so many chunks of HTML; the chunker has the last word."""
    vocabulary = Vocabulary(seed)
    for number in range(0, chunks, DOCUMENT_CHUNKS):
        yield document(vocabulary, number // DOCUMENT_CHUNKS, min(DOCUMENT_CHUNKS, chunks - number))


def subjects(chunks, seed):
    """What the documents' paragraphs are about: the words of each that are no function words."""
    for page in documents(chunks, seed):
        for paragraph in re.findall(r"<p>(.*?)</p>", page["content"]):
            words = re.findall(r"\w+", re.sub(r"<[^>]*>", "", paragraph).lower())
            words = [word for word in words if word not in FUNCTION_WORDS]
            if len(words) >= 3:
                yield words


def questions(count, seed=1, chunks=1000):
    """Different questions: asked once each, none can come from a cache. They are about something in
    the documents of the same seed; every tenth asks for words from anywhere."""
    vocabulary = Vocabulary(seed)
    paragraphs = list(subjects(chunks, seed))
    asked = set()
    while len(asked) < count:
        stray = len(asked) % 10 == 9
        words = vocabulary.draw(3) if stray else vocabulary.rng.sample(vocabulary.rng.choice(paragraphs), 3)
        question = vocabulary.rng.choice(QUESTIONS).format(*words)
        if question not in asked:
            asked.add(question)
            yield question


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("documents", "questions"):
        sys.exit(__doc__)
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    if sys.argv[1] == "questions":
        sys.stdout.writelines(question + "\n" for question in questions(int(sys.argv[2]), seed))
    else:
        sys.stdout.writelines(json.dumps(d) + "\n" for d in documents(int(sys.argv[2]), seed))


if __name__ == "__main__":
    main()
