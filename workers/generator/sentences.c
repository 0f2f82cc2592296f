/* Lines make blocks (a paragraph, a list item, a table row …), blocks make sentences. A line is
 * judged by its first characters, a sentence's end by its mark and what stands on both sides. */
#include "workers/generator/sentences.h"

#include <ctype.h>

#include "common/text.h"

enum {
    LONE_LINE_BYTES = 80, /* a longer line is a paragraph's, cut or not */
    CODE_INDENT = 4,
    WORD_LOOKBACK = 16, /* no abbreviation is longer */
};

enum line_kind {
    LINE_EMPTY,
    LINE_FENCE,
    LINE_RULE, /* "---", "===", "|---|---|" */
    LINE_HEADING,
    LINE_ITEM,
    LINE_ROW,
    LINE_CODE, /* by its indent: so only behind an empty line */
    LINE_COMMAND,
    LINE_TEXT
};

struct line {
    enum line_kind kind;
    struct slice text; /* without its marker */
    unsigned level;
    size_t end; /* where the next line starts */
};

static struct slice slice_from(struct slice text, size_t at)
{
    return (struct slice){text.ptr + at, text.len - at};
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct slice trim(struct slice text)
{
    while (text.len && is_blank(text.ptr[0])) text = slice_from(text, 1);
    while (text.len && is_blank(text.ptr[text.len - 1])) text.len--;
    return text;
}

static bool starts_with(struct slice text, struct slice prefix)
{
    return text.len >= prefix.len && !memcmp(text.ptr, prefix.ptr, prefix.len);
}

/* --- lines --- */

static size_t indent_of(struct slice line)
{
    size_t indent = 0;
    for (size_t i = 0; i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'); i++)
        indent += line.ptr[i] == '\t' ? CODE_INDENT : 1;
    return indent;
}

static bool is_rule(struct slice text)
{
    enum { OTHER, FILLER, MARK };
    static const unsigned char kinds[256] = {
        ['-'] = MARK,   ['='] = MARK,   ['_'] = MARK,   ['*'] = MARK,
        ['|'] = FILLER, [':'] = FILLER, ['+'] = FILLER, [' '] = FILLER};
    size_t marks = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char kind = kinds[(unsigned char)text.ptr[i]];
        if (kind == OTHER) return false;
        marks += kind == MARK;
    }
    return marks >= 2 && text.len >= 3;
}

/* The length of a list marker and the blank behind it; 0 where there is none. */
static size_t item_marker(struct slice text)
{
    static const struct slice bullets[] = {SLICE("- "), SLICE("* "), SLICE("+ "), SLICE("• "),
                                           SLICE("– "), SLICE("◦ "), SLICE("·  ")};
    size_t digits = 0;
    for (size_t i = 0; i < ARRAY_LEN(bullets); i++)
        if (starts_with(text, bullets[i])) return bullets[i].len;
    while (digits < text.len && isdigit((unsigned char)text.ptr[digits])) digits++;
    if (!digits || digits > 3 || text.len < digits + 2) return 0;
    if (text.ptr[digits] != '.' && text.ptr[digits] != ')') return 0;
    return text.ptr[digits + 1] == ' ' ? digits + 2 : 0;
}

static unsigned heading_level(struct slice text)
{
    unsigned level = 0;
    while (level < text.len && text.ptr[level] == '#') level++;
    return level >= 1 && level <= 6 && level < text.len && is_blank(text.ptr[level]) ? level : 0;
}

static struct slice without_hashes(struct slice text)
{
    while (text.len && (text.ptr[0] == '#')) text = slice_from(text, 1);
    while (text.len && (text.ptr[text.len - 1] == '#')) text.len--;
    return trim(text);
}

/* "$ ls" and "# apt update", as pages of plain text have them: a title would start with a capital.
 */
static bool is_command(struct slice text)
{
    if (text.len < 3 || text.ptr[1] != ' ') return false;
    return text.ptr[0] == '$' || (text.ptr[0] == '#' && islower((unsigned char)text.ptr[2]));
}

/* "| a | b |", or "a | b" as tables of HTML are written down. */
static bool is_row(struct slice text)
{
    return text.len > 4 && memchr(text.ptr, '|', text.len) && memmem(text.ptr, text.len, " | ", 3);
}

static enum line_kind line_kind(struct slice text, size_t indent)
{
    if (!text.len) return LINE_EMPTY;
    if (starts_with(text, SLICE("```")) || starts_with(text, SLICE("~~~"))) return LINE_FENCE;
    if (is_rule(text)) return LINE_RULE;
    if (is_command(text)) return LINE_COMMAND;
    if (heading_level(text)) return LINE_HEADING;
    if (item_marker(text)) return LINE_ITEM;
    if (is_row(text)) return LINE_ROW;
    return indent >= CODE_INDENT ? LINE_CODE : LINE_TEXT;
}

static bool line_read(struct slice text, size_t at, struct line *line)
{
    if (at >= text.len) return false;
    struct slice rest = slice_from(text, at);
    const char *newline = memchr(rest.ptr, '\n', rest.len);
    struct slice raw = {rest.ptr, newline ? (size_t)(newline - rest.ptr) : rest.len};
    *line = (struct line){.end = at + raw.len + (newline != NULL), .text = trim(raw)};
    while (line->text.len && line->text.ptr[0] == '>') line->text = trim(slice_from(line->text, 1));
    line->kind = line_kind(line->text, indent_of(raw));
    line->level = heading_level(line->text);
    if (line->kind == LINE_HEADING) line->text = without_hashes(line->text);
    if (line->kind == LINE_ITEM) line->text = trim(slice_from(line->text, item_marker(line->text)));
    return true;
}

/* --- blocks --- */

static size_t sentence_end(struct slice text);

static bool has_end_mark(struct slice text)
{
    static const struct slice marks[] = {
        SLICE("."), SLICE("!"),  SLICE("?"),   SLICE(":"), SLICE(";"), SLICE(","),
        SLICE("…"), SLICE(".)"), SLICE(".\""), SLICE("”"), SLICE("»"),
    };
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        size_t len = marks[i].len;
        if (text.len >= len && !memcmp(text.ptr + text.len - len, marks[i].ptr, len)) return true;
    }
    return false;
}

