/* A sentence as it is quoted: one walk over its bytes, each kind of noise known by its first. */
#include <ctype.h>

#include "common/text.h"
#include "workers/generator/sentences.h"

struct quoting {
    struct slice text;
    size_t at;
    size_t start; /* of the quotation in `out` */
    enum sentence_kind kind;
    bool code;     /* between backticks */
    bool emphasis; /* between single asterisks */
    struct buffer *out;
};

static char char_at(const struct quoting *quoting, size_t at)
{
    return at < quoting->text.len ? quoting->text.ptr[at] : '\0';
}

static char last_out(const struct quoting *quoting)
{
    return quoting->out->len > quoting->start ? quoting->out->data[quoting->out->len - 1] : '\0';
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static void put(struct quoting *quoting, char c)
{
    if (c == ' ' && (last_out(quoting) == ' ' || last_out(quoting) == '\0')) return;
    buffer_append_char(quoting->out, c);
}

/* The length of "[12]" or "[^note]", the text's own reference marks; else 0. */
static size_t reference_mark(const struct quoting *quoting)
{
    size_t at = quoting->at + 1;
    if (char_at(quoting, at) == '^')
        while (is_word_char(char_at(quoting, ++at))) continue;
    else
        while (isdigit((unsigned char)char_at(quoting, at))) at++;
    bool closed = char_at(quoting, at) == ']' && at > quoting->at + 1;
    return closed && char_at(quoting, at + 1) != '(' ? at + 1 - quoting->at : 0;
}

/* Finds "](target)" from `at`: where its bracket closes, and where the whole ends. */
static bool link_span(const struct quoting *quoting, size_t at, size_t *label_end, size_t *end)
{
    size_t limit = MIN(quoting->text.len, at + 400);
    while (at < limit && char_at(quoting, at) != ']' && char_at(quoting, at) != '[') at++;
    if (char_at(quoting, at) != ']' || char_at(quoting, at + 1) != '(') return false;
    *label_end = at;
    while (at < limit && char_at(quoting, at) != ')') at++;
    *end = at + 1;
    return at < limit;
}

static void quote_bracket(struct quoting *quoting)
{
    size_t mark = reference_mark(quoting), label_end, end;
    if (mark) {
        quoting->at += mark;
        if (last_out(quoting) == ' ' && ispunct((unsigned char)char_at(quoting, quoting->at)))
            quoting->out->len--;
    } else if (link_span(quoting, quoting->at + 1, &label_end, &end)) {
        for (size_t i = quoting->at + 1; i < label_end; i++)
            put(quoting, isspace((unsigned char)char_at(quoting, i)) ? ' ' : char_at(quoting, i));
        quoting->at = end;
    } else {
        put(quoting, quoting->text.ptr[quoting->at++]);
    }
}

static void quote_image(struct quoting *quoting)
{
    size_t label_end, end;
    if (char_at(quoting, quoting->at + 1) == '[' &&
        link_span(quoting, quoting->at + 2, &label_end, &end))
        quoting->at = end;
    else
        put(quoting, quoting->text.ptr[quoting->at++]);
}

/* True for the first or second asterisk of "*word*"; not for those of "*.deb" or "2 * 3". */
static bool is_emphasis(const struct quoting *quoting)
{
    char before = quoting->at ? char_at(quoting, quoting->at - 1) : ' ';
    char after = char_at(quoting, quoting->at + 1);
    if (quoting->emphasis) return !isspace((unsigned char)before);
    if (is_word_char(before) || !is_word_char(after)) return false;
    size_t limit = MIN(quoting->text.len, quoting->at + 200);
    for (size_t i = quoting->at + 2; i < limit; i++)
        if (char_at(quoting, i) == '*')
            return !isspace((unsigned char)char_at(quoting, i - 1)) &&
                   !is_word_char(char_at(quoting, i + 1));
    return false;
}

static void quote_asterisk(struct quoting *quoting)
{
    if (char_at(quoting, quoting->at + 1) == '*') {
        quoting->at += 2;
    } else if (is_emphasis(quoting)) {
        quoting->emphasis = !quoting->emphasis;
        quoting->at++;
    } else {
        put(quoting, quoting->text.ptr[quoting->at++]);
    }
}

/* The bar between two cells becomes a middle dot; the outer ones go. */
static void quote_bar(struct quoting *quoting)
{
    quoting->at++;
    struct slice rest = {quoting->text.ptr + quoting->at, quoting->text.len - quoting->at};
    if (last_out(quoting) == '\0' || !text_trim(rest).len) return;
    put(quoting, ' ');
    buffer_append_text(quoting->out, "· ");
}

static void quote_char(struct quoting *quoting)
{
    char c = quoting->text.ptr[quoting->at];
    bool plain = quoting->code || quoting->kind == SENTENCE_CODE;
    if (c == '`') quoting->code = !quoting->code;
    if (c == '[' && !plain) return quote_bracket(quoting);
    if (c == '!' && !plain) return quote_image(quoting);
    if (c == '*' && !plain) return quote_asterisk(quoting);
    if (c == '|' && quoting->kind == SENTENCE_ROW) return quote_bar(quoting);
    put(quoting, isspace((unsigned char)c) ? ' ' : c);
    quoting->at++;
}

static bool is_trailing_noise(char c)
{
    return c == ' ' || c == ',' || c == ';' || c == ':' || c == '(' || c == '-';
}

/* Cuts what is too long at a word, and closes a backtick that lost its other half. */
static void cut_at_word(struct quoting *quoting, size_t max)
{
    struct buffer *out = quoting->out;
    struct slice quoted = {out->data + quoting->start, out->len - quoting->start};
    size_t cut = text_cut(quoted, max), word = cut, ticks = 0;
    while (word > cut / 2 && quoted.ptr[word] != ' ') word--;
    if (word > cut / 2) cut = word;
    while (cut > 0 && is_trailing_noise(quoted.ptr[cut - 1])) cut--;
    for (size_t i = 0; i < cut; i++) ticks += quoted.ptr[i] == '`';
    out->len = quoting->start + cut;
    buffer_append_text(out, ticks % 2 ? "`…" : "…");
}

void sentence_quote(struct slice text, enum sentence_kind kind, size_t max, struct buffer *out)
{
    struct quoting quoting = {.text = text, .kind = kind, .start = out->len, .out = out};
    /* Markup only shortens: what lies far behind the limit cannot be wanted. */
    while (quoting.at < text.len && out->len - quoting.start <= max + 1) quote_char(&quoting);
    while (last_out(&quoting) == ' ') out->len--;
    if (out->len - quoting.start > max) cut_at_word(&quoting, max);
}
