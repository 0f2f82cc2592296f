#include "workers/generator/prompt_frame.h"

#include <strings.h>

#include "common/text.h"

#define ATTRIBUTE_BYTES_MAX 300
#define NOISE_MAX           32 /* characters that may stand between the letters of a mark */

/* How a bracket may be written that a model reads as one. */
static const char *const brackets[] = {
    "<",
    "&lt",
    "&#60",
    "&#060",
    "&#x3c",
    "&#x03c",
    "%3c",
    "\\u003c",
    "\\x3c",
    "\\74",
    "\xe2\x80\xb9" /* ‹ */,
    "\xc2\xab" /* « */,
    "\xe2\x9f\xa8" /* ⟨ */,
    "\xe3\x80\x88" /* 〈 */,
    "\xe3\x80\x8a" /* 《 */,
    "\xe2\x8c\xa9" /* 〈 */,
    "\xef\xb9\xa4" /* ﹤ */,
    "\xef\xbc\x9c" /* ＜ */,
    "\xcb\x82" /* ˂ */,
    "\xe1\x90\xb8" /* ᐸ */,
    "\xe2\x9d\xae" /* ❮ */,
    "\xe2\x9d\xb0" /* ❰ */,
};

/* The bytes of the bracket at the front; 0: there is none. Nearly every byte is none. */
static size_t bracket_len(struct slice text)
{
    static const bool starts[256] = {
        ['<'] = true,  ['&'] = true,  ['%'] = true,  ['\\'] = true, [0xC2] = true,
        [0xCB] = true, [0xE1] = true, [0xE2] = true, [0xE3] = true, [0xEF] = true,
    };
    if (!starts[(unsigned char)*text.ptr]) return 0;
    for (size_t i = 0; i < ARRAY_LEN(brackets); i++) {
        size_t len = strlen(brackets[i]);
        if (len <= text.len && !strncasecmp(text.ptr, brackets[i], len)) return len;
    }
    return 0;
}

/* A letter or digit as it is compared: small, of full width as of half; 0 for anything else. */
static char plain(uint32_t c)
{
    if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFEE0;
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? (char)c : 0;
}

/* True if the next letters spell `word`, whatever stands between them: blanks, slashes, joiners
 * that nobody sees. */
static bool spells(struct slice text, const char *word)
{
    size_t noise = 0;
    while (*word && text.len && noise < NOISE_MAX) {
        char letter = plain(text_take(&text));
        if (!letter)
            noise++;
        else if (letter != *word++)
            return false;
    }
    return !*word;
}

/* "<|im_start|>" and its like: marks that some models take for the start of another's words. */
static bool is_role_mark(struct slice text)
{
    uint32_t c = text_take(&text);
    return (c == '|' || c == 0xFF5C) && text.len && plain(text_take(&text));
}

static bool opens_mark(struct slice behind)
{
    return spells(behind, "passage") || is_role_mark(behind);
}

void prompt_neutralise(struct slice text, struct buffer *out)
{
    size_t kept = 0; /* bytes that are out already */
    for (size_t i = 0; i < text.len;) {
        struct slice rest = {text.ptr + i, text.len - i};
        size_t len = bracket_len(rest);
        bool opens = len && opens_mark((struct slice){rest.ptr + len, rest.len - len});
        if (opens) {
            buffer_append(out, text.ptr + kept, i - kept);
            buffer_append_char(out, '(');
            kept = i + len;
        }
        i += len ? len : 1;
    }
    buffer_append(out, text.ptr + kept, text.len - kept);
}

/* One line without quotation marks, so that nothing ends it but us. */
static void add_attribute(const char *name, struct slice value, struct buffer *out)
{
    if (!value.len) return;
    value.len = text_cut(value, ATTRIBUTE_BYTES_MAX);
    buffer_printf(out, " %s=\"", name);
    size_t from = out->len;
    prompt_neutralise(value, out);
    for (size_t i = from; i < out->len; i++) {
        if (out->data[i] == '"') out->data[i] = '\'';
        if ((unsigned char)out->data[i] < ' ') out->data[i] = ' ';
    }
    buffer_append_char(out, '"');
}

void prompt_frame(const struct passage *passage, size_t n, struct buffer *out)
{
    buffer_printf(out, "<passage n=\"%zu\"", n);
    add_attribute("title", passage->title, out);
    add_attribute("heading", passage->heading, out);
    add_attribute("source", passage->source, out);
    buffer_append_text(out, ">\n");
    prompt_neutralise(text_trim(passage->text), out);
    buffer_append_text(out, "\n</passage>\n\n");
}
