#include "workers/generator/citations.h"

#include <ctype.h>

#include "common/text.h"

static void open_bracket(struct citation_scan *scan)
{
    memset(scan->pending, 0, sizeof scan->pending);
    scan->pending_beyond = 0;
    scan->open = true;
    scan->digits = false;
    scan->number = 0;
}

/* Takes the number that has just ended; false where there was none. */
static bool take_number(struct citation_scan *scan)
{
    bool valid = scan->digits && scan->number > 0;
    if (valid && scan->number <= CITATIONS_MAX)
        scan->pending[(scan->number - 1) / 64] |= (uint64_t)1 << (scan->number - 1) % 64;
    if (valid && scan->number > CITATIONS_MAX) scan->pending_beyond++;
    scan->digits = false;
    scan->number = 0;
    return valid;
}

static void close_bracket(struct citation_scan *scan)
{
    if (take_number(scan)) {
        for (size_t i = 0; i < CITATIONS_MAX / 64; i++) scan->cited[i] |= scan->pending[i];
        scan->beyond += scan->pending_beyond;
    }
    scan->open = false;
}

static void read_inside(struct citation_scan *scan, char c)
{
    if (isdigit((unsigned char)c)) {
        scan->digits = true;
        scan->number = MIN(scan->number * 10 + (unsigned)(c - '0'), 100000u);
    } else if (c == ']') {
        close_bracket(scan);
    } else if (c == ',') {
        scan->open = take_number(scan);
    } else if (c != ' ' || scan->digits) {
        scan->open = false;
    }
}

void citations_read(struct citation_scan *scan, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '[')
            open_bracket(scan);
        else if (scan->open)
            read_inside(scan, text.ptr[i]);
    }
}

static struct slice cut(struct slice text)
{
    return (struct slice){text.ptr, text_cut(text, CITATION_TEXT_MAX)};
}

static struct citation citation_of(const struct passage *passage, uint64_t n)
{
    return (struct citation){
        .n = n,
        .document_id = passage->document_id,
        .title = cut(passage->title),
        .heading = cut(passage->heading),
        .chunk_id = passage->chunk_id,
        .start = passage->start,
        .end = passage->end,
        .score = passage->score,
        .source = cut(passage->source),
    };
}

struct list citations_list(const struct citation_scan *scan, const struct list *passages,
                           struct arena *arena)
{
    size_t most = 0, count = MIN(passages->count, (size_t)CITATIONS_MAX);
    for (size_t i = 0; i < count; i++) most += scan->cited[i / 64] >> i % 64 & 1;
    struct list list = {most ? arena_alloc(arena, most * sizeof(struct citation)) : NULL, 0};
    for (size_t i = 0; i < count; i++)
        if (scan->cited[i / 64] >> i % 64 & 1)
            ((struct citation *)list.items)[list.count++] =
                citation_of(&((const struct passage *)passages->items)[i], i + 1);
    return list;
}

uint64_t citations_dropped(const struct citation_scan *scan, size_t count)
{
    uint64_t dropped = scan->beyond;
    for (size_t i = count; i < CITATIONS_MAX; i++) dropped += scan->cited[i / 64] >> i % 64 & 1;
    return dropped;
}
