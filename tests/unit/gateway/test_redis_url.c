#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/redis_url.h"

static const struct {
    const char *text, *user, *password, *host;
    unsigned port, database;
} sound[] = {
    {"redis://localhost", NULL, NULL, "localhost", 6379, 0},
    {"redis://10.0.0.1:7000/3", NULL, NULL, "10.0.0.1", 7000, 3},
    {"redis://cache/", NULL, NULL, "cache", 6379, 0},
    {"redis://:secret@cache:1/15", NULL, "secret", "cache", 1, 15},
    {"redis://me:se%40c%2Fret@cache", "me", "se@c/ret", "cache", 6379, 0},
    {"redis://:a@b:c@cache", NULL, "a@b:c", "cache", 6379, 0},
    {"redis://[::1]:6380/2", NULL, NULL, "::1", 6380, 2},
    {"redis://[fe80::1]", NULL, NULL, "fe80::1", 6379, 0},
};

static const char *const wrong[] = {
    "",
    "localhost:6379",
    "rediss://localhost",
    "redis://",
    "redis://:6379",
    "redis://cache:0",
    "redis://cache:65536",
    "redis://cache:six",
    "redis://cache/x",
    "redis://cache/-1",
    "redis://password@cache",
    "redis://:pass%4@cache",
    "redis://:pass%@cache",
    "redis://:pass%00@cache",
    "redis://:pass%zz@cache",
    "redis://[::1",
    "redis://[::1]6379",
    "redis://cache:99999999999999999999",
};

static void assert_text(const char *got, const char *want)
{
    if (want)
        assert_string_equal(got, want);
    else
        assert_null(got);
}

static void a_sound_url_gives_its_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sound); i++) {
        struct redis_url url;
        const char *why;
        assert_int_equal(redis_url_parse(sound[i].text, &url, &why), OK);
        assert_text(url.user, sound[i].user);
        assert_text(url.password, sound[i].password);
        assert_text(url.host, sound[i].host);
        assert_int_equal(url.port, sound[i].port);
        assert_int_equal(url.database, sound[i].database);
        redis_url_free(&url);
    }
}

static void a_wrong_url_is_refused_with_a_reason_that_keeps_its_secret(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct redis_url url = {0};
        const char *why = NULL;
        assert_int_equal(redis_url_parse(wrong[i], &url, &why), ERR_BAD_SETTING);
        assert_non_null(why);
        assert_null(strstr(why, "pass%"));
        assert_null(url.host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_url_gives_its_parts),
        cmocka_unit_test(a_wrong_url_is_refused_with_a_reason_that_keeps_its_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
