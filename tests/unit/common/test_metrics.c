#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/metrics.h"

static int forget(void **state)
{
    (void)state;
    metrics_reset();
    return 0;
}

static struct buffer text_of_all(void)
{
    struct buffer out = {0};
    metrics_write(&out);
    buffer_append_char(&out, '\0');
    return out;
}

static void a_counter_shows_its_help_type_and_labels(void **state)
{
    (void)state;
    metric_add(METRIC_HTTP_REQUESTS, 2, "chat", "200");
    metric_add(METRIC_HTTP_REQUESTS, 1, "chat", "200");
    metric_add(METRIC_HTTP_REQUESTS, 0.5, "chat", "503");
    struct buffer out = text_of_all();
    assert_non_null(strstr(out.data, "# HELP millrace_http_requests_total answers by route"));
    assert_non_null(strstr(out.data, "# TYPE millrace_http_requests_total counter\n"));
    assert_non_null(
        strstr(out.data, "millrace_http_requests_total{route=\"chat\",status=\"200\"} 3\n"));
    assert_non_null(
        strstr(out.data, "millrace_http_requests_total{route=\"chat\",status=\"503\"} 0.5\n"));
    buffer_free(&out);
}

static void a_gauge_without_labels_has_no_braces_and_keeps_the_last_value(void **state)
{
    (void)state;
    metric_set(METRIC_HTTP_CONNECTIONS, 5, NULL, NULL);
    metric_set(METRIC_HTTP_CONNECTIONS, 3, NULL, NULL);
    struct buffer out = text_of_all();
    assert_non_null(strstr(out.data, "\nmillrace_http_connections 3\n"));
    assert_null(strstr(out.data, "millrace_lane_queued"));
    buffer_free(&out);
}

static void a_histogram_counts_into_all_buckets_above(void **state)
{
    (void)state;
    metric_observe(METRIC_HTTP_SECONDS, 0.0005, "chat");
    metric_observe(METRIC_HTTP_SECONDS, 0.03, "chat");
    metric_observe(METRIC_HTTP_SECONDS, 100, "chat");
    struct buffer out = text_of_all();
    static const char *const lines[] = {
        "millrace_http_request_duration_seconds_bucket{route=\"chat\",le=\"0.0005\"} 1\n",
        "millrace_http_request_duration_seconds_bucket{route=\"chat\",le=\"0.025\"} 1\n",
        "millrace_http_request_duration_seconds_bucket{route=\"chat\",le=\"0.05\"} 2\n",
        "millrace_http_request_duration_seconds_bucket{route=\"chat\",le=\"60\"} 2\n",
        "millrace_http_request_duration_seconds_bucket{route=\"chat\",le=\"+Inf\"} 3\n",
        "millrace_http_request_duration_seconds_sum{route=\"chat\"} 100.0305\n",
        "millrace_http_request_duration_seconds_count{route=\"chat\"} 3\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (!strstr(out.data, lines[i])) fail_msg("missing: %s", lines[i]);
    buffer_free(&out);
}

static void label_values_are_escaped(void **state)
{
    (void)state;
    metric_add(METRIC_CHATS, 1, "a\"b\\c\nd", "x");
    struct buffer out = text_of_all();
    assert_non_null(strstr(out.data, "{status=\"a\\\"b\\\\c\\nd\",level=\"x\"} 1\n"));
    buffer_free(&out);
}

static void too_many_series_are_counted_as_other(void **state)
{
    char label[16];
    (void)state;
    for (int i = 0; i < METRIC_SERIES_MAX + 100; i++) {
        snprintf(label, sizeof(label), "%d", i);
        metric_add(METRIC_CHATS, 1, label, "x");
    }
    assert_int_equal((int)metric_value(METRIC_CHATS, "other", "other"), 101);
    assert_int_equal((int)metric_value(METRIC_CHATS, "0", "x"), 1);
}

/* By convention: base units, _total on counters and on nothing else, each name once. */
static void names_follow_the_conventions(void **state)
{
    static const struct {
        const char *name, *kind;
    } all[] = {
#define METRIC_ROW(NAME, name, kind, ...) {name, #kind},
        METRIC_LIST(METRIC_ROW)
#undef METRIC_ROW
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        size_t len = strlen(all[i].name);
        bool total = len > 6 && !strcmp(all[i].name + len - 6, "_total");
        assert_int_equal(total, !strcmp(all[i].kind, "COUNTER"));
        assert_null(strstr(all[i].name, "_ms"));
        assert_int_equal(strspn(all[i].name, "abcdefghijklmnopqrstuvwxyz_"), len);
        for (size_t n = 0; n < i; n++) assert_string_not_equal(all[n].name, all[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_counter_shows_its_help_type_and_labels, forget),
        cmocka_unit_test_teardown(a_gauge_without_labels_has_no_braces_and_keeps_the_last_value,
                                  forget),
        cmocka_unit_test_teardown(a_histogram_counts_into_all_buckets_above, forget),
        cmocka_unit_test_teardown(label_values_are_escaped, forget),
        cmocka_unit_test_teardown(too_many_series_are_counted_as_other, forget),
        cmocka_unit_test(names_follow_the_conventions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
