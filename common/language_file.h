/* A language as its data file tells it. Only language.c and complexity.c look inside. */
#ifndef MILLRACE_COMMON_LANGUAGE_FILE_H
#define MILLRACE_COMMON_LANGUAGE_FILE_H

#include "common/pattern.h"

/* The lists of patterns, under the names that the files give them. */
#define PATTERN_LISTS(X)              \
    X(GREETING, "greeting")           \
    X(THANKS, "thanks")               \
    X(GOODBYE, "goodbye")             \
    X(SMALL_TALK, "small_talk")       \
    X(POLITENESS, "politeness")       \
    X(REQUEST, "request")             \
    X(STATEMENT, "statement")         \
    X(REMARK, "remark")               \
    X(IDIOM, "idiom")                 \
    X(SIMPLE, "simple")               \
    X(DEFINITION, "definition")       \
    X(MEDIUM, "medium")               \
    X(COMPLEX, "complex")             \
    X(COMPREHENSIVE, "comprehensive") \
    X(TOPIC, "topic")

#define X(name, text) PATTERNS_##name,
enum pattern_list_id { PATTERN_LISTS(X) PATTERN_LIST_COUNT };
#undef X

struct pattern_list {
    struct pattern **items;
    size_t count, capacity;
};

struct phrase {
    char *key, *text;
};

/* The lines of one [reading NAME]. */
struct reading_lines {
    char *name;
    struct slice *lines; /* folded */
    size_t count, capacity;
};

struct language {
    const char *code;
    char *name, *stemmer;
    struct vocabulary *vocabulary;
    /* The sets that the code itself asks about. */
    word_sets stop, negation, typical, capital, social, starting, parting;
    word_sets shapes; /* of [shapes NAME] */
    uint32_t *letters;
    size_t letter_count, letter_capacity;
    struct pattern_list patterns[PATTERN_LIST_COUNT];
    struct slice *synonyms; /* a folded line each */
    size_t synonym_count, synonym_capacity;
    struct reading_lines *readings;
    size_t reading_count, reading_capacity;
    struct phrase *phrases;
    size_t phrase_count, phrase_capacity;
};

/* Parses a file's text. A mistake in it is ours: the process ends with the line's number. */
struct language *language_parse(const char *code, const char *text) MUST_USE;

#endif
