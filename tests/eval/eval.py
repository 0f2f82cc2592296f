#!/usr/bin/python3
"""Measures retrieval on real documents: recall among the first 1, 3 and 8 and the mean reciprocal
rank, by document set and by kind of question, for BM25 alone, the vector alone and their fusion.

    eval.py RANK [MODEL_DIR]    RANK is the program built from rank.c; with hashing, or the model

The documents are those of the Debian packages debian-reference-en, debian-reference-es,
postgresql-doc-15 and manpages-es, which must be installed. The questions in questions.tsv were
written by reading passages at random, before anything was ranked for them; the last 40 after
everything else was settled (words alone .800, fused .775; without synonyms .775, .725).

Tried and left out, as they measured worse: expanding a question by the terms of its first passages
(.842 for .862, first eight, words alone, first 152 questions), a factor for how many of its words a
passage has (.862 to .842 as it grows), weights of headings above 1 (.829 for .842).

The vector's weight is chosen by leaving one set out: for each set the smallest weight that does as well
as the best on the two others, give or take SLACK, which is a question or two. The lines `chosen` are what
that gives; they, not the best of the table, are what the weights in workers/embedder/embedder_info.c stand
on.
"""
import glob
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WEIGHTS = ['0', '0.05', '0.1', '0.15', '0.2', '0.25', '0.3', '0.4', '0.5', '0.6', '0.7', '1']
BLENDS = WEIGHTS[1:-1]
SLACK = 0.01


def render_manual(folder):
    """Manual pages as plain text, as a reader sees them."""
    for page in sorted(glob.glob('/usr/share/man/es/man*/*.gz')):
        if os.path.islink(page) or os.path.getsize(page) < 600:
            continue
        text = subprocess.run(['man', '-E', 'UTF-8', '-l', page], capture_output=True,
                              env={**os.environ, 'MANWIDTH': '80', 'LC_ALL': 'C.UTF-8'}).stdout
        path = os.path.join(folder, os.path.basename(page)[:-3] + '.txt')
        with open(path, 'wb') as out:
            out.write(text)
        yield 'man-es', 'text', path


def documents(folder):
    for language in 'en', 'es':
        for path in sorted(glob.glob(f'/usr/share/debian-reference/*.{language}.html')):
            yield 'debian', 'html', path
    for path in sorted(glob.glob('/usr/share/doc/postgresql-doc-*/html/*.html')):
        yield 'postgresql', 'html', path
    yield from render_manual(folder)


def ranks(rank, model):
    """Rows of (weight, set, kind, rank)."""
    with tempfile.TemporaryDirectory() as folder:
        files = os.path.join(folder, 'files.tsv')
        with open(files, 'w') as out:
            out.writelines('\t'.join(row) + '\n' for row in documents(folder))
        questions = os.path.join(HERE, 'questions.tsv')
        result = subprocess.run([rank, files, questions, model, *WEIGHTS], stdout=subprocess.PIPE,
                                text=True, check=True)
    for line in result.stdout.splitlines():
        weight, name, kind, at, _ = line.split('\t')
        yield weight, name, kind, int(at)


def figures(rows):
    found = [row[3] for row in rows]
    recall = [sum(0 < at <= k for at in found) / len(found) for k in (1, 3, 8)]
    return (*recall, sum(1 / at for at in found if at) / len(found))


def show(weight, group, rows):
    print(f'{weight:8} {group:12} {len(rows):4}  '
          + '  '.join(f'{value:.3f}' for value in figures(rows)))


def worth(rows):
    """What a weight is chosen by: the passage is there, and early."""
    _, _, recall, reciprocal = figures(rows)
    return recall + reciprocal


def choose(rows, left_out):
    others = {w: [r for r in rows if r[0] == w and r[1] != left_out] for w in BLENDS}
    best = max(worth(rows) for rows in others.values())
    return next(weight for weight in BLENDS if worth(others[weight]) >= best - SLACK)


def main():
    rows = list(ranks(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ''))
    sets = sorted({row[1] for row in rows})
    print('weight   group           n    r@1    r@3    r@8    MRR')
    for weight in WEIGHTS:
        of_weight = [row for row in rows if row[0] == weight]
        show(weight, 'all', of_weight)
        if weight in ('0', '0.2', '0.4', '0.5', '1'):
            for column in 1, 2:
                for group in sorted({row[column] for row in rows}):
                    show(weight, group, [row for row in of_weight if row[column] == group])
    chosen = []
    for name in sets:
        weight = choose(rows, name)
        kept = [row for row in rows if row[0] == weight and row[1] == name]
        show('chosen', f'{name} {weight}', kept)
        chosen += kept
    show('chosen', 'all', chosen)


if __name__ == '__main__':
    main()
