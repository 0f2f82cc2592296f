#include "gateway/rate_limit.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/metrics.h"
#include "common/sha256.h"
#include "gateway/lru.h"

#define LOCAL_BYTES_MAX (16 * MIB)
#define KEY_PREFIX      "millrace:rate:"
#define KEY_SIZE        (sizeof(KEY_PREFIX) + SHA256_HEX)

/* As gcra_take, by the clock of Redis, which all gateways share. Answers the debt, in microseconds,
 * that the request has met. ARGV: interval, the most debt. */
static const char script[] =
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000000 + t[2]\n"
    "local interval, most = tonumber(ARGV[1]), tonumber(ARGV[2])\n"
    "local debt = math.max((tonumber(redis.call('GET', KEYS[1])) or 0) - now, 0)\n"
    "if debt + interval <= most then\n"
    "  local left = debt + interval\n"
    "  redis.call('SET', KEYS[1], string.format('%.0f', now + left), 'PX', math.ceil(left / "
    "1000))\n"
    "end\n"
    "return string.format('%.0f', debt)\n";

struct rate_limit {
    struct gcra_rule rule; /* an interval of 0: nothing is limited */
    struct redis_link *redis;
    struct lru *local;           /* uint64_t each: due, by this gateway's clock */
    char interval[24], most[24]; /* for the script */
};

struct question {
    struct rate_limit *limit;
    uint8_t key[SHA256_BYTES];
    void (*on_verdict)(void *context, const struct gcra_verdict *verdict);
    void *context;
};

/* --- this gateway's own --- */

static uint64_t local_due_us(const struct rate_limit *limit, const uint8_t *key, uint64_t now_us)
{
    struct slice kept = lru_get(limit->local, key, now_us / 1000);
    uint64_t due_us = 0;
    if (kept.ptr) memcpy(&due_us, kept.ptr, sizeof(due_us));
    return due_us;
}

static void local_keep(struct rate_limit *limit, const uint8_t *key, uint64_t due_us,
                       uint64_t now_us)
{
    struct slice kept = {(const char *)&due_us, sizeof(due_us)};
    lru_put(limit->local, key, kept, due_us / 1000 + 1, now_us / 1000);
}

/* --- the verdict --- */

/* The debt that Redis tells, if it tells one: nothing above the most is one. */
static bool read_debt(const struct gcra_rule *rule, struct slice value, uint64_t *debt_us)
{
    uint64_t number = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9' || i > 17) return false;
        number = number * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    *debt_us = MIN(number, rule->burst * rule->interval_us);
    return value.len > 0;
}

static void on_debt(void *context, enum redis_outcome outcome, struct slice value)
{
    struct question *question = context;
    struct rate_limit *limit = question->limit;
    uint64_t now_us = clock_us(), debt_us;
    bool shared = outcome == REDIS_HIT && read_debt(&limit->rule, value, &debt_us);
    uint64_t due_us = shared ? now_us + debt_us : local_due_us(limit, question->key, now_us);
    struct gcra_verdict verdict = gcra_take(&limit->rule, due_us, now_us);
    local_keep(limit, question->key, verdict.due_us, now_us);
    if (!verdict.allowed) metric_add(METRIC_RATE_LIMITED, 1, shared ? "redis" : "local", NULL);
    question->on_verdict(question->context, &verdict);
    free(question);
}

static void name_caller(const struct caller *caller, uint8_t key[SHA256_BYTES])
{
    struct sha256 sha;
    sha256_init(&sha);
    sha256_add_field(&sha, caller->tenant);
    sha256_add_field(&sha, caller->subject);
    sha256_end(&sha, key);
}

void rate_limit_take(struct rate_limit *limit, const struct caller *caller,
                     void (*on_verdict)(void *context, const struct gcra_verdict *verdict),
                     void *context)
{
    struct question *question = xcalloc(1, sizeof(*question));
    struct slice arguments[] = {slice_of(limit->interval), slice_of(limit->most)};
    char key[KEY_SIZE] = KEY_PREFIX;
    *question = (struct question){limit, {0}, on_verdict, context};
    name_caller(caller, question->key);
    sha256_hex(question->key, key + strlen(KEY_PREFIX));
    redis_eval(limit->redis, script, slice_of(key), arguments, on_debt, question);
}

bool rate_limit_is_on(const struct rate_limit *limit)
{
    return limit->rule.interval_us > 0;
}

uint64_t rate_limit_burst(const struct rate_limit *limit)
{
    return limit->rule.burst;
}

/* --- life --- */

struct rate_limit *rate_limit_new(const struct settings *settings, struct redis_link *redis)
{
    struct rate_limit *limit = xcalloc(1, sizeof(*limit));
    uint64_t per_minute = settings->rate_limit_per_minute;
    limit->redis = redis;
    limit->local = lru_new(LOCAL_BYTES_MAX);
    limit->rule.burst = settings->rate_limit_burst;
    if (per_minute) limit->rule.interval_us = UINT64_C(60000000) / per_minute;
    snprintf(limit->interval, sizeof(limit->interval), "%ju", (uintmax_t)limit->rule.interval_us);
    snprintf(limit->most, sizeof(limit->most), "%ju",
             (uintmax_t)(limit->rule.burst * limit->rule.interval_us));
    return limit;
}

void rate_limit_destroy(struct rate_limit **at)
{
    struct rate_limit *limit = *at;
    *at = NULL;
    if (!limit) return;
    lru_destroy(&limit->local);
    free(limit);
}
