/* What a question asks for: its content words as stemmed terms, the things it compares, the kind of
 * answer it wants. Words that only ask ("what", "tell me about", "compare") are left out. Pure. */
#ifndef MILLRACE_GENERATOR_QUESTION_H
#define MILLRACE_GENERATOR_QUESTION_H

#include "common/complexity.h"
#include "common/language.h"
#include "common/text.h"

enum { TERMS_MAX = 24, GROUPS_MAX = 8, TERM_BYTES_MAX = 48, EARLIER_MAX = 4 };

struct term {
    char word[TERM_BYTES_MAX]; /* folded */
    char stem[TERM_BYTES_MAX];
    unsigned char word_len, stem_len;
    struct slice raw;     /* as asked */
    struct slice message; /* that it stands in */
    unsigned group;       /* of what is joined by "and", "vs", commas: 0, 1, 2 … */
    bool thing;           /* "projects", "features": says the kind of what is wanted */
    bool document;        /* "projects": says that documents are */
    bool relating;        /* "uses", "written": says how things belong together */
    bool name;            /* a proper name, or has digits */
    bool frequent;        /* "check", "change": a word of everyday */
    bool known;           /* a word of the language's file: surely no typo */
    bool earlier;         /* of a question before this one, which this one leans on */
};

enum question_shape {
    QUESTION_PLAIN,
    QUESTION_LIST,       /* one line for each document */
    QUESTION_COMPARISON, /* a paragraph for each group */
};

enum {
    WANTS_PERSON = 1,
    WANTS_TIME = 2,
    WANTS_PLACE = 4,
    WANTS_NUMBER = 8,
};

struct question {
    const struct language *language, *answer_in;
    enum complexity level;
    enum question_shape shape;
    struct term terms[TERMS_MAX];
    size_t count;
    unsigned groups;
    unsigned wants;  /* WANTS_… */
    bool documents;  /* asks for documents by their kind: "which project" */
    bool definition; /* one thing by its name and nothing else: "what is Lumen?" */
};

/* One who asks: the question, and those the user asked before it, newest first. Slices stay the
 * caller's and must live as long as the question. */
struct asked {
    struct slice message;
    const struct language *language;
    const struct language *answer_in; /* NULL: the question's */
    enum complexity level;
    struct slice earlier[EARLIER_MAX];
    size_t earlier_count;
};

/* `stemmer` is the language's, or NULL. */
void question_read(const struct asked *asked, struct stemmer *stemmer, struct question *question);

static inline struct slice term_word(const struct term *term)
{
    return (struct slice){term->word, term->word_len};
}

static inline struct slice term_stem(const struct term *term)
{
    return (struct slice){term->stem, term->stem_len};
}

#endif
