/* A language's lines, sorted by the stem of their first word; made at first use, kept for good. */
#include "workers/retriever/synonyms.h"

#include <pthread.h>
#include <stdlib.h>

#include "workers/retriever/terms.h"
#include "workers/retriever/words.h"

enum { LANGUAGES_MAX = 32 };

struct line {
    struct slice stem;   /* owned */
    struct slice others; /* words parted by spaces */
};

struct list {
    struct line *lines;
    size_t count, capacity;
};

static struct list lists[LANGUAGES_MAX]; /* as language_at() */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int compare(const void *a, const void *b)
{
    const struct line *left = a, *right = b;
    int order = memcmp(left->stem.ptr, right->stem.ptr, MIN(left->stem.len, right->stem.len));
    return order ? order : (left->stem.len > right->stem.len) - (left->stem.len < right->stem.len);
}

static struct slice stem_of(const struct language *language, struct slice word)
{
    return terms_of_word(language, &(struct word){word, false});
}

static struct slice take_word(struct slice *text)
{
    const char *space = text->len ? memchr(text->ptr, ' ', text->len) : NULL;
    struct slice word = {text->ptr, space ? (size_t)(space - text->ptr) : text->len};
    size_t used = MIN(word.len + 1, text->len);
    *text = (struct slice){text->ptr + used, text->len - used};
    return word;
}

static void read_list(const struct language *language, struct list *list)
{
    struct slice rest;
    for (size_t i = 0; (rest = language_synonyms(language, i)).len; i++) {
        struct slice stem = stem_of(language, take_word(&rest));
        list->lines = xgrow(list->lines, &list->capacity, list->count + 1, sizeof *list->lines);
        list->lines[list->count++] = (struct line){{xstrndup(stem.ptr, stem.len), stem.len}, rest};
    }
    if (list->count) qsort(list->lines, list->count, sizeof *list->lines, compare);
}

static void read_lists(void)
{
    for (size_t i = 0; i < LANGUAGES_MAX && language_at(i); i++)
        read_list(language_at(i), &lists[i]);
}

static const struct list *list_of(const struct language *language)
{
    static const struct list none;
    pthread_once(&once, read_lists);
    for (size_t i = 0; i < LANGUAGES_MAX; i++)
        if (language_at(i) == language) return &lists[i];
    return &none;
}

/* The first line whose stem is not before the wanted. */
static size_t find(const struct list *list, const struct line *wanted)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(&list->lines[middle], wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void synonyms_of(const struct language *language, struct slice word,
                 void (*each)(void *context, struct slice synonym), void *context)
{
    const struct list *list = list_of(language);
    struct slice stem = stem_of(language, word);
    char copy[WORD_BYTES_MAX];
    if (stem.len > sizeof copy) return;
    memcpy(copy, stem.ptr, stem.len); /* `each` may stem */
    struct line wanted = {{copy, stem.len}, {0}};
    size_t at = find(list, &wanted);
    for (; at < list->count && !compare(&list->lines[at], &wanted); at++) {
        struct slice others = list->lines[at].others;
        while (others.len) each(context, take_word(&others));
    }
}
