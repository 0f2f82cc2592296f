#include "gateway/token_stream.h"

#define NO_OFFSET UINT64_MAX /* before an attempt's first token */

void token_stream_free(struct token_stream *stream)
{
    buffer_free(&stream->answer);
}

void token_stream_begin(struct token_stream *stream, uint64_t attempt)
{
    stream->attempt = attempt;
    stream->next = 1;
    stream->at = NO_OFFSET;
    stream->seen = stream->count = 0;
    stream->counted = false;
    stream->gap_since = stream->replay_at = 0;
}

static void gap_update(struct token_stream *stream, uint64_t now_ms)
{
    if (stream->seen < stream->next)
        stream->gap_since = stream->replay_at = 0;
    else if (!stream->gap_since)
        stream->gap_since = now_ms ? now_ms : 1;
}

/* Compares what was handed out already, appends what is new. */
static enum token_verdict place(struct token_stream *stream, uint64_t at, struct slice text)
{
    size_t have = stream->answer.len;
    size_t known = (size_t)MIN(have - at, text.len);
    if (known && memcmp(stream->answer.data + at, text.ptr, known)) return TOKEN_DIFFERS;
    if (have + text.len - known > stream->bytes_max) return TOKEN_TOO_LARGE;
    buffer_append(&stream->answer, text.ptr + known, text.len - known);
    stream->at = at + text.len;
    return TOKEN_PLACED;
}

enum token_verdict token_stream_put(struct token_stream *stream, uint64_t attempt, uint64_t seq,
                                    uint64_t at, struct slice text, uint64_t now_ms)
{
    enum token_verdict verdict;
    if (attempt != stream->attempt && !MUTATE_ATTEMPT_CHECK) return TOKEN_STALE;
    if (seq < stream->next) return TOKEN_REPEATED;
    stream->seen = MAX(stream->seen, seq);
    if (seq > stream->next) {
        gap_update(stream, now_ms);
        return TOKEN_EARLY;
    }
    if (stream->at == NO_OFFSET ? at > stream->answer.len : at != stream->at)
        return TOKEN_MISPLACED;
    bool restarts = stream->tentative && stream->at == NO_OFFSET && at < stream->answer.len;
    if (restarts) stream->answer.len = at;
    verdict = place(stream, at, text);
    if (verdict != TOKEN_PLACED) return verdict;
    stream->next++;
    stream->gap_since = stream->replay_at = 0; /* progress: what is missing now is a new gap */
    gap_update(stream, now_ms);
    return restarts ? TOKEN_RESTARTED : TOKEN_PLACED;
}

void token_stream_sent(struct token_stream *stream, uint64_t attempt, uint64_t seq, uint64_t now_ms)
{
    if (attempt != stream->attempt) return;
    stream->seen = MAX(stream->seen, seq);
    gap_update(stream, now_ms);
}

void token_stream_count(struct token_stream *stream, uint64_t count, uint64_t now_ms)
{
    stream->counted = true;
    stream->count = count;
    token_stream_sent(stream, stream->attempt, count, now_ms);
}

bool token_stream_complete(const struct token_stream *stream)
{
    return stream->counted && (stream->next > stream->count || MUTATE_DONE_COUNT);
}

bool token_stream_short(const struct token_stream *stream)
{
    return stream->at == NO_OFFSET ? stream->answer.len > 0 : stream->at < stream->answer.len;
}

enum token_gap token_stream_gap(struct token_stream *stream, uint64_t now_ms)
{
    if (!stream->gap_since) return GAP_NONE;
    if (now_ms - stream->gap_since >= TOKEN_UNFILLED_MS) return GAP_UNFILLED;
    if (now_ms - stream->gap_since < TOKEN_GAP_MS) return GAP_WAIT;
    if (stream->replay_at && now_ms - stream->replay_at < TOKEN_REPLAY_MS) return GAP_WAIT;
    stream->replay_at = now_ms;
    return GAP_REPLAY;
}
