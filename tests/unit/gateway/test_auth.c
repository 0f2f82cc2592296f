/* Who is let in, and what the others are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "gateway/auth.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW_S  INT64_C(1700000000)
#define TTL_S  600

static const struct settings settings = {
    .auth_mode = "jwt", .http_address = "0.0.0.0", .jwt_secret = SECRET, .jwt_clock_skew_s = 30};
static struct auth *door;
static struct arena arena;

static int setup(void **state)
{
    (void)state;
    log_open("test", "error");
    assert_int_equal(auth_new(&settings, &door), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    auth_destroy(&door);
    arena_free(&arena);
    metrics_reset();
    return 0;
}

/* "Bearer ..." of a token of acme's ana. */
static const char *bearer(const char *scheme, enum scope scope, const char *secret)
{
    struct access access = {SLICE("acme"), SLICE("ana"), scope, 0, NOW_S + TTL_S};
    struct buffer token = {0};
    assert_int_equal(access_write(&access, slice_of(secret), NOW_S, &token), OK);
    const char *header = arena_printf(&arena, "%s%.*s", scheme, (int)token.len, token.data);
    buffer_free(&token);
    return header;
}

static err_t check(const char *header, enum scope needed, int64_t at_s, struct caller *caller)
{
    return auth_check(door, header, needed, at_s * 1000, &arena, caller);
}

static void each_is_let_in_as_far_as_the_token_says(void **state)
{
    const struct {
        const char *what, *header;
        enum scope needed;
        int64_t at_s;
        err_t want;
    } table[] = {
        {"no header", NULL, SCOPE_CHAT, NOW_S, ERR_TOKEN_MISSING},
        {"an empty header", "", SCOPE_CHAT, NOW_S, ERR_TOKEN_MISSING},
        {"another scheme", "Basic YTpi", SCOPE_CHAT, NOW_S, ERR_TOKEN_MISSING},
        {"nothing behind it", "Bearer  ", SCOPE_CHAT, NOW_S, ERR_TOKEN_MISSING},
        {"no token", "Bearer sk-123", SCOPE_CHAT, NOW_S, ERR_TOKEN_INVALID},
        {"another secret", bearer("Bearer ", SCOPE_ADMIN, "ffffffffffffffffffffffffffffffff"),
         SCOPE_CHAT, NOW_S, ERR_TOKEN_INVALID},
        {"chat", bearer("Bearer ", SCOPE_CHAT, SECRET), SCOPE_CHAT, NOW_S, OK},
        {"chat, in small letters", bearer("bearer   ", SCOPE_CHAT, SECRET), SCOPE_CHAT, NOW_S, OK},
        {"chat where admin is needed", bearer("Bearer ", SCOPE_CHAT, SECRET), SCOPE_ADMIN, NOW_S,
         ERR_SCOPE_MISSING},
        {"admin where chat is enough", bearer("Bearer ", SCOPE_ADMIN, SECRET), SCOPE_CHAT, NOW_S,
         OK},
        {"no scope", bearer("Bearer ", SCOPE_NONE, SECRET), SCOPE_CHAT, NOW_S, ERR_SCOPE_MISSING},
        {"just expired, by another clock", bearer("Bearer ", SCOPE_CHAT, SECRET), SCOPE_CHAT,
         NOW_S + TTL_S + 29, OK},
        {"expired", bearer("Bearer ", SCOPE_CHAT, SECRET), SCOPE_CHAT, NOW_S + TTL_S + 30,
         ERR_TOKEN_EXPIRED},
        {"long expired", bearer("Bearer ", SCOPE_CHAT, SECRET), SCOPE_CHAT, NOW_S + 9999999,
         ERR_TOKEN_EXPIRED},
    };
    (void)state;
    for (int round = 0; round < 2; round++) /* a remembered token is judged like a new one */
        for (size_t i = 0; i < ARRAY_LEN(table); i++) {
            struct caller caller = {0};
            err_t got = check(table[i].header, table[i].needed, table[i].at_s, &caller);
            if (got != table[i].want) fail_msg("%s: %s", table[i].what, error_code(got));
            assert_true(got || (slice_equal(caller.tenant, SLICE("acme")) &&
                                slice_equal(caller.subject, SLICE("ana"))));
        }
    assert_int_equal(metric_value(METRIC_AUTH_REFUSALS, "token_missing", NULL), 8);
    assert_int_equal(metric_value(METRIC_AUTH_REFUSALS, "scope_missing", NULL), 4);
}

static void a_refusal_tells_what_to_bring(void **state)
{
    static const struct {
        err_t error;
        const char *want;
    } table[] = {
        {ERR_TOKEN_MISSING, "Bearer realm=\"millrace\""},
        {ERR_TOKEN_EXPIRED, "Bearer realm=\"millrace\", error=\"invalid_token\", "
                            "error_description=\"the access token has expired\""},
        {ERR_SCOPE_MISSING,
         "Bearer realm=\"millrace\", error=\"insufficient_scope\", scope=\"admin\""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_string_equal(auth_challenge(table[i].error, SCOPE_ADMIN, &arena), table[i].want);
}

static void an_open_door_lets_everybody_in_as_default(void **state)
{
    static const struct settings open = {.auth_mode = "none", .http_address = "::1"};
    struct auth *gate;
    struct caller caller;
    (void)state;
    assert_int_equal(auth_new(&open, &gate), OK);
    assert_int_equal(auth_check(gate, NULL, SCOPE_ADMIN, 0, &arena, &caller), OK);
    assert_true(slice_equal(caller.tenant, SLICE("default")));
    auth_destroy(&gate);
}

static void settings_that_would_let_anybody_in_are_refused(void **state)
{
    static const struct settings table[] = {
        {.auth_mode = "none", .http_address = "0.0.0.0"},
        {.auth_mode = "none", .http_address = "::"},
        {.auth_mode = "none", .http_address = "192.168.1.2"},
        {.auth_mode = "none", .http_address = "example.org"},
        {.auth_mode = "jwt", .http_address = "127.0.0.1", .jwt_secret = ""},
        {.auth_mode = "jwt",
         .http_address = "0.0.0.0",
         .jwt_secret = "31 bytes are too few for HS256!"},
    };
    struct auth *gate = NULL;
    (void)state;
    log_open("test", "error");
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_int_equal(auth_new(&table[i], &gate), ERR_BAD_SETTING);
    assert_null(gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_is_let_in_as_far_as_the_token_says, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refusal_tells_what_to_bring, setup, teardown),
        cmocka_unit_test_setup_teardown(an_open_door_lets_everybody_in_as_default, setup, teardown),
        cmocka_unit_test(settings_that_would_let_anybody_in_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
