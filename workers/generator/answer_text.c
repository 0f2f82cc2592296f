#include "workers/generator/answer_text.h"

#include <stdlib.h>

void answer_start(struct answer_text *answer)
{
    answer->text.len = 0;
    answer->count = 0;
}

void answer_free(struct answer_text *answer)
{
    buffer_free(&answer->text);
    free(answer->ends);
    *answer = (struct answer_text){0};
}

void answer_append(struct answer_text *answer, struct slice text)
{
    buffer_append_slice(&answer->text, text);
}

void answer_end_piece(struct answer_text *answer)
{
    size_t from = answer->count ? answer->ends[answer->count - 1] : 0;
    if (answer->text.len == from) return;
    answer->ends = xgrow(answer->ends, &answer->capacity, answer->count + 1, sizeof *answer->ends);
    answer->ends[answer->count++] = answer->text.len;
}

/* The last part of a path or an address. */
static struct slice base_name(struct slice source)
{
    while (source.len && source.ptr[source.len - 1] == '/') source.len--;
    const char *slash = source.len ? memrchr(source.ptr, '/', source.len) : NULL;
    if (!slash) return source;
    size_t used = (size_t)(slash + 1 - source.ptr);
    return (struct slice){slash + 1, source.len - used};
}

void answer_label(struct answer_text *answer, const struct passage *passage)
{
    struct slice name = passage->title;
    if (!name.len) name = base_name(passage->source);
    if (!name.len) name = passage->heading;
    if (!name.len) return;
    buffer_append_text(&answer->text, "**");
    sentence_quote(name, SENTENCE_PROSE, 120, &answer->text);
    buffer_append_text(&answer->text, "**:");
}

static void quote_one(struct answer_text *answer, const struct candidate *candidate,
                      size_t bytes_max)
{
    const struct sentence *sentence = &candidate->sentence;
    bool code =
        sentence->kind == SENTENCE_CODE && !memchr(sentence->text.ptr, '`', sentence->text.len);
    if (code) buffer_append_char(&answer->text, '`');
    sentence_quote(sentence->text, sentence->kind, bytes_max, &answer->text);
    if (code) buffer_append_char(&answer->text, '`');
}

static bool is_end_mark(char c)
{
    return c == '.' || c == ';' || c == ',' || c == ':';
}

void answer_quote(struct answer_text *answer, const struct ranking *ranking, size_t first,
                  size_t last, size_t bytes_max)
{
    for (size_t i = first; i <= last; i++) {
        quote_one(answer, &ranking->items[i], bytes_max);
        if (i == last) break;
        char end = answer->text.data[answer->text.len - 1];
        if (is_end_mark(end)) answer->text.len--;
        buffer_append_text(&answer->text, end == ':' ? ": " : "; ");
    }
    buffer_printf(&answer->text, " [%u]", ranking->items[first].passage + 1);
}
