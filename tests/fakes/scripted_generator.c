/* A generator that does what the question says: a worker on the real runtime, for tests.
 *
 *     script seed=7 length=400 piece=12 gap_ms=5
 *
 * Its text is a pure function of the seed (tests/support/scripted_text.h), so a client can check it
 * to the byte. Characters are counted, not bytes.
 *
 *              first_ms            gap_ms
 *     start ────────────▶ piece ────────────▶ piece … ─▶ done
 *                           │ ▲
 *               window full ▼ │ writable            cancel ─▶ end at once, with usage
 *                          waits
 *
 * What happens when is appended to the file SCRIPTED_LOG, a line each: event, monotonic
 * nanoseconds, pid, request id, characters given so far. */
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"
#include "proto/codec.h"
#include "tests/support/scripted_text.h"
#include "workers/worker.h"

#define AUTHOR "scripted/1"
#define NEVER  UINT64_MAX
#define HANG_S 10 /* a stuck loop ends some day, so that no test leaves one behind */

/* clang-format off */
#define SCRIPT_LIST(W) \
    W(seed,     "seed",     0)     /* of the text */ \
    W(length,   "length",   200)   /* characters in all */ \
    W(piece,    "piece",    12)    /* characters a token */ \
    W(first_ms, "first_ms", 0)     /* before the first token */ \
    W(gap_ms,   "gap_ms",   0)     /* between two; 0: as many as the window takes */ \
    W(resumes,  "continue", 0)     /* goes on behind what the client has */ \
    W(vary,     "vary",     0)     /* another text in every attempt */ \
    W(passages, "passages", 0)     /* fails where fewer came with the question */ \
    W(fail_at,  "fail_at",  NEVER) /* fails at this character */ \
    W(requeue,  "requeue",  0)     /* and lets another worker try */ \
    W(die_at,   "die_at",   NEVER) /* the process is killed at this character */ \
    W(hang_at,  "hang_at",  NEVER) /* the first attempt's loop is stuck there */
/* clang-format on */

struct script {
#define SCRIPT_MEMBER(member, ...) uint64_t member;
    SCRIPT_LIST(SCRIPT_MEMBER)
#undef SCRIPT_MEMBER
};

struct performance {
    struct job *job;
    struct script script;
    struct event *timer;
    uint64_t first, given; /* characters: where this attempt began, where it is */
    bool full;             /* waits for the window */
    struct usage usage;
};

static struct event_base *base;
static int log_fd = -1;

/* --- the script --- */

static const struct script_word {
    const char *name;
    size_t offset;
    uint64_t preset;
} words[] = {
#define SCRIPT_WORD(member, name, preset) {name, offsetof(struct script, member), preset},
    SCRIPT_LIST(SCRIPT_WORD)
#undef SCRIPT_WORD
};

static const struct script_word *word_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_equal(name, slice_of(words[i].name))) return &words[i];
    return NULL;
}

/* Reads every name=number; what else the question says is for the retriever. */
static void script_read(const char *text, struct script *script)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        *(uint64_t *)((char *)script + words[i].offset) = words[i].preset;
    while (*text) {
        size_t len = strcspn(text, "= ");
        const struct script_word *word = word_find((struct slice){text, len});
        if (word && text[len] == '=')
            *(uint64_t *)((char *)script + word->offset) = strtoull(text + len + 1, NULL, 10);
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    script->piece = MAX(script->piece, (uint64_t)1);
}

/* --- the log --- */

static void note(const struct performance *performance, const char *event)
{
    char line[256];
    if (log_fd < 0) return;
    int len = snprintf(line, sizeof(line), "%s %ju %d %ju %s %ju\n", event, (uintmax_t)clock_ns(),
                       (int)getpid(), (uintmax_t)job_attempt(performance->job),
                       job_trace(performance->job), (uintmax_t)performance->given);
    if (write(log_fd, line, MIN((size_t)len, sizeof(line) - 1)) < 0) abort();
}

/* --- the ends --- */

static struct meta meta_of(const struct performance *performance, const char *finish_reason)
{
    struct meta meta = {.finish_reason = slice_of(finish_reason), .written_by = SLICE(AUTHOR)};
    meta.usage.prompt_tokens = 1;
    meta.usage.completion_tokens = performance->given - performance->first;
    meta.usage.total_tokens = meta.usage.prompt_tokens + meta.usage.completion_tokens;
    return meta;
}

static void performance_end(struct performance *performance, err_t error)
{
    struct job *job = performance->job;
    struct meta meta = meta_of(performance, error ? NULL : "stop");
    note(performance, error == ERR_CANCELLED ? "cancel" : error ? "fail" : "done");
    event_free(performance->timer);
    job_set_data(job, NULL);
    if (error)
        job_fail(&job, error, performance->script.requeue, NULL, &meta);
    else
        job_done(&job, &meta);
}

