/* What the door costs a request: a token seen for the first time, one that is remembered, and the
 * rate without Redis. Microseconds each. */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "gateway/auth.h"
#include "gateway/rate_limit.h"

#define SECRET  "0123456789abcdef0123456789abcdef"
#define TOKENS  2000
#define REPEATS 100

static const struct settings settings = {.auth_mode = "jwt",
                                         .http_address = "0.0.0.0",
                                         .jwt_secret = SECRET,
                                         .redis_max_connections = 1,
                                         .redis_url = "",
                                         .rate_limit_per_minute = 1000000,
                                         .rate_limit_burst = 1000000};
static char *headers[TOKENS];

static void write_tokens(int64_t now_s)
{
    for (size_t i = 0; i < TOKENS; i++) {
        char subject[32];
        struct buffer header = {0};
        snprintf(subject, sizeof(subject), "subject-%zu", i);
        struct access access = {SLICE("acme"), slice_of(subject), SCOPE_CHAT, 0, now_s + 600};
        buffer_append_text(&header, "Bearer ");
        if (access_write(&access, SLICE(SECRET), now_s, &header)) abort();
        headers[i] = xstrndup(header.data, header.len);
        buffer_free(&header);
    }
}

/* Microseconds for each token. */
static double check_all(struct auth *auth, size_t repeats)
{
    uint64_t began = clock_ns();
    for (size_t repeat = 0; repeat < repeats; repeat++)
        for (size_t i = 0; i < TOKENS; i++) {
            struct arena arena = {0};
            struct caller caller;
            if (auth_check(auth, headers[i], SCOPE_CHAT, clock_wall_ms(), &arena, &caller)) abort();
            arena_free(&arena);
        }
    return (double)(clock_ns() - began) / 1e3 / (double)(repeats * TOKENS);
}

static void on_verdict(void *context, const struct gcra_verdict *verdict)
{
    *(bool *)context = verdict->allowed;
}

static double take_all(struct event_base *base)
{
    struct redis_link *redis;
    if (redis_link_new(base, &settings, &redis)) abort();
    struct rate_limit *limit = rate_limit_new(&settings, redis);
    struct caller caller = {SLICE("acme"), SLICE("ana"), SCOPE_CHAT};
    bool allowed = false;
    uint64_t began = clock_ns();
    for (size_t i = 0; i < TOKENS * REPEATS; i++)
        rate_limit_take(limit, &caller, on_verdict, &allowed);
    double us = (double)(clock_ns() - began) / 1e3 / (TOKENS * REPEATS);
    if (!allowed) abort();
    redis_link_destroy(&redis);
    rate_limit_destroy(&limit);
    return us;
}

int main(void)
{
    struct event_base *base = event_base_new();
    struct auth *auth;
    write_tokens(clock_wall_ms() / 1000);
    if (auth_new(&settings, &auth)) return EXIT_FAILURE;
    double first = check_all(auth, 1), again = check_all(auth, REPEATS), rate = take_all(base);
    printf("{\"token_first_us\": %.2f, \"token_again_us\": %.2f, \"rate_us\": %.2f}\n", first,
           again, rate);
    auth_destroy(&auth);
    for (size_t i = 0; i < TOKENS; i++) free(headers[i]);
    event_base_free(base);
    return 0;
}
