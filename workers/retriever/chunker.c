/* Blocks are cut into pieces (a heading, a paragraph, a sentence of one that is too long), and
 * pieces are packed:
 *
 *     blocks -> pieces -> pack() -> open chunk -> close_chunk() -> held chunk -> each()
 *
 * A closed chunk is held until the next one closes, so that a short rest joins it. Sizes are in
 * characters; they are counted in bytes scaled by what a character of this document takes. */
#include "workers/retriever/chunker.h"

#include <stdlib.h>

#include "common/language.h"
#include "common/text.h"

enum {
    TARGET = 1000, /* where a long paragraph is cut */
    LIMIT = 1150,  /* what a whole paragraph may fill up to */
    LEAST = 500,   /* below it a chunk goes on into the next paragraph, cut at sentences */
    SECTION = 300, /* a section shorter than this shares a chunk with the next */
    HEADING = 200, /* a longer heading is text */
    REST = 200,    /* what is left of a section and shorter joins the chunk before */
    OVERLAP = 150,
    LEVELS = 6,
    DOCUMENT_SAMPLE = 4096, /* bytes that tell a document's language */
    CHUNK_SAMPLE = 600,     /* and whether a chunk is in another */
    STOP_WORDS_LEAST = 4,
};

struct piece {
    size_t start, end;
    bool lead;
};

struct span {
    size_t start, end;
    size_t fresh; /* where what is not overlap starts */
};

struct chunker {
    const struct parsed_document *document;
    void (*each)(void *context, const struct chunk *chunk);
    void *context;
    const struct language *language; /* the document's */
    size_t scale;                    /* bytes of 1,024 characters */
    struct slice headings[LEVELS];
    struct buffer path, held_path, folded;
    struct span open, held;
    bool has_open, has_held, joins; /* joins: the open chunk's section is the held one's */
    struct piece last, before_last; /* pieces of the open chunk */
    unsigned level;                 /* of the heading that the open chunk's section has */
    bool only_headings;             /* so far, in the open chunk */
};

static size_t bytes_of(const struct chunker *chunker, size_t characters)
{
    return characters * chunker->scale / 1024;
}

static struct slice text_of(const struct chunker *chunker, size_t start, size_t end)
{
    return (struct slice){chunker->document->text.data + start, end - start};
}

/* --- language --- */

static unsigned count_stop_words(const struct language *language, struct slice folded)
{
    struct text_words words = {folded, 0};
    struct slice word;
    unsigned count = 0;
    while (text_next_word(&words, &word)) count += language_is_stop_word(language, word);
    return count;
}

/* The document's language, unless the chunk's stop words clearly speak for another. */
static const struct language *language_of(struct chunker *chunker, struct slice text)
{
    const struct language *best = chunker->language, *language;
    chunker->folded.len = 0;
    text.len = text_cut(text, CHUNK_SAMPLE);
    text_fold(text, &chunker->folded);
    unsigned most = 2 * count_stop_words(best, buffer_slice(&chunker->folded)) + STOP_WORDS_LEAST;
    for (size_t i = 0; (language = language_at(i)); i++) {
        unsigned count = count_stop_words(language, buffer_slice(&chunker->folded));
        if (language == chunker->language || count <= most) continue;
        best = language;
        most = count;
    }
    return best;
}

/* --- chunks --- */

static void emit_held(struct chunker *chunker)
{
    if (!chunker->has_held) return;
    struct slice text = text_of(chunker, chunker->held.start, chunker->held.end);
    struct chunk chunk = {
        .start = chunker->held.start,
        .end = chunker->held.end,
        .text = text,
        .heading = buffer_slice(&chunker->held_path),
        .language = language_code(language_of(chunker, text)),
    };
    chunker->each(chunker->context, &chunk);
    chunker->has_held = false;
}

