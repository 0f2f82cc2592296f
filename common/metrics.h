/* Metrics: one table with name, kind, help and labels; the Prometheus text is printed from it.
 *
 * Base units (seconds, bytes); counters end in _total. A series is born when it is first touched; a
 * metric keeps at most METRIC_SERIES_MAX of them, what comes after is counted under the label value
 * "other". For one thread. */
#ifndef MILLRACE_COMMON_METRICS_H
#define MILLRACE_COMMON_METRICS_H

#include "common/buffer.h"

#define METRIC_SERIES_MAX 256

/* clang-format off */
/* NAME, name without the prefix millrace_, kind, "label,label" or "", help */
#define METRIC_LIST(M) \
    M(BUILD_INFO,            "build_info",                     GAUGE,     "version",      "1, labelled with the program's version") \
    M(START_TIME,            "start_time_seconds",             GAUGE,     "",             "when this process started, seconds since 1970") \
    M(RESIDENT_BYTES,        "resident_memory_bytes",          GAUGE,     "",             "memory of this process") \
    M(CPU_SECONDS,           "cpu_seconds_total",              COUNTER,   "",             "processor time of this process") \
    M(HTTP_REQUESTS,         "http_requests_total",            COUNTER,   "route,status", "answers by route and HTTP status; 0: none was sent") \
    M(HTTP_SECONDS,          "http_request_duration_seconds",  HISTOGRAM, "route",        "from a request's headers to its last byte") \
    M(AUTH_REFUSALS,         "auth_refusals_total",            COUNTER,   "code",         "requests refused for their access token") \
    M(RATE_LIMITED,          "rate_limited_total",             COUNTER,   "by",           "requests that came too often, by who knew: redis, or local while it is away") \
    M(HTTP_CONNECTIONS,      "http_connections",               GAUGE,     "",             "open client connections") \
    M(HTTP_IN_FLIGHT,        "http_requests_in_flight",        GAUGE,     "",             "requests without a whole answer") \
    M(CHATS,                 "chats_total",                    COUNTER,   "status,level", "questions by outcome (ok, or the error's code) and complexity") \
    M(CHAT_FIRST_TOKEN,      "chat_first_token_seconds",       HISTOGRAM, "level",        "from a question's headers to the first text of its answer") \
    M(CHAT_SECONDS,          "chat_duration_seconds",          HISTOGRAM, "level",        "from a question's headers to its answer's end") \
    M(CHAT_STAGE_SECONDS,    "chat_stage_seconds",             HISTOGRAM, "stage",        "time of one stage of an answer") \
    M(CHAT_TOKENS,           "chat_tokens_total",              COUNTER,   "kind",         "tokens used, prompt and completion") \
    M(CHAT_ANSWER_BYTES,     "chat_answer_bytes_total",        COUNTER,   "",             "text of answers") \
    M(RECORDS,               "records_total",                  COUNTER,   "result",       "turns by what became of them: committed, late, retried, dropped") \
    M(RECORDS_WAITING,       "records_waiting",                GAUGE,     "",             "turns not yet committed") \
    M(CLAIMS,                "claims_total",                   COUNTER,   "result",       "turns' claims: taken, taken_over, replayed, fenced (a commit refused), or why they were not given") \
    M(CLAIMS_HELD,           "claims_held",                    GAUGE,     "",             "claims that this gateway renews") \
    M(DIRECTORY_LOOKUPS,     "directory_lookups_total",        COUNTER,   "kind,result",  "configuration look-ups: hit, miss, stale, failed") \
    M(INDEX_JOBS,            "index_jobs_total",               COUNTER,   "result",       "batches of chunks given their vectors") \
    M(INDEX_FAILING,         "index_failing",                  GAUGE,     "",             "portfolios whose embedder fails; /api/ops/pools tells how") \
    M(QUESTIONS_BY_WORDS,    "questions_by_words_total",       COUNTER,   "kind",         "questions found by words alone, for want of a worker that serves their portfolio's embedder") \
    M(INDEX_RUNNING,         "index_jobs_running",             GAUGE,     "",             "index jobs at work") \
    M(REDIS_AVAILABLE,       "redis_available",                GAUGE,     "",             "1 while Redis answers in time") \
    M(REDIS_CONNECTIONS,     "redis_connections",              GAUGE,     "",             "connections to Redis") \
    M(REDIS_REQUESTS,        "redis_requests_total",           COUNTER,   "command,result", "calls of Redis: ok, nil, away, full, read_only, wrong_type, error, dropped") \
    M(REDIS_SECONDS,         "redis_seconds",                  HISTOGRAM, "command",      "from a call of Redis to its answer") \
    M(REDIS_TROUBLE,         "redis_trouble_total",            COUNTER,   "kind",         "times Redis was left alone for a while: name, connect, lost, late, garbage, auth, loading, error") \
    M(REDIS_USED_MEMORY,     "redis_used_memory_bytes",        GAUGE,     "",             "memory that Redis says it uses") \
    M(CACHE_REQUESTS,        "cache_requests_total",           COUNTER,   "kind,result",  "look-ups: answer (in all; hit, miss), answer_memory, answer_redis, chunks, embedding, semantic, and questions that joined an answer in the making (shared)") \
    M(CACHE_GARBAGE,         "cache_garbage_total",            COUNTER,   "kind",         "kept values that could not be read, deleted") \
    M(CACHE_BYTES,           "cache_bytes",                    GAUGE,     "",             "memory of what is kept in this process") \
    M(CACHE_ENTRIES,         "cache_entries",                  GAUGE,     "",             "what is kept in this process") \
    M(TTFT,                  "ttft_seconds",                   HISTOGRAM, "kind",         "from a question's headers to the first text: miss, exact, semantic, shared") \
    M(VECTOR_SEARCH,         "vector_search_seconds",          HISTOGRAM, "",             "the search of one question in the retriever") \
    M(LANE_QUEUED,           "lane_queued",                    GAUGE,     "pool",         "jobs waiting for a worker") \
    M(LANE_QUEUED_BYTES,     "lane_queued_bytes",              GAUGE,     "pool",         "their bytes") \
    M(LANE_OLDEST,           "lane_oldest_seconds",            GAUGE,     "pool",         "how long the oldest of them has waited") \
    M(LANE_IN_FLIGHT,        "lane_in_flight",                 GAUGE,     "pool",         "jobs at workers") \
    M(LANE_WORKERS,          "lane_workers",                   GAUGE,     "pool",         "connected workers") \
    M(LANE_CREDITS,          "lane_credits",                   GAUGE,     "pool",         "jobs that the workers would take now") \
    M(LANE_SUBMITTED,        "lane_jobs_submitted_total",      COUNTER,   "pool",         "jobs that entered the lane") \
    M(LANE_FINISHED,         "lane_jobs_finished_total",       COUNTER,   "pool",         "jobs whose stage was finished") \
    M(LANE_FAILED,           "lane_jobs_failed_total",         COUNTER,   "pool",         "jobs that failed") \
    M(LANE_CANCELLED,        "lane_jobs_cancelled_total",      COUNTER,   "pool",         "jobs that nobody wanted any more") \
    M(LANE_REDELIVERED,      "lane_jobs_redelivered_total",    COUNTER,   "pool",         "jobs that went to another worker") \
    M(LANE_REFUSED,          "lane_jobs_refused_total",        COUNTER,   "pool",         "jobs not admitted") \
    M(LANE_DEATHS,           "lane_worker_deaths_total",       COUNTER,   "pool",         "workers lost") \
    M(LANE_STALE,            "lane_stale_dropped_total",       COUNTER,   "pool",         "messages of older attempts and sessions, dropped") \
    M(LANE_GARBAGE,          "lane_garbage_total",             COUNTER,   "pool",         "messages that could not be decoded") \
    M(LANE_REPLAYS,          "lane_replays_total",             COUNTER,   "pool",         "requests for lost tokens") \
    M(LANE_RESETS,           "lane_resets_total",              COUNTER,   "pool",         "sessions ended by the gateway") \
    M(WORKER_EVENTS,         "worker_events_total",            COUNTER,   "pool,event",   "what workers count of their own; every gateway shows all of it") \
    M(WORKER_TROUBLE,        "worker_trouble",                 GAUGE,     "pool",         "workers that complain; /api/ops/pools tells of what") \
    M(WORKERS_REFUSED,       "workers_refused",                GAUGE,     "pool",         "workers that are refused for the protocol version they speak; /api/ops/pools tells which")
/* clang-format on */

enum metric {
#define METRIC_NAME(NAME, ...) METRIC_##NAME,
    METRIC_LIST(METRIC_NAME)
#undef METRIC_NAME
        METRIC_COUNT
};

/* Label values in the order of the table; copied. NULL for labels that the metric has not. */
void metric_add(enum metric metric, double by, const char *first, const char *second);
/* Sets a gauge, or a counter that is kept elsewhere. */
void metric_set(enum metric metric, double value, const char *first, const char *second);
/* Puts a value (seconds) into a histogram. */
void metric_observe(enum metric metric, double value, const char *first);
/* The value of a counter or gauge, the number of values of a histogram; 0 for no series. */
double metric_value(enum metric metric, const char *first, const char *second);
/* Appends all of them as Prometheus text (format 0.0.4). */
void metrics_write(struct buffer *out);
/* Forgets all series. */
void metrics_reset(void);

#endif
