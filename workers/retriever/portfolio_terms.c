#include "workers/retriever/portfolio_terms.h"

#include <stdlib.h>

#include "workers/retriever/chunk_languages.h"

struct portfolio_terms {
    struct corpus corpus;
    struct corrections corrections;
    struct chunk_languages languages;
    uint64_t version;
    bool cut;
};

struct portfolio_terms *portfolio_terms_new(void)
{
    return xcalloc(1, sizeof(struct portfolio_terms));
}

void portfolio_terms_destroy(struct portfolio_terms **terms)
{
    if (!*terms) return;
    portfolio_terms_clear(*terms);
    free(*terms);
    *terms = NULL;
}

void portfolio_terms_clear(struct portfolio_terms *terms)
{
    corpus_free(&terms->corpus);
    corrections_free(&terms->corrections);
    *terms = (struct portfolio_terms){0};
}

uint64_t portfolio_terms_version(const struct portfolio_terms *terms)
{
    return terms->version;
}

size_t portfolio_terms_bytes(const struct portfolio_terms *terms)
{
    size_t corpus = terms->corpus.lexicon ? corpus_bytes(&terms->corpus) : 0;
    return sizeof *terms + corpus + corrections_bytes(&terms->corrections);
}

/* --- changes --- */

void portfolio_terms_begin(struct portfolio_terms *terms, bool whole)
{
    if (!whole) return;
    portfolio_terms_clear(terms);
    corpus_init(&terms->corpus);
}

void portfolio_terms_put(struct portfolio_terms *terms, struct slice term, uint64_t chunks)
{
    struct corpus *corpus = &terms->corpus;
    uint32_t number = lexicon_find(corpus->lexicon, term);
    if (number == LEXICON_NONE) {
        if (!chunks) return;
        terms->cut |= lexicon_count(corpus->lexicon) >= PORTFOLIO_TERMS_MAX;
        if (terms->cut) return;
        number = corpus_add(corpus, term);
    }
    corpus->frequencies[number] = (uint32_t)chunks;
}

void portfolio_terms_put_language(struct portfolio_terms *terms, struct slice code, uint64_t chunks)
{
    terms->languages.chunks[chunk_language_number(code)] = chunks;
}

bool portfolio_terms_end(struct portfolio_terms *terms, uint64_t version, uint64_t chunks,
                         uint64_t words)
{
    terms->corpus.texts = chunks;
    terms->corpus.words = words;
    terms->corpus.changes++;
    terms->version = version;
    return !terms->cut;
}

/* --- questions --- */

void portfolio_terms_read(struct portfolio_terms *terms, struct slice question,
                          const struct language *language, struct query *query)
{
    const struct language *languages[CHUNK_LANGUAGES_MAX + 1];
    query->count = 0;
    if (!terms->version) return;
    chunk_languages_list(&terms->languages, languages);
    query_read(&terms->corpus, &terms->corrections, question, language, languages, query);
}

const struct corpus *portfolio_terms_corpus(const struct portfolio_terms *terms)
{
    return &terms->corpus;
}
