/* Ranks the chunks of documents for questions, without a store or a network: the retrieval alone.
 *
 *     rank FILES QUESTIONS MODEL_DIR [WEIGHT...]
 *
 * The vectors are the model's in MODEL_DIR, or those of hashing where that is "".
 *
 * FILES: a line a document, "set <tab> format <tab> path". QUESTIONS: a line a question, "set <tab>
 * kind <tab> language <tab> question <tab> answers". An answer names a passage that answers: it is
 * in the passage's text, white space apart; several are parted by " || ". A document set is a
 * portfolio.
 *
 * For each WEIGHT of the vector leg (0 is BM25 alone, 1 the vector alone) prints a line a question:
 * "weight <tab> set <tab> kind <tab> rank <tab> question", rank 0 where no hit of the first
 * HITS_MAX answers. Figures are made of it by eval.py. Times go to standard error. */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/text.h"
#include "workers/embedder/hashing.h"
#include "workers/embedder/model.h"
#include "workers/retriever/chunker.h"
#include "workers/retriever/resident.h"
#include "workers/retriever/terms.h"

enum { SETS_MAX = 8, HITS_MAX = 20, FIELDS = 5 };

struct set {
    struct slice name;
    struct resident *resident;
    struct slice *documents; /* their text; a document's id is its index */
    size_t document_count, document_capacity;
};

static struct set sets[SETS_MAX];
static size_t set_count;
static struct hashing *hashing;
static struct model *model; /* NULL: hashing it is */
static uint64_t next_chunk_id = 1, parse_ns, chunk_ns, terms_ns, embed_ns, put_ns;

/* --- the embedder --- */

enum { DIMENSIONS_MAX = MAX((int)HASHING_DIMENSIONS, (int)MODEL_DIMENSIONS) };

static size_t dimensions(void)
{
    return model ? MODEL_DIMENSIONS : HASHING_DIMENSIONS;
}

static void embed_question(struct slice text, float *vector)
{
    int32_t tokens[MODEL_TOKENS_MAX];
    if (model)
        model_run(model, &(struct model_text){tokens, model_cut(model, text, tokens), vector}, 1);
    else
        hashing_embed(hashing, text, vector);
}

static void embed_passage(struct slice title, struct slice heading, struct slice text,
                          float *vector)
{
    static struct buffer passage;
    if (model)
        embed_question(model_passage(title, heading, text, &passage), vector);
    else
        hashing_embed_passage(hashing, title, heading, text, vector);
}

/* --- files --- */

static struct buffer read_file(const char *path)
{
    struct buffer content = {0};
    FILE *file = fopen(path, "rb");
    size_t got;
    if (!file) {
        perror(path);
        exit(1);
    }
    while ((got = fread(buffer_reserve(&content, 65536), 1, 65536, file))) content.len += got;
    fclose(file);
    return content;
}

static struct set *set_of(struct slice name)
{
    for (size_t i = 0; i < set_count; i++)
        if (slice_equal(sets[i].name, name)) return &sets[i];
    if (set_count == SETS_MAX) exit(1);
    sets[set_count] = (struct set){.name = name, .resident = resident_new(dimensions())};
    return &sets[set_count++];
}

/* Cuts a line at its tabs. Returns how many fields it has. */
static size_t split(struct slice line, struct slice fields[FIELDS])
{
    size_t count = 0;
    for (;;) {
        const char *tab = count + 1 < FIELDS ? memchr(line.ptr, '\t', line.len) : NULL;
        size_t len = tab ? (size_t)(tab - line.ptr) : line.len;
        fields[count++] = (struct slice){line.ptr, len};
        if (!tab) return count;
        line = (struct slice){tab + 1, line.len - len - 1};
    }
}

static bool next_line(struct slice *text, struct slice *line)
{
    if (!text->len) return false;
    const char *end = memchr(text->ptr, '\n', text->len);
    size_t len = end ? (size_t)(end - text->ptr) : text->len;
    *line = (struct slice){text->ptr, len};
    len += end != NULL;
    *text = (struct slice){text->ptr + len, text->len - len};
    return true;
}

/* --- ingestion --- */

struct ingestion {
    struct set *set;
    struct slice title;
    uint32_t position;
};

static void put_chunk(void *context, const struct chunk *chunk)
{
    struct ingestion *ingestion = context;
    const struct language *language = language_find(slice_of(chunk->language));
    struct buffer terms = {0};
    float vector[DIMENSIONS_MAX];
    uint64_t start = clock_ns();
    terms_encode(language, ingestion->title, chunk->heading, chunk->text, &terms);
    uint64_t encoded = clock_ns();
    embed_passage(ingestion->title, chunk->heading, chunk->text, vector);
    uint64_t embedded = clock_ns();
    struct resident_chunk put = {.id = next_chunk_id++,
                                 .document_id = ingestion->set->document_count - 1,
                                 .position = ingestion->position++,
                                 .start = chunk->start,
                                 .end = chunk->end,
                                 .language = chunk->language,
                                 .terms = buffer_slice(&terms),
                                 .vector = vector};
    resident_put(ingestion->set->resident, &put);
    uint64_t end = clock_ns();
    terms_ns += encoded - start, embed_ns += embedded - encoded, put_ns += end - embedded;
    buffer_free(&terms);
}

