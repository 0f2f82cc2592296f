#include "workers/retriever/query.h"

#include "common/buffer.h"
#include "common/text.h"
#include "workers/retriever/synonyms.h"
#include "workers/retriever/terms.h"
#include "workers/retriever/words.h"

enum {
    HALF_MIN = 3,
    CORRECTIONS_MAX = 8, /* of one question: each looks through all terms */
};

/* What a guess counts beside a word that is there; measured, see tests/eval. */
static const float corrected[] = {0.9f, 0.8f, 0.5f}; /* by edits */
static const float joined = 0.8f, parted = 0.8f;
/* A synonym beside a word that the texts have, and instead of one that they lack. */
static const float beside = 0.2f, instead = 0.7f;

struct reader {
    const struct corpus *corpus;
    struct corrections *remembered;
    const struct language *language; /* the question's */
    const struct language *const *languages;
    struct query *query;
    float synonym_weight;
    size_t synonyms;    /* of the word in hand, that were added */
    size_t corrections; /* tried */
    struct buffer last; /* the word before, to be joined with the next */
};

/* Adds a term that is in some text. */
static void add_term(const struct corpus *corpus, struct concept *concept, uint32_t term)
{
    if (term == LEXICON_NONE || !corpus->frequencies[term]) return;
    for (size_t i = 0; i < concept->count; i++)
        if (concept->terms[i] == term) return;
    if (concept->count < ARRAY_LEN(concept->terms)) concept->terms[concept->count++] = term;
}

/* A word's stems that the texts have. */
static struct concept concept_of(const struct reader *reader, const struct word *word, float weight)
{
    struct concept concept = {.weight = weight};
    for (const struct language *const *language = reader->languages; *language; language++) {
        struct slice term = terms_of_word(*language, word);
        add_term(reader->corpus, &concept, lexicon_find(reader->corpus->lexicon, term));
    }
    return concept;
}

static bool is_same(const struct concept *a, const struct concept *b)
{
    return a->count == b->count && !memcmp(a->terms, b->terms, a->count * sizeof a->terms[0]);
}

/* Adds a concept once. False if it is empty. */
static bool add_concept(struct reader *reader, struct concept concept)
{
    struct query *query = reader->query;
    if (!concept.count) return false;
    for (size_t i = 0; i < query->count; i++)
        if (is_same(&query->concepts[i], &concept)) {
            query->concepts[i].weight = MAX(query->concepts[i].weight, concept.weight);
            return true;
        }
    if (query->count < QUERY_CONCEPTS_MAX) query->concepts[query->count++] = concept;
    return true;
}

/* "logfile" where the texts have "log" and "file". */
static bool add_halves(struct reader *reader, struct slice text)
{
    for (size_t at = HALF_MIN; at + HALF_MIN <= text.len; at++) {
        struct word left = {{text.ptr, at}, false}, right = {{text.ptr + at, text.len - at}, false};
        struct concept first = concept_of(reader, &left, parted);
        if (!first.count) continue;
        struct concept second = concept_of(reader, &right, parted);
        if (!second.count) continue;
        add_concept(reader, first);
        return add_concept(reader, second);
    }
    return false;
}

static void add_corrected(struct reader *reader, struct slice text)
{
    struct correction corrections[SPELLING_MAX];
    struct concept concept = {0};
    size_t count = corrections_find(reader->remembered, reader->corpus, text, corrections);
    if (!count || corrections[0].distance > 1) {
        if (add_halves(reader, text)) return;
    }
    for (size_t i = 0; i < count; i++) add_term(reader->corpus, &concept, corrections[i].term);
    if (count) concept.weight = corrected[corrections[0].distance];
    add_concept(reader, concept);
}

/* "auto vacuum" where the texts have "autovacuum". */
static void add_joined(struct reader *reader, const struct word *word)
{
    struct buffer *last = &reader->last;
    if (last->len) {
        buffer_append_slice(last, word->text);
        add_concept(reader, concept_of(reader, &(struct word){buffer_slice(last), false}, joined));
    }
    last->len = 0;
    buffer_append_slice(last, word->text);
}

static void on_synonym(void *context, struct slice synonym)
{
    struct reader *reader = context;
    struct word word = {synonym, false};
    reader->synonyms += add_concept(reader, concept_of(reader, &word, reader->synonym_weight));
}

/* Returns how many the texts have. */
static size_t add_synonyms(struct reader *reader, struct slice word, float weight)
{
    reader->synonyms = 0;
    reader->synonym_weight = weight;
    synonyms_of(reader->language, word, on_synonym, reader);
    return reader->synonyms;
}

static void on_word(void *context, const struct word *word)
{
    struct reader *reader = context;
    bool known = add_concept(reader, concept_of(reader, word, 1));
    if (word->literal) return;
    size_t synonyms = add_synonyms(reader, word->text, known ? beside : instead);
    if (!known && !synonyms && reader->corrections++ < CORRECTIONS_MAX)
        add_corrected(reader, word->text);
    add_joined(reader, word);
}

void query_read(const struct corpus *corpus, struct corrections *corrections, struct slice text,
                const struct language *language, const struct language *const *languages,
                struct query *query)
{
    struct reader reader = {.corpus = corpus,
                            .remembered = corrections,
                            .language = language,
                            .languages = languages,
                            .query = query};
    query->count = 0;
    words_scan(language, text, on_word, &reader);
    buffer_free(&reader.last);
}