static void close_chunk(struct chunker *chunker)
{
    if (!chunker->has_open) return;
    chunker->has_open = false;
    size_t fresh = chunker->open.end - chunker->open.fresh;
    size_t joined = chunker->open.end - chunker->held.start;
    bool joins = chunker->has_held && chunker->joins && fresh < bytes_of(chunker, REST) &&
                 joined <= bytes_of(chunker, LIMIT + REST);
    if (joins) {
        chunker->held.end = chunker->open.end;
        return;
    }
    emit_held(chunker);
    chunker->held = chunker->open;
    chunker->has_held = true;
    struct buffer path = chunker->held_path;
    chunker->held_path = chunker->path;
    chunker->path = path;
    chunker->path.len = 0;
    buffer_append_slice(&chunker->path, buffer_slice(&chunker->held_path));
}

/* Where the overlap with a chunk that ends at `end` starts: at the first sentence, or else the
 * first word, of its last OVERLAP characters. */
static size_t overlap_start(const struct chunker *chunker, size_t start, size_t end)
{
    size_t length = bytes_of(chunker, OVERLAP);
    const char *text = chunker->document->text.data;
    if (end - start <= 2 * length) return end;
    size_t word = end;
    for (size_t at = end - length; at < end; at++) {
        bool space = text[at - 1] == ' ' || text[at - 1] == '\n';
        if (!space || text[at] == ' ' || text[at] == '\n') continue;
        if (word == end) word = at;
        if (at >= 2 && strchr(".!?\n", text[at - 2])) return at;
    }
    return word;
}

static void start_chunk(struct chunker *chunker, size_t start, size_t fresh, bool joins)
{
    chunker->open = (struct span){start, fresh, fresh};
    chunker->has_open = true;
    chunker->joins = joins;
    chunker->only_headings = true;
    chunker->last = chunker->before_last = (struct piece){0};
}

/* Closes the open chunk inside its section; the next starts with the overlap. A piece that leads is
 * taken over whole, so that it stays with what it introduces. */
static void continue_chunk(struct chunker *chunker)
{
    struct span open = chunker->open;
    struct piece last = chunker->last;
    size_t start;
    if (last.lead && chunker->before_last.end > open.fresh && last.start > open.fresh) {
        chunker->open.end = chunker->before_last.end;
        start = last.start;
    } else {
        start = overlap_start(chunker, open.start, open.end);
    }
    close_chunk(chunker);
    start_chunk(chunker, start, MIN(open.end, last.lead ? last.start : open.end), true);
    chunker->open.end = open.end;
    chunker->only_headings = false;
}

static void append_piece(struct chunker *chunker, struct piece piece)
{
    if (!chunker->has_open) start_chunk(chunker, piece.start, piece.start, false);
    chunker->open.end = piece.end;
    chunker->before_last = chunker->last;
    chunker->last = piece;
}

static size_t open_size(const struct chunker *chunker)
{
    return chunker->has_open ? chunker->open.end - chunker->open.start : 0;
}

/* The open chunk's size once it reaches to `end`. */
static size_t size_up_to(const struct chunker *chunker, size_t start, size_t end)
{
    return end - (chunker->has_open ? chunker->open.start : start);
}

/* --- headings --- */

static void set_path(struct chunker *chunker)
{
    chunker->path.len = 0;
    for (size_t i = 0; i < LEVELS; i++) {
        if (!chunker->headings[i].len) continue;
        if (chunker->path.len) buffer_append_text(&chunker->path, " > ");
        buffer_append_slice(&chunker->path, chunker->headings[i]);
    }
}

static void read_heading(struct chunker *chunker, const struct block *block)
{
    struct piece piece = {block->start, block->end, true};
    struct slice heading = text_of(chunker, block->start, block->end);
    bool below = block->level >= chunker->level || chunker->only_headings;
    bool goes_on = below && open_size(chunker) < bytes_of(chunker, SECTION);
    if (!goes_on) close_chunk(chunker);
    chunker->headings[block->level - 1] = heading;
    for (size_t i = block->level; i < LEVELS; i++) chunker->headings[i] = (struct slice){0};
    if (!chunker->has_open || chunker->only_headings) {
        chunker->level = block->level;
        set_path(chunker);
    }
    append_piece(chunker, piece);
}