/* A line that is whole by itself: short, without an end mark, and what follows starts anew. */
static bool stands_alone(struct slice text, const struct line *next)
{
    if (text.len > LONE_LINE_BYTES || has_end_mark(text)) return false;
    if (sentence_end(text) < text.len) return false;
    if (!next || next->kind != LINE_TEXT) return true;
    unsigned char first = (unsigned char)next->text.ptr[0];
    return text.len < LONE_LINE_BYTES * 3 / 4 && !islower(first);
}

/* "Licence: MIT" says something, "Licence" is a heading. */
static enum sentence_kind kind_of_lone_line(struct slice text, const struct line *next, bool first)
{
    const char *colon = memchr(text.ptr, ':', text.len);
    bool labelled = colon && colon + 1 < text.ptr + text.len && colon[1] == ' ';
    bool listed = next && next->kind == LINE_TEXT &&
                  (next->text.len <= LONE_LINE_BYTES && !has_end_mark(next->text));
    return labelled || listed || !first ? SENTENCE_ITEM : SENTENCE_HEADING;
}

static void block_set(struct sentence_reader *reader, struct slice text, enum sentence_kind kind)
{
    reader->block = text;
    reader->kind = kind;
    reader->blocks++;
}

/* A paragraph or an item: its first line and those that carry it on. */
static void read_running(struct sentence_reader *reader, struct line line)
{
    struct slice first = line.text, text = line.text;
    bool item = line.kind == LINE_ITEM, after_blank = reader->spaced;
    struct line next;
    bool more;
    while ((more = line_read(reader->text, reader->at, &next))) {
        bool runs_on = next.kind == LINE_TEXT || (next.kind == LINE_CODE && next.text.len);
        if (!runs_on || (!item && text.len == first.len && stands_alone(first, &next))) break;
        text.len = (size_t)(next.text.ptr + next.text.len - text.ptr);
        reader->at = next.end;
    }
    if (!item && more && next.kind == LINE_RULE && strchr("=-", next.text.ptr[0]) &&
        text.len == first.len) {
        reader->at = next.end;
        reader->level = next.text.ptr[0] == '=' ? 1 : 2;
        block_set(reader, text, SENTENCE_HEADING);
    } else if (!item && text.len == first.len && stands_alone(text, more ? &next : NULL)) {
        block_set(reader, text, kind_of_lone_line(text, more ? &next : NULL, after_blank));
    } else {
        block_set(reader, text, item ? SENTENCE_ITEM : SENTENCE_PROSE);
    }
}

