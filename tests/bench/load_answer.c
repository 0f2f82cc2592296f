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
    struct buffer line = answer->line, body = answer->body;
    line.len = body.len = 0;
    *answer = (struct answer){.line = line, .body = body};
}

void answer_free(struct answer *answer)
{
    buffer_free(&answer->line);
    buffer_free(&answer->body);
}

/* --- what the body says --- */

/* The members that `done` and /chat's answer share. */
static void read_summary(struct answer *answer, struct slice json)
{
    answer->done = holds(json, "\"finish_reason\":\"");
    answer->recorded = holds(json, "\"message_id\":") && !holds(json, "\"recorded\":false");
    answer->cached = holds(json, "\"cached\":") && !holds(json, "\"cached\":false");
}

static void read_event(struct answer *answer, struct slice line)
{
    if (!starts(line, "data: {")) return; /* an id, a comment, the blank line */
    if (holds(line, "\"type\":\"token\"")) {
        answer->tokens++;
        answer->text |= !holds(line, "\"content\":\"\"");
    } else if (holds(line, "\"type\":\"done\"")) {
        read_summary(answer, line);
    } else if (holds(line, "\"type\":\"error\"")) {
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
    answer->text = holds(json, "\"answer\":\"") && !holds(json, "\"answer\":\"\"");
    read_summary(answer, json);
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
    if (!answer->done) return "no end of the answer";
    return answer->text ? NULL : "no text";
}
