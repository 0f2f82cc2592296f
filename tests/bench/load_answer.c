#include "tests/bench/load_answer.h"

#include <stdlib.h>
#include <strings.h>

#define LINE_BYTES_MAX (64 * 1024)

static bool holds(struct slice text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part));
}

static bool starts(struct slice text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && strncasecmp(text.ptr, prefix, len) == 0;
}

void answer_reset(struct answer *answer)
{
    struct buffer line = answer->line, body = answer->body, piece = answer->piece;
    line.len = body.len = piece.len = 0;
    *answer = (struct answer){.line = line, .body = body, .piece = piece, .want = answer->want};
}

void answer_free(struct answer *answer)
{
    buffer_free(&answer->line);
    buffer_free(&answer->body);
    buffer_free(&answer->piece);
}

/* --- text in JSON --- */

static unsigned read_hex(struct slice json, size_t at)
{
    char digits[5] = "";
    if (at + 4 <= json.len) memcpy(digits, json.ptr + at, 4);
    return (unsigned)strtoul(digits, NULL, 16);
}

static void append_code_point(struct buffer *out, unsigned code)
{
    unsigned extra = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char leads[] = {0, 0xc0, 0xe0, 0xf0};
    buffer_append_char(out, (char)(leads[extra] | code >> (6 * extra)));
    while (extra--) buffer_append_char(out, (char)(0x80 | (code >> (6 * extra) & 0x3f)));
}

/* Of "\u" at `at`; returns where it ends. */
static size_t unescape_code(struct slice json, size_t at, struct buffer *out)
{
    unsigned code = read_hex(json, at + 2);
    size_t end = at + 6;
    if (code >> 10 == 0xd800 >> 10 && end + 6 <= json.len && json.ptr[end] == '\\') {
        code = 0x10000 + ((code & 0x3ff) << 10) + (read_hex(json, end + 2) & 0x3ff);
        end += 6;
    }
    append_code_point(out, code);
    return MIN(end, json.len);
}

static size_t unescape(struct slice json, size_t at, struct buffer *out)
{
    static const char names[] = "nrtbf", means[] = "\n\r\t\b\f";
    if (at + 1 == json.len) return at + 1;
    char name = json.ptr[at + 1];
    if (name == 'u') return unescape_code(json, at, out);
    const char *known = strchr(names, name);
    buffer_append_char(out, known ? means[known - names] : name);
    return at + 2;
}

/* The text of a JSON string from behind its opening quote. */
static void read_string(struct slice json, struct buffer *out)
{
    size_t at = 0;
    while (at < json.len && json.ptr[at] != '"') {
        size_t plain = at;
        while (plain < json.len && json.ptr[plain] != '"' && json.ptr[plain] != '\\') plain++;
        buffer_append(out, json.ptr + at, plain - at);
        at = plain;
        if (at < json.len && json.ptr[at] == '\\') at = unescape(json, at, out);
    }
}

static void compare(struct answer *answer, struct slice piece)
{
    if (!answer->want.len) return;
    answer->differs |= answer->told + piece.len > answer->want.len ||
                       memcmp(answer->want.ptr + answer->told, piece.ptr, piece.len) != 0;
}

/* Takes the text of a member, given as `"name":"`; where it has some, that is a token. */
static void read_text(struct answer *answer, struct slice json, const char *member)
{
    const char *at = memmem(json.ptr, json.len, member, strlen(member));
    if (!at) return;
    at += strlen(member);
    answer->piece.len = 0;
    read_string((struct slice){at, (size_t)(json.ptr + json.len - at)}, &answer->piece);
    if (!answer->piece.len) return;
    compare(answer, buffer_slice(&answer->piece));
    answer->told += answer->piece.len;
    answer->tokens++;
}

/* --- what the body says --- */

/* The members that `done` and /chat's answer share. */
static void read_summary(struct answer *answer, struct slice json)
{
    answer->finished = holds(json, "\"finish_reason\":\"");
    answer->recorded = holds(json, "\"message_id\":") && !holds(json, "\"recorded\":false");
    answer->cached = holds(json, "\"cached\":") && !holds(json, "\"cached\":false");
}

/* One of OpenAI's `chat.completion.chunk`. */
static void read_chunk(struct answer *answer, struct slice json)
{
    read_text(answer, json, "\"content\":\"");
    answer->finished |= holds(json, "\"finish_reason\":\"");
}

static void read_event(struct answer *answer, struct slice line)
{
    if (starts(line, "data: [DONE]")) answer->done = true;
    if (!starts(line, "data: {")) return; /* an id, a comment, the blank line */
    if (holds(line, "\"choices\":")) {
        read_chunk(answer, line);
    } else if (holds(line, "\"type\":\"token\"")) {
        read_text(answer, line, "\"content\":\"");
    } else if (holds(line, "\"type\":\"done\"")) {
        read_summary(answer, line);
        answer->done = true;
    } else if (holds(line, "\"type\":\"error\"") || holds(line, "\"error\":")) {
        answer->error = true;
    }
}

