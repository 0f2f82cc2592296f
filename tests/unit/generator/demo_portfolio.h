/* The demo portfolio in memory with a small retrieval of its own (words and their rarity), so that
 * answers are tested on the passages that a retriever would plausibly bring. */
#ifndef MILLRACE_TESTS_DEMO_PORTFOLIO_H
#define MILLRACE_TESTS_DEMO_PORTFOLIO_H

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/arena.h"
#include "common/language.h"
#include "common/text.h"
#include "proto/records.h"

enum { DEMO_CHUNKS_MAX = 512, DEMO_CHUNK_BYTES = 900, DEMO_TERMS_MAX = 64 };

struct demo_portfolio {
    struct arena arena;
    struct passage chunks[DEMO_CHUNKS_MAX];
    struct slice folded[DEMO_CHUNKS_MAX];
    size_t count;
    uint64_t documents;
};

static inline struct slice demo_read_file(struct arena *arena, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return (struct slice){0};
    char *text = arena_alloc(arena, 1 << 16);
    size_t len = fread(text, 1, (1 << 16) - 1, file);
    fclose(file);
    return (struct slice){text, len};
}

/* Just enough HTML for the two pages of the portfolio. */
static inline struct slice demo_plain_html(struct arena *arena, struct slice html)
{
    static const struct {
        const char *tag, *text;
    } tags[] = {{"<li>", "- "},       {"</li>", "\n"},   {"</p>", "\n\n"},  {"<h1>", "# "},
                {"</h1>", "\n\n"},    {"<h2>", "\n## "}, {"</h2>", "\n\n"}, {"</td><td>", " | "},
                {"</th><th>", " | "}, {"</tr>", "\n"},   {"<title>", NULL}};
    char *out = arena_alloc(arena, html.len * 2);
    size_t len = 0;
    for (size_t at = 0; at < html.len;) {
        if (html.ptr[at] != '<') {
            out[len++] = html.ptr[at++];
            continue;
        }
        size_t used = 0;
        for (size_t i = 0; i < ARRAY_LEN(tags) && !used; i++) {
            if (strncmp(html.ptr + at, tags[i].tag, strlen(tags[i].tag)) != 0) continue;
            if (tags[i].text) {
                len += (size_t)sprintf(out + len, "%s", tags[i].text);
                used = strlen(tags[i].tag);
            } else {
                used = (size_t)(strstr(html.ptr + at, "</title>") - (html.ptr + at)) + 8;
            }
        }
        at += used ? used : strcspn(html.ptr + at, ">") + 1;
    }
    return text_trim((struct slice){out, len});
}

static inline struct slice demo_title(struct slice text)
{
    while (text.len && (text.ptr[0] == '#' || text.ptr[0] == ' ')) text.ptr++, text.len--;
    const char *end = memchr(text.ptr, '\n', text.len);
    return text_trim((struct slice){text.ptr, end ? (size_t)(end - text.ptr) : text.len});
}

static inline void demo_add_chunk(struct demo_portfolio *demo, struct slice document, size_t start,
                                  size_t end, const char *source)
{
    if (demo->count == DEMO_CHUNKS_MAX || start >= end) return;
    struct buffer folded = {0};
    struct passage *chunk = &demo->chunks[demo->count];
    *chunk = (struct passage){
        .chunk_id = demo->count + 1,
        .document_id = demo->documents,
        .title = demo_title(document),
        .source = slice_of(arena_copy(&demo->arena, slice_of(source))),
        .start = start,
        .end = end,
        .text = {document.ptr + start, end - start},
    };
    text_fold(chunk->title, &folded);
    buffer_append_char(&folded, ' ');
    text_fold(chunk->text, &folded);
    demo->folded[demo->count++] = arena_slice(&demo->arena, buffer_slice(&folded));
    buffer_free(&folded);
}

/* Sections are packed until a chunk is full. */
static inline void demo_add(struct demo_portfolio *demo, struct slice text, const char *source)
{
    size_t start = 0;
    demo->documents++;
    for (size_t at = 1; at + 3 < text.len; at++) {
        bool section = text.ptr[at - 1] == '\n' && !strncmp(text.ptr + at, "## ", 3);
        bool full = at - start > DEMO_CHUNK_BYTES && text.ptr[at - 1] == '\n';
        if (!full && !(section && at - start > DEMO_CHUNK_BYTES / 2)) continue;
        demo_add_chunk(demo, text, start, at, source);
        start = at;
    }
    demo_add_chunk(demo, text, start, text.len, source);
}

static inline int demo_compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static inline void demo_load(struct demo_portfolio *demo, const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, demo_compare_names);
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            struct slice text = demo_read_file(&demo->arena, path);
            if (strstr(path, ".html")) text = demo_plain_html(&demo->arena, text);
            demo_add(demo, text, entries[i]->d_name);
        }
        free(entries[i]);
    }
    if (count >= 0) free(entries);
}

/* Distinct stems of what carries content. */
static inline size_t demo_terms(struct arena *arena, const struct language *language,
                                struct slice text, struct stemmer *stemmer, struct slice *terms)
{
    struct buffer folded = {0};
    text_fold(text, &folded);
    struct text_words words = {arena_slice(arena, buffer_slice(&folded)), 0};
    struct slice word;
    size_t count = 0;
    buffer_free(&folded);
    while (count < DEMO_TERMS_MAX && text_next_word(&words, &word)) {
        if (language_is_stop_word(language, word)) continue;
        terms[count++] = arena_slice(arena, stemmer_stem(stemmer, word));
    }
    return count;
}

static inline bool demo_holds(struct slice folded, struct slice term)
{
    const char *at = folded.ptr, *end = folded.ptr + folded.len;
    while ((at = memmem(at, (size_t)(end - at), term.ptr, term.len))) {
        size_t rest = strspn(at + term.len, "abcdefghijklmnopqrstuvwxyz");
        if (rest <= 4 && (at == folded.ptr || strchr(" \n-.,(\"/#", at[-1]))) return true;
        at++;
    }
    return false;
}

/* The best `top_k` chunks for a question, as the context frame would list them. */
static inline struct list demo_retrieve(struct demo_portfolio *demo, struct arena *arena,
                                        const struct language *language, const char *question,
                                        size_t top_k)
{
    struct slice terms[DEMO_TERMS_MAX];
    struct stemmer *stemmer = stemmer_new(language_stemmer(language));
    size_t term_count = demo_terms(arena, language, slice_of(question), stemmer, terms);
    double scores[DEMO_CHUNKS_MAX] = {0};
    stemmer_destroy(&stemmer);
    for (size_t t = 0; t < term_count; t++) {
        size_t holders = 0;
        for (size_t i = 0; i < demo->count; i++) holders += demo_holds(demo->folded[i], terms[t]);
        for (size_t i = 0; i < demo->count; i++)
            if (demo_holds(demo->folded[i], terms[t]))
                scores[i] += MIN(log(1 + (double)demo->count / (double)holders), 2.5);
    }
    struct passage *passages = arena_alloc(arena, top_k * sizeof *passages);
    size_t count = 0;
    while (count < top_k) {
        size_t best = 0;
        for (size_t i = 1; i < demo->count; i++)
            if (scores[i] > scores[best]) best = i;
        if (scores[best] < 0) break;
        passages[count] = demo->chunks[best];
        passages[count++].score = scores[best];
        scores[best] = -1;
    }
    return (struct list){passages, count};
}

#endif