static void ingest(struct slice fields[FIELDS])
{
    struct set *set = set_of(fields[0]);
    char *path = xstrndup(fields[2].ptr, fields[2].len);
    struct buffer content = read_file(path);
    struct parsed_document document;
    uint64_t start = clock_ns(), inner = terms_ns + embed_ns + put_ns;
    err_t error = document_parse(fields[1], buffer_slice(&content), &document);
    uint64_t parsed = clock_ns();
    if (error) {
        fprintf(stderr, "%s: %s\n", path, error_code(error));
    } else {
        set->documents = xgrow(set->documents, &set->document_capacity, set->document_count + 1,
                               sizeof *set->documents);
        set->documents[set->document_count++] = buffer_slice(&document.text);
        struct ingestion ingestion = {set, buffer_slice(&document.title), 0};
        chunk_document(&document, put_chunk, &ingestion);
        parse_ns += parsed - start;
        chunk_ns += clock_ns() - parsed - (terms_ns + embed_ns + put_ns - inner);
        document.text = (struct buffer){0}; /* the set keeps it */
        document_free(&document);
    }
    buffer_free(&content);
    free(path);
}

/* --- questions --- */

static void squeeze(struct slice text, struct buffer *out)
{
    out->len = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool white = strchr(" \t\r\n", text.ptr[i]) != NULL;
        if (!white)
            buffer_append_char(out, text.ptr[i]);
        else if (out->len && out->data[out->len - 1] != ' ')
            buffer_append_char(out, ' ');
    }
}

static bool answers(struct slice passage, struct slice expected)
{
    static struct buffer squeezed;
    squeeze(passage, &squeezed);
    for (;;) {
        const char *bar = memmem(expected.ptr, expected.len, " || ", 4);
        size_t len = bar ? (size_t)(bar - expected.ptr) : expected.len;
        if (memmem(squeezed.data, squeezed.len, expected.ptr, len)) return true;
        if (!bar) return false;
        expected = (struct slice){bar + 4, expected.len - len - 4};
    }
}

static size_t rank_of(const struct set *set, const struct resident_hit *hits, size_t count,
                      struct slice expected)
{
    for (size_t i = 0; i < count; i++) {
        struct slice text = set->documents[hits[i].document_id];
        struct slice passage = {text.ptr + hits[i].start, hits[i].end - hits[i].start};
        if (answers(passage, expected)) return i + 1;
    }
    return 0;
}

static void ask(struct slice fields[FIELDS], const char *weight)
{
    struct set *set = set_of(fields[0]);
    struct resident_hit hits[HITS_MAX];
    float vector[DIMENSIONS_MAX];
    embed_question(fields[3], vector);
    struct resident_query query = {.text = fields[3],
                                   .language = language_detect(fields[3], NULL),
                                   .vector = vector,
                                   .vector_weight = atof(weight),
                                   .top_k = HITS_MAX,
                                   .merge = true};
    if (query.vector_weight == 0) query.vector = NULL;
    size_t count = resident_search(set->resident, &query, hits);
    printf("%s\t%.*s\t%.*s\t%zu\t%.*s\n", weight, (int)fields[0].len, fields[0].ptr,
           (int)fields[1].len, fields[1].ptr, rank_of(set, hits, count, fields[4]),
           (int)fields[3].len, fields[3].ptr);
}

static void check_answer(struct slice fields[FIELDS])
{
    const struct set *set = set_of(fields[0]);
    for (size_t i = 0; i < set->document_count; i++)
        if (answers(set->documents[i], fields[4])) return;
    fprintf(stderr, "no document has the answer: %.*s\n", (int)fields[4].len, fields[4].ptr);
}

static void report(void)
{
    double chunks = (double)(next_chunk_id - 1) * 1000;
    fprintf(
        stderr, "%lu chunks; us a chunk: parse %.1f, cut %.1f, terms %.1f, embed %.1f, put %.1f\n",
        (unsigned long)(next_chunk_id - 1), (double)parse_ns / chunks, (double)chunk_ns / chunks,
        (double)terms_ns / chunks, (double)embed_ns / chunks, (double)put_ns / chunks);
}

int main(int argc, char **argv)
{
    struct slice fields[FIELDS], line;
    if (argc < 4) return fputs("usage: rank FILES QUESTIONS MODEL_DIR [WEIGHT...]\n", stderr), 2;
    if (*argv[3] && model_open(argv[3], &model)) return 1;
    struct buffer files = read_file(argv[1]), questions = read_file(argv[2]);
    struct slice rest = buffer_slice(&files);
    hashing = hashing_new();
    while (next_line(&rest, &line))
        if (split(line, fields) == 3) ingest(fields);
    report();
    rest = buffer_slice(&questions);
    while (next_line(&rest, &line)) {
        if (!line.len || *line.ptr == '#' || split(line, fields) != FIELDS) continue;
        check_answer(fields);
        for (int i = 4; i < argc; i++) ask(fields, argv[i]);
    }
    return 0;
}
