/* The provider that needs no model: small talk from the language's phrases, everything else from
 * the passages' own sentences (extractive.h). The whole answer is made at once, in about 100 µs,
 * and given piece by piece as the gateway has room. The same job always gives the same bytes, so an
 * answer that another worker began can be continued here. */
#include <stdlib.h>

#include "common/text.h"
#include "workers/generator/extractive.h"
#include "workers/generator/provider.h"

enum { CHARACTERS_A_TOKEN = 4 }; /* usage is an estimate: there is no tokenizer here */

struct writing {
    struct slice text;
    size_t *ends;
    size_t count, next; /* pieces, and the first not given yet */
    size_t given;       /* bytes */
    size_t usage_from;  /* bytes that were there before */
};

static err_t extractive_open(struct worker *worker, void **context)
{
    (void)worker;
    *context = extractive_new();
    return OK;
}

static void extractive_close(void *context)
{
    struct extractive *extractive = context;
    extractive_destroy(&extractive);
}

static const char *extractive_author(const struct target *target, struct arena *arena)
{
    (void)target, (void)arena;
    return "extractive/1";
}

static uint64_t tokens_of(struct slice text)
{
    return (text_length(text) + CHARACTERS_A_TOKEN - 1) / CHARACTERS_A_TOKEN;
}

static uint64_t prompt_tokens(const struct generation *generation)
{
    const struct passage *passages = generation->passages.passages.items;
    uint64_t tokens = tokens_of(generation->request.message);
    for (size_t i = 0; i < generation->passages.passages.count; i++)
        tokens += tokens_of(passages[i].text);
    return tokens;
}

/* --- what to say --- */

/* The user's questions before this one, newest first. */
static void note_earlier(const struct history *history, struct asked *asked)
{
    const struct chat_message *messages = history->messages.items;
    for (size_t i = history->messages.count; i-- > 0 && asked->earlier_count < EARLIER_MAX;)
        if (slice_equal(messages[i].role, SLICE("user")))
            asked->earlier[asked->earlier_count++] = messages[i].content;
}

/* The key of the phrase that is the whole answer, or NULL where the passages are asked. */
static const char *phrase_key(const struct generation *generation)
{
    bool trivial = generation->level == COMPLEXITY_TRIVIAL;
    const char *small_talk =
        trivial ? complexity_small_talk(generation->language, generation->request.message) : NULL;
    if (small_talk) return small_talk;
    if (generation->passages.passages.count) return NULL;
    return generation->request.portfolio_id ? "no_answer" : "no_documents";
}

static void write_phrase(struct writing *writing, struct arena *arena, const char *phrase)
{
    writing->text = slice_of(phrase);
    writing->count = writing->text.len ? 1 : 0;
    writing->ends = arena_alloc(arena, sizeof *writing->ends);
    writing->ends[0] = writing->text.len;
}

static void write_extract(struct generation *generation, struct writing *writing,
                          struct arena *arena)
{
    struct asked asked = {.message = generation->request.message,
                          .language = generation->language,
                          .answer_in = generation->answer_in,
                          .level = generation->level};
    struct extract extract;
    note_earlier(&generation->history, &asked);
    extractive_answer(generation->context, &asked, &generation->passages.passages, &extract);
    writing->text = arena_slice(arena, extract.text);
    writing->count = extract.count;
    writing->ends = arena_alloc(arena, extract.count * sizeof *writing->ends);
    memcpy(writing->ends, extract.ends, extract.count * sizeof *writing->ends);
}

/* --- giving it --- */

/* Skips what the client has, when this answer begins with it. */
static void skip_prefix(struct generation *generation, struct writing *writing)
{
    struct slice prefix = generation->prefix;
    bool same = prefix.len && prefix.len <= writing->text.len &&
                !memcmp(prefix.ptr, writing->text.ptr, prefix.len);
    if (!same) return;
    generation_continue(generation);
    writing->given = writing->usage_from = prefix.len;
    while (writing->next < writing->count && writing->ends[writing->next] <= prefix.len)
        writing->next++;
}

static void give(struct generation *generation)
{
    struct writing *writing = generation->data;
    bool room = true;
    while (room && writing->next < writing->count) {
        size_t from = writing->given, to = writing->ends[writing->next++];
        struct slice fresh = {writing->text.ptr + writing->usage_from, to - writing->usage_from};
        writing->given = to;
        generation->usage.completion_tokens = tokens_of(fresh);
        room = generation_text(generation, (struct slice){writing->text.ptr + from, to - from});
    }
    if (writing->next == writing->count) generation_done(&generation, "stop");
}

static void extractive_start(struct generation *generation)
{
    struct arena *arena = job_arena(generation->job);
    struct writing *writing = arena_alloc(arena, sizeof *writing);
    const char *key = phrase_key(generation);
    if (key)
        write_phrase(writing, arena, language_phrase(generation->answer_in, key));
    else
        write_extract(generation, writing, arena);
    generation->data = writing;
    generation->citable = generation->passages.passages.count;
    generation->usage.prompt_tokens = prompt_tokens(generation);
    skip_prefix(generation, writing);
    give(generation);
}

static void extractive_cancel(struct generation *generation)
{
    generation_fail(&generation, ERR_CANCELLED);
}

const struct provider provider_extractive = {
    .name = "extractive",
    .open = extractive_open,
    .close = extractive_close,
    .author = extractive_author,
    .start = extractive_start,
    .writable = give,
    .cancel = extractive_cancel,
};
