#include "workers/retriever/html_clean.h"

#include <strings.h>

/* What a search for an end has shown: past `none`, there is none. It keeps a thousand starts
 * without an end from costing a thousand searches. */
struct ends {
    const char *no_tag_end, *no_comment_end;
};

static bool is_letter(char c)
{
    return (unsigned)((c | 32) - 'a') < 26;
}

static struct slice from(struct slice text, size_t at)
{
    at = MIN(at, text.len);
    return (struct slice){text.ptr + at, text.len - at};
}

static bool starts_with(struct slice text, const char *start)
{
    size_t len = strlen(start);
    return text.len >= len && strncasecmp(text.ptr, start, len) == 0;
}

/* The length up to and with the first `mark`, 0 if there is none. */
static size_t length_to(struct slice text, const char *mark, const char **none)
{
    if (*none && text.ptr >= *none) return 0;
    const char *end = memmem(text.ptr, text.len, mark, strlen(mark));
    if (!end) return *none = text.ptr, 0;
    return (size_t)(end - text.ptr) + strlen(mark);
}

/* The length of the content of a script or style, up to its end tag. */
static size_t raw_length(struct slice content, const char *end_tag)
{
    struct slice rest = content;
    const char *at;
    while (rest.len && (at = memchr(rest.ptr, '<', rest.len))) {
        rest = from(rest, (size_t)(at - rest.ptr));
        if (starts_with(rest, end_tag)) return (size_t)(rest.ptr - content.ptr);
        rest = from(rest, 1);
    }
    return content.len;
}

static bool is_tag_of(struct slice tag, const char *start)
{
    size_t len = strlen(start);
    return starts_with(tag, start) && tag.len > len && !is_letter(tag.ptr[len]) &&
           tag.ptr[len] != '-';
}

/* The parser makes up a missing body, but takes what follows its end for rubbish. */
static bool is_frame(struct slice tag)
{
    static const char *const frame[] = {"<html", "</html", "<body", "</body"};
    for (size_t i = 0; i < ARRAY_LEN(frame); i++)
        if (is_tag_of(tag, frame[i])) return true;
    return false;
}

/* Takes a tag whose length is known; returns how much of the text it takes. */
static size_t read_tag(struct slice html, size_t len, struct buffer *out)
{
    struct slice tag = {html.ptr, len};
    if (is_tag_of(tag, "<script")) return len + raw_length(from(html, len), "</script");
    if (is_tag_of(tag, "<style")) return len + raw_length(from(html, len), "</style");
    if (len <= HTML_TAG_BYTES_MAX && !is_frame(tag)) buffer_append_slice(out, tag);
    return len;
}

/* Takes what starts with '<'. */
static size_t read_markup(struct slice html, struct ends *ends, struct buffer *out)
{
    size_t len = 0;
    char next = html.len > 1 ? html.ptr[1] : ' ';
    if (starts_with(html, "<!--"))
        len = length_to(html, "-->", &ends->no_comment_end);
    else if (next == '!' || next == '?' || next == '/' || is_letter(next))
        len = length_to(html, ">", &ends->no_tag_end);
    if (len && (is_letter(next) || (next == '/' && is_letter(html.ptr[2]))))
        return read_tag(html, len, out);
    if (len) return len;
    buffer_append_text(out, "&lt;");
    return 1;
}

void html_clean(struct slice html, struct buffer *out)
{
    struct ends ends = {0};
    while (html.len) {
        const char *mark = memchr(html.ptr, '<', html.len);
        size_t len = mark ? (size_t)(mark - html.ptr) : html.len;
        buffer_append(out, html.ptr, len);
        html = from(html, len);
        if (html.len) html = from(html, read_markup(html, &ends, out));
    }
}
