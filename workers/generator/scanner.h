/* Cuts text into words and notes which of the question's terms it holds. Pure; the hot part of an
 * answer: each stretch of text is cut up once, most hold no term and are never looked at closer. */
#ifndef MILLRACE_GENERATOR_SCANNER_H
#define MILLRACE_GENERATOR_SCANNER_H

#include "workers/generator/function_words.h"
#include "workers/generator/word_table.h"

enum { NEGATION_REACH = 4 /* words between "no" and what it denies */ };

typedef uint32_t term_set; /* a bit for each of the question's terms */

/* A word in its place. */
struct place {
    uint32_t at, len;      /* in the folded text */
    uint32_t strong, weak; /* terms it may be */
};

/* Zero-initialised is ready for scanner_start(). */
struct scanner {
    const struct question *question;
    struct word_table *words;
    struct function_words *function_words;
    struct buffer folded; /* what was cut; does not move between rewinds */
    struct place *places;
    size_t place_count, place_capacity;
    struct slice found[TERMS_MAX]; /* each term as the text first has it */
    term_set capitals, small;      /* short terms met as names ("Go") and as words ("go") */
    term_set names_only;           /* of which only the names count */
    bool revised;                  /* stretches' hits are no longer true */
};

/* Text cut into words. */
struct stretch {
    struct slice text, folded;
    size_t first, count; /* its words' places */
    term_set hits;       /* terms that its words may match */
    uint64_t votes;      /* its first short words', summed up: see struct function_word */
    bool number, year;
};

/* What a stretch holds of the question. */
struct scan {
    term_set strong;  /* the word itself, or its stem */
    term_set weak;    /* a word that is near */
    term_set denied;  /* behind a negation */
    unsigned term_at; /* words before the first term */
};

/* What tells two stretches apart. */
struct signature {
    uint64_t words_seen[4];
    uint64_t hash; /* of its words in order */
};

void scanner_start(struct scanner *scanner, const struct question *question,
                   struct stemmer *stemmer);
/* Makes room for `bytes` of text in all; forgets the text read, not the words. */
void scanner_rewind(struct scanner *scanner, size_t bytes);
/* Cuts `text`, which must live as long as the stretch: until the next rewind. */
void scanner_cut(struct scanner *scanner, struct slice text, struct stretch *stretch);
/* What a stretch holds. */
struct scan scanner_scan(struct scanner *scanner, const struct stretch *stretch);
struct signature scanner_sign(const struct scanner *scanner, const struct stretch *stretch);
/* The number of its long words, which say something; its first word, folded. */
unsigned scanner_content(const struct scanner *scanner, const struct stretch *stretch);
struct slice scanner_first(const struct scanner *scanner, const struct stretch *stretch);
/* After all was read: takes terms that were nowhere (`missing`) for typos, and those that stand
 * both as a name and as a word for names. True when the stretches must be scanned again to count
 * them so. */
bool scanner_revise(struct scanner *scanner, term_set missing);
void scanner_free(struct scanner *scanner);

#endif
