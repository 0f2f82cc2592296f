/* Reads text word by word and notes which of the question's terms it holds. Pure; the hot part of
 * an answer. Each distinct word is compared with the question once. */
#ifndef MILLRACE_GENERATOR_SCANNER_H
#define MILLRACE_GENERATOR_SCANNER_H

#include "workers/generator/word_table.h"

enum {
    SCAN_LANGUAGES = 8, /* that short words are counted for */
    NEGATION_REACH = 4, /* words between "no" and what it denies */
};

typedef uint32_t term_set; /* a bit for each of the question's terms */

/* Zero-initialised is ready for scanner_start(). */
struct scanner {
    struct word_table *words;
    struct buffer folded;          /* what was read; does not move between rewinds */
    struct slice found[TERMS_MAX]; /* each term as the text first has it */
    term_set capitals, small;      /* short terms met as names ("Go") and as words ("go") */
    term_set names_only;           /* of which only the names count */
};

/* What one stretch of text holds. */
struct scan {
    term_set strong;         /* the word itself, or its stem */
    term_set weak;           /* a word that is near */
    term_set denied;         /* behind a negation */
    uint64_t words_seen[4];  /* a signature of its words */
    uint64_t hash;           /* of its words in order */
    unsigned words, content; /* content: long words, which say something */
    unsigned term_at;        /* words before the first term */
    bool number, year;
    struct slice first; /* word, folded */
    unsigned *stops;    /* counts short words of each language; NULL: not wanted */

    /* the scanner's own */
    struct slice text, folded;
    struct slice recent[NEGATION_REACH];
    unsigned sampled;
};

void scanner_start(struct scanner *scanner, const struct question *question,
                   struct stemmer *stemmer);
/* Makes room for `bytes` of text in all; forgets the text read, not the words. */
void scanner_rewind(struct scanner *scanner, size_t bytes);
/* Adds what `text` holds to *scan, zeros at first but for `stops`. */
void scanner_read(struct scanner *scanner, struct slice text, struct scan *scan);
/* After all was read: takes terms that were nowhere (`missing`) for typos, and those that stand
 * both as a name and as a word for names. True when the text must be read again to count them so.
 */
bool scanner_revise(struct scanner *scanner, term_set missing);
void scanner_free(struct scanner *scanner);

#endif