static void read_events(struct answer *answer)
{
    size_t at = 0;
    char *end;
    while ((end = memchr(answer->body.data + at, '\n', answer->body.len - at))) {
        size_t next = (size_t)(end - answer->body.data) + 1;
        read_event(answer, (struct slice){answer->body.data + at, next - 1 - at});
        at = next;
    }
    buffer_consume(&answer->body, at);
}

static void read_json(struct answer *answer)
{
    struct slice json = buffer_slice(&answer->body);
    read_text(answer, json, holds(json, "\"choices\":") ? "\"content\":\"" : "\"answer\":\"");
    read_summary(answer, json);
    answer->done = answer->finished;
}

/* --- HTTP --- */

static enum answer_part after_headers(struct answer *answer)
{
    if (answer->chunked) return PART_CHUNK_SIZE;
    return answer->left ? PART_BODY : PART_ENDED;
}

static enum answer_part read_header(struct answer *answer, struct slice line)
{
    if (line.len == 0) return after_headers(answer);
    if (starts(line, "Content-Length:")) answer->left = strtoul(line.ptr + 15, NULL, 10);
    if (starts(line, "Transfer-Encoding:")) answer->chunked = holds(line, "chunked");
    if (starts(line, "Content-Type:")) answer->events = holds(line, "text/event-stream");
    return PART_HEADERS;
}

static enum answer_part read_line(struct answer *answer, struct slice line)
{
    switch (answer->part) {
    case PART_STATUS:
        if (!starts(line, "HTTP/1.1 ")) return PART_BROKEN;
        answer->status = atoi(line.ptr + 9);
        return PART_HEADERS;
    case PART_HEADERS: return read_header(answer, line);
    case PART_CHUNK_SIZE:
        answer->left = strtoul(line.ptr, NULL, 16);
        return answer->left ? PART_CHUNK : PART_TRAILER;
    case PART_CHUNK_END: return line.len ? PART_BROKEN : PART_CHUNK_SIZE;
    case PART_TRAILER: return line.len ? PART_TRAILER : PART_ENDED;
    default: return PART_BROKEN;
    }
}

/* Takes a line, or what there is of it. */
static size_t feed_line(struct answer *answer, const char *bytes, size_t len)
{
    const char *end = memchr(bytes, '\n', len);
    size_t taken = end ? (size_t)(end - bytes) + 1 : len;
    buffer_append(&answer->line, bytes, taken);
    if (answer->line.len > LINE_BYTES_MAX) answer->part = PART_BROKEN;
    if (!end) return taken;
    size_t line_len = answer->line.len - 1;
    if (line_len && answer->line.data[line_len - 1] == '\r') line_len--;
    answer->line.data[line_len] = '\0'; /* over its CR or LF, for strtoul */
    answer->part = read_line(answer, (struct slice){answer->line.data, line_len});
    answer->line.len = 0;
    return taken;
}

static size_t feed_body(struct answer *answer, const char *bytes, size_t len)
{
    size_t taken = MIN(len, answer->left);
    buffer_append(&answer->body, bytes, taken);
    answer->left -= taken;
    if (answer->events) read_events(answer);
    if (answer->left == 0) answer->part = answer->part == PART_CHUNK ? PART_CHUNK_END : PART_ENDED;
    return taken;
}

void answer_feed(struct answer *answer, const char *bytes, size_t len)
{
    while (len && answer->part < PART_ENDED) {
        bool body = answer->part == PART_BODY || answer->part == PART_CHUNK;
        size_t taken = body ? feed_body(answer, bytes, len) : feed_line(answer, bytes, len);
        bytes += taken;
        len -= taken;
    }
    if (len) answer->part = PART_BROKEN; /* more than was asked for */
    if (answer->part == PART_ENDED && !answer->events) read_json(answer);
}

const char *answer_fault(const struct answer *answer, bool plain)
{
    if (answer->part == PART_BROKEN) return "broken HTTP";
    if (answer->part != PART_ENDED) return "cut short";
    if (answer->status == 429) return "status 429";
    if (answer->status == 503) return "status 503";
    if (answer->status != 200) return "another status than 200";
    if (plain) return NULL;
    if (answer->error) return "an error event";
    if (!answer->done || !answer->finished) return "no end of the answer";
    if (!answer->tokens) return "no text";
    if (answer->differs) return "another text, or another order";
    return answer->want.len && answer->told < answer->want.len ? "text is missing" : NULL;
}