/* --- blocks that are too long --- */

static bool ends_sentence(struct slice text, size_t at)
{
    char c = text.ptr[at];
    bool mark = c == '.' || c == '!' || c == '?';
    return mark && at + 1 < text.len && (text.ptr[at + 1] == ' ' || text.ptr[at + 1] == '\n');
}

/* The length of the first piece of a long stretch: up to the last boundary before `max` bytes, of
 * the best kind that comes late enough. */
static size_t cut(struct slice text, size_t max, bool code)
{
    if (text.len <= max) return text.len;
    size_t sentence = 0, line = 0, space = 0;
    for (size_t at = max / 3; at + 1 < max; at++) {
        if (text.ptr[at] == '\n') line = at + 1;
        if (ends_sentence(text, at)) sentence = at + 1;
        if (text.ptr[at] == ' ') space = at + 1;
    }
    if (!code && sentence) return sentence;
    if (line) return line;
    return space ? space : MAX(text_cut(text, max), 1);
}

static size_t skip_white(const char *text, size_t start, size_t end)
{
    while (start < end && strchr(" \n\r\t", text[start])) start++;
    return start;
}

/* Fills chunks with a block that does not fit in one. */
static void pack_parts(struct chunker *chunker, const struct block *block)
{
    size_t target = bytes_of(chunker, TARGET), limit = bytes_of(chunker, LIMIT);
    size_t start = block->start;
    while (start < block->end) {
        size_t room = target > open_size(chunker) ? target - open_size(chunker) : 0;
        bool rest_fits = size_up_to(chunker, start, block->end) <= limit;
        room = MAX(room, bytes_of(chunker, LEAST) / 2);
        struct slice rest = text_of(chunker, start, block->end);
        size_t len = rest_fits ? rest.len : cut(rest, room, block->code);
        append_piece(chunker, (struct piece){start, start + len, block->lead && len == rest.len});
        chunker->only_headings = false;
        start = skip_white(chunker->document->text.data, start + len, block->end);
        if (start < block->end) continue_chunk(chunker);
    }
}

static void read_block(struct chunker *chunker, const struct block *block)
{
    size_t limit = bytes_of(chunker, LIMIT);
    if (size_up_to(chunker, block->start, block->start) > limit) close_chunk(chunker);
    bool fits = size_up_to(chunker, block->start, block->end) <= limit;
    bool enough = open_size(chunker) >= bytes_of(chunker, LEAST);
    if (!fits && enough && !chunker->only_headings) {
        continue_chunk(chunker);
        fits = size_up_to(chunker, block->start, block->end) <= limit;
    }
    if (!fits) return pack_parts(chunker, block);
    append_piece(chunker, (struct piece){block->start, block->end, block->lead});
    chunker->only_headings = false;
}

void chunk_document(const struct parsed_document *document,
                    void (*each)(void *context, const struct chunk *chunk), void *context)
{
    struct slice text = buffer_slice(&document->text);
    size_t length = text_length(text);
    struct chunker chunker = {.document = document, .each = each, .context = context};
    chunker.scale = length ? MAX(text.len * 1024 / length, 1024) : 1024;
    text.len = text_cut(text, DOCUMENT_SAMPLE);
    chunker.language = language_detect(text, NULL);
    for (size_t i = 0; i < document->count; i++) {
        const struct block *block = &document->blocks[i];
        if (block->level && block->end - block->start <= HEADING)
            read_heading(&chunker, block);
        else
            read_block(&chunker, block);
    }
    close_chunk(&chunker);
    emit_held(&chunker);
    buffer_free(&chunker.path);
    buffer_free(&chunker.held_path);
    buffer_free(&chunker.folded);
}
