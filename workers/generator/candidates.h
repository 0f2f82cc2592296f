/* The sentences that an answer can be made of: every passage cut up, and for each sentence which of
 * the question's terms it holds, in its own words or in the headings above it. Pure. Each distinct
 * word is compared with the question once; all memory is kept for the next question. */
#ifndef MILLRACE_GENERATOR_CANDIDATES_H
#define MILLRACE_GENERATOR_CANDIDATES_H

#include "proto/records.h"
#include "workers/generator/scanner.h"
#include "workers/generator/sentences.h"

enum {
    PASSAGES_MAX = 32,
    CANDIDATES_MAX = 1024,
    PASSAGE_TEXT_MAX = 16 << 10, /* bytes of a passage that are read */
    CONTEXT_TEXT_MAX = 64 << 10, /* of all of them */
};

struct candidate {
    struct sentence sentence;
    unsigned passage; /* index */
    size_t at;        /* bytes into the document's text: the same in overlapping passages */
    term_set strong;  /* the word itself, or its stem */
    term_set weak;    /* a word that is near */
    term_set section; /* in the headings above */
    term_set denied;  /* behind a negation: "no React" */
    const struct stretch *stretch;
    struct signature signature; /* see candidates_sign() */
    bool is_signed;
    unsigned words;
    bool leans;    /* starts with "It", "This": means little alone */
    bool headed;   /* the heading above is what is asked about, and hardly more */
    bool fragment; /* its beginning is in another passage */
    bool number, year;
    bool points;   /* "See the manual" */
    bool header;   /* of a table */
    bool opens;    /* a term is among its first words */
    bool overlaps; /* an overlapping passage has given it before */
    float score;
};

struct passage_view {
    const struct passage *passage;
    size_t first, end; /* its candidates */
    unsigned document; /* 0, 1, 2 …: passages of one document share it */
    term_set title, body;
    bool foreign; /* not in the question's language */
    bool about;   /* its title is what is asked about */
};

struct candidates;

struct candidates *candidates_new(void) MUST_USE;
void candidates_destroy(struct candidates **candidates);

/* Reads the passages for a question. `stemmer` is that of the question's language, or NULL. What
 * was read before is forgotten; question and passages must live until the next call. */
void candidates_read(struct candidates *candidates, const struct question *question,
                     const struct list *passages, struct stemmer *stemmer);

struct candidate *candidates_items(const struct candidates *candidates, size_t *count);
const struct passage_view *candidates_views(const struct candidates *candidates, size_t *count);
/* A candidate with its signature, made when first asked for. */
const struct candidate *candidates_sign(const struct candidates *candidates, size_t item);
unsigned candidates_documents(const struct candidates *candidates); /* how many different ones */
/* How much a term tells, by its rarity among the sentences read (more where none has it); and the
 * word of a passage, as it stands there, that it was found as; empty where it was not. */
float candidates_weight(const struct candidates *candidates, size_t term);
struct slice candidates_found(const struct candidates *candidates, size_t term);

#endif
