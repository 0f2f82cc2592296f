/* One answer as its tokens arrive: places text by its byte offset, in order, once.
 *
 * Tokens may be lost, repeated or late; DONE overtakes them on its own connection. So a stream is
 * complete only when every token up to DONE's count has been placed. After a gap everything is
 * taken again from the first missing token (go-back-N): REPLAY asks the worker's ring for it.
 *
 *      token 1 ─▶ token 2 ─▶ (3 lost) ─▶ token 4 dropped ─ 30 ms ─▶ REPLAY from 3 ─▶ 3, 4 ─▶
 * DONE{4}
 *
 * When a worker dies the job goes again as the next attempt. Text that the next attempt writes anew
 * is compared with what the client already has; only what follows is handed out, and a difference
 * is an error: never mixed, never repeated. Pure: told the time, no I/O. */
#ifndef MILLRACE_GATEWAY_TOKEN_STREAM_H
#define MILLRACE_GATEWAY_TOKEN_STREAM_H

#include "common/buffer.h"

/* A test build switches one rule off, to prove that the simulation would notice its absence. */
#ifndef MUTATE_ATTEMPT_CHECK
#define MUTATE_ATTEMPT_CHECK 0
#endif
#ifndef MUTATE_DONE_COUNT
#define MUTATE_DONE_COUNT 0
#endif

#define TOKEN_GAP_MS      30   /* a gap older than this asks for a REPLAY */
#define TOKEN_REPLAY_MS   250  /* an unanswered REPLAY is sent again */
#define TOKEN_UNFILLED_MS 1000 /* a gap not filled by then ends the session */

struct token_stream {
    struct buffer answer; /* everything handed out, in order */
    size_t bytes_max;     /* limit of the answer */
    bool tentative;       /* nobody has seen it: an attempt may tell it anew, and otherwise */
    uint64_t attempt;     /* whose tokens are placed now */
    uint64_t next;        /* sequence number wanted next, from 1 */
    uint64_t at;          /* byte offset where that token starts */
    uint64_t seen;        /* highest sequence number known to have been sent */
    uint64_t count;       /* DONE's, once `counted` */
    bool counted;
    uint64_t gap_since; /* when the first missing token was missed; 0: nothing is missing */
    uint64_t replay_at; /* when REPLAY was asked last; 0: never for this gap */
};

enum token_verdict {
    TOKEN_PLACED,    /* the answer may have grown */
    TOKEN_RESTARTED, /* a tentative answer begins anew with this token */
    TOKEN_REPEATED,  /* had it already */
    TOKEN_EARLY,     /* one before it is missing */
    TOKEN_STALE,     /* of another attempt */
    TOKEN_DIFFERS,   /* contradicts what was handed out */
    TOKEN_MISPLACED, /* its offset is not where the last one ended */
    TOKEN_TOO_LARGE, /* the answer would pass its limit */
};

enum token_gap { GAP_NONE, GAP_WAIT, GAP_REPLAY, GAP_UNFILLED };

void token_stream_free(struct token_stream *stream);
/* Starts an attempt: sequence numbers begin anew, the answer stays. */
void token_stream_begin(struct token_stream *stream, uint64_t attempt);
/* A token arrived. `at` of an attempt's first token is 0, or the answer's length as JOB told it in
 * resume_from; each later token starts where the one before ended. */
enum token_verdict token_stream_put(struct token_stream *stream, uint64_t attempt, uint64_t seq,
                                    uint64_t at, struct slice text, uint64_t now_ms);
/* The worker says that it has sent tokens up to `seq` (heartbeat). */
void token_stream_sent(struct token_stream *stream, uint64_t attempt, uint64_t seq,
                       uint64_t now_ms);
/* The worker says that the attempt has `count` tokens in all (DONE, FAIL). */
void token_stream_count(struct token_stream *stream, uint64_t count, uint64_t now_ms);
/* All counted tokens are placed. */
bool token_stream_complete(const struct token_stream *stream);
/* The attempt ended before it reached the end of what had been handed out. */
bool token_stream_short(const struct token_stream *stream);
/* What to do about a missing token now. GAP_REPLAY notes that it was asked. */
enum token_gap token_stream_gap(struct token_stream *stream, uint64_t now_ms);

#endif
