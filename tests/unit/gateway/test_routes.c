#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_lanes.h"
#include "gateway/routes.h"

static void a_request_finds_its_route_and_ids(void **state)
{
    static const struct {
        const char *method, *path;
        err_t want;
        const char *name; /* of the route, or what Allow says */
        uint64_t ids[2];
    } cases[] = {
        {"GET", "/healthz", OK, "healthz", {0}},
        {"HEAD", "/healthz", OK, "healthz", {0}},
        {"POST", "/api/agents/1/chat", OK, "chat", {1}},
        {"POST", "/api/agents/42/chat/stream", OK, "chat.stream", {42}},
        {"GET", "/api/agents", OK, "agent.list", {0}},
        {"GET", "/v1/models/agent-1", OK, "openai.model", {0}},
        {"GET", "/v1/models/gpt 4", OK, "openai.model", {0}},
        {"GET", "/v1/models/", ERR_NOT_FOUND, "", {0}},
        {"GET", "/v1/models/a/b", ERR_NOT_FOUND, "", {0}},
        {"PUT", "/api/agents/7", OK, "agent.update", {7}},
        {"DELETE", "/api/portfolios/3/documents/9", OK, "document.delete", {3, 9}},
        {"GET", "/api/agents/9223372036854775807", OK, "agent.get", {INT64_MAX}},
        {"GET", "/api/agents/9223372036854775808", ERR_NOT_FOUND, "", {0}},
        {"GET", "/api/agents/99999999999999999999", ERR_NOT_FOUND, "", {0}},
        {"GET", "/api/agents/-1", ERR_NOT_FOUND, "", {0}},
        {"GET", "/api/agents/+1", ERR_NOT_FOUND, "", {0}},
        {"GET", "/api/agents/1x", ERR_NOT_FOUND, "", {0}},
        {"GET", "/api/agents/", ERR_NOT_FOUND, "", {0}},
        {"GET", "/api/agents/1/", ERR_NOT_FOUND, "", {0}},
        {"GET", "//api/agents", ERR_NOT_FOUND, "", {0}},
        {"GET", "/api", ERR_NOT_FOUND, "", {0}},
        {"GET", "/", ERR_NOT_FOUND, "", {0}},
        {"GET", "", ERR_NOT_FOUND, "", {0}},
        {"GET", "healthz", ERR_NOT_FOUND, "", {0}},
        {"GET", "/healthz/x", ERR_NOT_FOUND, "", {0}},
        {"GET", "/HEALTHZ", ERR_NOT_FOUND, "", {0}},
        {"GET", "/api/agents/1/chat", ERR_METHOD_NOT_ALLOWED, "POST", {0}},
        {"get", "/api/agents", ERR_METHOD_NOT_ALLOWED, "GET, HEAD, POST", {0}},
        {"POST", "/api/agents/1", ERR_METHOD_NOT_ALLOWED, "GET, HEAD, PUT, DELETE", {0}},
        {"TRACE", "/healthz", ERR_METHOD_NOT_ALLOWED, "GET, HEAD", {0}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_target target = {0};
        char allow[ROUTE_ALLOW_SIZE];
        err_t got = route_find(slice_of(cases[i].method), slice_of(cases[i].path), &target, allow);
        const char *name = got ? allow : target.route->name;
        if (got != cases[i].want || strcmp(name, cases[i].name) ||
            memcmp(target.ids, cases[i].ids, sizeof(target.ids)))
            fail_msg("%s %s: got %s %s", cases[i].method, cases[i].path, error_code(got), name);
    }
}

/* Every route must be found by its own pattern and have a name of its own. */
static void every_route_can_be_reached(void **state)
{
    (void)state;
    for (size_t i = 0; route_at(i); i++) {
        struct buffer path = {0};
        struct http_target target;
        char allow[ROUTE_ALLOW_SIZE];
        for (const char *at = route_at(i)->path; *at; at++)
            if (!strncmp(at, "{id}", 4))
                buffer_append_char(&path, '5'), at += 3;
            else
                buffer_append_char(&path, *at);
        assert_int_equal(
            route_find(slice_of(route_at(i)->method), buffer_slice(&path), &target, allow), OK);
        assert_ptr_equal(target.route, route_at(i));
        for (size_t n = 0; n < i; n++)
            assert_string_not_equal(route_at(n)->name, route_at(i)->name);
        buffer_free(&path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_finds_its_route_and_ids),
        cmocka_unit_test(every_route_can_be_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