static void read_code(struct sentence_reader *reader, struct line line)
{
    block_set(reader, line.text, SENTENCE_CODE);
}

static void read_line_block(struct sentence_reader *reader, struct line line)
{
    if (line.kind == LINE_HEADING) {
        reader->level = line.level;
        block_set(reader, line.text, SENTENCE_HEADING);
    } else if (line.kind == LINE_ROW) {
        block_set(reader, line.text, SENTENCE_ROW);
    } else if (line.kind == LINE_COMMAND || (line.kind == LINE_CODE && reader->spaced)) {
        read_code(reader, line);
    } else {
        read_running(reader, line);
    }
}

/* Moves to the next block that has text. */
static bool read_block(struct sentence_reader *reader)
{
    struct line line;
    if (reader->at == 0) reader->spaced = true;
    reader->level = 0;
    while (line_read(reader->text, reader->at, &line)) {
        reader->at = line.end;
        if (line.kind == LINE_FENCE) reader->fenced = !reader->fenced;
        if (line.kind == LINE_EMPTY || line.kind == LINE_FENCE ||
            (line.kind == LINE_RULE && !reader->fenced)) {
            reader->spaced = true;
            continue;
        }
        if (reader->fenced)
            read_code(reader, line);
        else
            read_line_block(reader, line);
        reader->spaced = reader->kind == SENTENCE_CODE;
        if (reader->block.len) return true;
    }
    return false;
}

/* --- sentences --- */

/* What a full stop does not end a sentence after: always, or before a number. */
static const struct {
    char word[8];
    bool before_number;
} abbreviations[] = {
    {"e.g", false},    {"i.e", false}, {"cf", false},  {"vs", false},   {"dr", false},
    {"mr", false},     {"mrs", false}, {"ms", false},  {"prof", false}, {"st", false},
    {"approx", false}, {"ca", false},  {"sr", false},  {"sra", false},  {"srta", false},
    {"dra", false},    {"ud", false},  {"uds", false}, {"ej", false},   {"aprox", false},
    {"ee", false},     {"av", false},  {"no", true},   {"nos", true},   {"fig", true},
    {"figs", true},    {"vol", true},  {"pp", true},   {"ch", true},    {"sec", true},
    {"núm", true},     {"n.º", true},  {"pág", true},  {"págs", true},  {"art", true},
    {"cap", true},     {"ver", true},  {"eq", true},   {"tab", true},
};

static struct slice word_before(struct slice text, size_t end)
{
    size_t start = end;
    while (start > 0 && end - start < WORD_LOOKBACK && !is_blank(text.ptr[start - 1]) &&
           !strchr("([{\"'*_", text.ptr[start - 1]))
        start--;
    return (struct slice){text.ptr + start, end - start};
}

static bool is_abbreviation(struct slice word, bool before_number)
{
    char small[sizeof abbreviations[0].word] = {0};
    if (word.len >= sizeof small) return false;
    for (size_t i = 0; i < word.len; i++) small[i] = (char)tolower((unsigned char)word.ptr[i]);
    for (size_t i = 0; i < ARRAY_LEN(abbreviations); i++)
        if (!memcmp(abbreviations[i].word, small, sizeof small))
            return !abbreviations[i].before_number || before_number;
    return false;
}

/* The "J." of "Ana J. Marsh" and the "a." of "8 a. m."; but not the "C." of "written in C." */
static bool is_initial(struct slice text, struct slice word)
{
    if (word.len != 1 || !isalpha((unsigned char)word.ptr[0])) return false;
    size_t end = (size_t)(word.ptr - text.ptr);
    while (end > 0 && is_blank(text.ptr[end - 1])) end--;
    struct slice before = word_before(text, end);
    if (islower((unsigned char)word.ptr[0]) || !before.len) return true;
    return isupper((unsigned char)before.ptr[0]) && !has_end_mark(before);
}