/* --- the pieces --- */

static void hang_once(struct performance *performance)
{
    uint64_t until_ms = clock_ms() + HANG_S * 1000;
    performance->script.hang_at = NEVER;
    while (clock_ms() < until_ms) continue;
}

/* What is to happen at this character instead of the next piece; true where the job has ended. */
static bool misfortune(struct performance *performance)
{
    const struct script *script = &performance->script;
    if (performance->given >= script->die_at) raise(SIGKILL);
    if (performance->given >= script->hang_at && !job_resume_from(performance->job))
        hang_once(performance);
    if (performance->given < script->fail_at) return false;
    performance_end(performance, ERR_PROVIDER_FAILED);
    return true;
}

/* The next piece ends where something is to happen, so that it happens to the character. */
static uint64_t piece_end(const struct performance *performance)
{
    const struct script *script = &performance->script;
    uint64_t stops[] = {script->length, script->fail_at, script->die_at, script->hang_at};
    uint64_t end = performance->given + script->piece;
    for (size_t i = 0; i < ARRAY_LEN(stops); i++)
        if (stops[i] > performance->given) end = MIN(end, stops[i]);
    return end;
}

static void give_piece(struct performance *performance)
{
    struct buffer text = {0};
    uint64_t end = piece_end(performance);
    scripted_text(performance->script.seed, performance->given, end, &text);
    performance->given = end;
    performance->full = !job_token(performance->job, buffer_slice(&text));
    buffer_free(&text);
}

static void wait_ms(struct performance *performance, uint64_t ms)
{
    struct timeval interval = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    event_add(performance->timer, &interval);
}

static void perform(struct performance *performance)
{
    const struct script *script = &performance->script;
    do {
        if (misfortune(performance)) return;
        if (performance->given < script->length) give_piece(performance);
        if (performance->given >= script->length && script->fail_at > performance->given) {
            performance_end(performance, OK);
            return;
        }
    } while (!script->gap_ms && !performance->full);
    if (!performance->full) wait_ms(performance, script->gap_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    perform(context);
}

/* --- a job --- */

static bool frames_are_good(struct performance *performance, struct chat_request *request)
{
    struct arena *arena = job_arena(performance->job);
    struct context context;
    if (record_decode(chat_request_type(), job_frame(performance->job, JOB_REQUEST), arena,
                      request))
        return false;
    script_read(arena_copy(arena, request->message), &performance->script);
    return !record_decode(context_type(), job_frame(performance->job, JOB_CONTEXT), arena,
                          &context) &&
           context.passages.count >= performance->script.passages;
}

static void continue_prefix(struct performance *performance)
{
    struct job *job = performance->job;
    struct slice prefix = job_frame(job, JOB_PREFIX);
    if (!performance->script.resumes || !job_resume_from(job) ||
        !slice_equal(job_prefix_by(job), SLICE(AUTHOR)))
        return;
    job_continue(job);
    performance->first = performance->given = text_length(prefix);
}

static void scripted_start(void *context, struct job *job)
{
    struct performance *performance = arena_alloc(job_arena(job), sizeof(*performance));
    struct chat_request request;
    (void)context;
    performance->job = job;
    if (!frames_are_good(performance, &request)) {
        note(performance, "refuse");
        job_fail(&job, ERR_BAD_FRAME, false, "not what the script asks for", NULL);
        return;
    }
    job_set_data(job, performance);
    job_set_author(job, AUTHOR);
    if (performance->script.vary) performance->script.seed = clock_ns() ^ (uint64_t)getpid() << 48;
    performance->timer = event_new(base, -1, 0, on_timer, performance);
    continue_prefix(performance);
    note(performance, "start");
    wait_ms(performance, performance->script.first_ms);
}

static void scripted_cancel(void *context, struct job *job)
{
    (void)context;
    if (job_data(job)) performance_end(job_data(job), ERR_CANCELLED);
}

static void scripted_writable(void *context, struct job *job)
{
    struct performance *performance = job_data(job);
    (void)context;
    if (!performance || !performance->full) return;
    performance->full = false;
    wait_ms(performance, performance->script.gap_ms);
}

static err_t scripted_open(struct worker *worker, void **context)
{
    const char *path = getenv("SCRIPTED_LOG");
    base = worker_base(worker);
    *context = worker;
    if (!path) return OK;
    log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    return log_fd < 0 ? ERR_BAD_SETTING : OK;
}

static const struct worker_pool scripted_pool = {
    .pool = POOL_GENERATE,
    .settings = OF_GENERATOR,
    .open = scripted_open,
    .start = scripted_start,
    .cancel = scripted_cancel,
    .writable = scripted_writable,
};

int main(int argc, char **argv)
{
    return worker_main(&scripted_pool, argc, argv);
}