static bool is_number(struct slice word)
{
    size_t i = 0;
    while (i < word.len && (isdigit((unsigned char)word.ptr[i]) || word.ptr[i] == '.')) i++;
    return i == word.len;
}

static bool is_mark(char c)
{
    return c == '.' || c == '!' || c == '?';
}

/* Past closing quotes and brackets. */
static size_t skip_closers(struct slice text, size_t at)
{
    static const struct slice closers[] = {
        SLICE("\""), SLICE("'"), SLICE(")"), SLICE("]"), SLICE("*"),
        SLICE("_"),  SLICE("`"), SLICE("”"), SLICE("’"), SLICE("»"),
    };
    for (size_t i = 0; i < ARRAY_LEN(closers); i++) {
        if (at < text.len && is_blank(text.ptr[at])) return at; /* as nearly always */
        if (!starts_with(slice_from(text, at), closers[i])) continue;
        at += closers[i].len;
        i = (size_t)-1;
    }
    return at;
}

static bool starts_lower(struct slice text)
{
    if ((unsigned char)text.ptr[0] < 0x80) return islower((unsigned char)text.ptr[0]);
    uint32_t c = text_take(&text);
    return c >= 0xDF && c <= 0xFF;
}

/* True when the mark at `at` ends a sentence; *end is behind it and its closers. */
static bool ends_at(struct slice text, size_t at, size_t *end)
{
    size_t next = at;
    while (next < text.len && is_mark(text.ptr[next])) next++;
    size_t run = next - at;
    *end = next = skip_closers(text, next);
    if (next == text.len) return true;
    if (!is_blank(text.ptr[next])) return false;
    while (next < text.len && is_blank(text.ptr[next])) next++;
    if (next == text.len) return true;
    if (starts_lower(slice_from(text, next))) return false;
    if (text.ptr[at] != '.' || run > 1) return true;
    struct slice word = word_before(text, at);
    if (word.ptr == text.ptr && is_number(word)) return false; /* "1.2. Files" */
    return !is_abbreviation(word, isdigit((unsigned char)text.ptr[next])) &&
           !is_initial(text, word);
}

/* Sixteen bytes at a time, as the compiler's vectors have it on every processor. */
typedef unsigned char bytes16 __attribute__((vector_size(16)));
typedef uint64_t halves16 __attribute__((vector_size(16)));

static bool has_mark(const char *at)
{
    bytes16 bytes;
    memcpy(&bytes, at, sizeof bytes);
    halves16 marks = (halves16)((bytes == '.') | (bytes == '!') | (bytes == '?'));
    return marks[0] | marks[1];
}

/* Where the next '.', '!' or '?' is; the text's length when there is none. */
static size_t find_mark(struct slice text, size_t at)
{
    while (at + sizeof(bytes16) <= text.len && !has_mark(text.ptr + at)) at += sizeof(bytes16);
    while (at < text.len && !is_mark(text.ptr[at])) at++;
    return at;
}

static size_t sentence_end(struct slice text)
{
    size_t end = 0;
    for (size_t at = find_mark(text, 0); at < text.len; at = find_mark(text, at + 1)) {
        if (ends_at(text, at, &end)) return end;
        at = MAX(at, end ? end - 1 : at);
    }
    return text.len;
}

bool sentence_next(struct sentence_reader *reader, struct sentence *sentence)
{
    while (!reader->block.len)
        if (!read_block(reader)) return false;
    bool whole = reader->kind == SENTENCE_CODE || reader->kind == SENTENCE_HEADING ||
                 reader->kind == SENTENCE_ROW;
    size_t end = whole ? reader->block.len : sentence_end(reader->block);
    *sentence =
        (struct sentence){{reader->block.ptr, end}, reader->kind, reader->blocks, reader->level};
    reader->block = trim(slice_from(reader->block, end));
    return true;
}
