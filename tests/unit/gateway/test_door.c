/* The door over real HTTP, with lanes that the test plays: who gets in, as whose tenant, how often.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base.h"
#include "gateway/auth.h"
#include "gateway/routes.h"
#include "gateway_fixture.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static const struct {
    const char *name, *value;
} environment[] = {{"AUTH_MODE", "jwt"},
                   {"JWT_SECRET", SECRET},
                   {"HTTP_ADDRESS", "127.0.0.1"},
                   {"RATE_LIMIT_PER_MINUTE", "1"},
                   {"RATE_LIMIT_BURST", "2"}};

static int unset_all(void)
{
    for (size_t i = 0; i < ARRAY_LEN(environment); i++) unsetenv(environment[i].name);
    return 0;
}

/* `limited`: with a rate limit. */
static int open_door(void **state, bool limited)
{
    for (size_t i = 0; i < ARRAY_LEN(environment) - (limited ? 0 : 2); i++)
        setenv(environment[i].name, environment[i].value, true);
    return fixture_open(state) + unset_all();
}

static int setup(void **state)
{
    return open_door(state, false);
}

static int setup_limited(void **state)
{
    return open_door(state, true);
}

static const char *bearer(const char *tenant, const char *subject, enum scope scope)
{
    static char header[1024];
    int64_t now_s = clock_wall_ms() / 1000;
    struct access access = {slice_of(tenant), slice_of(subject), scope, 0, now_s + 60};
    struct buffer token = {0};
    assert_int_equal(access_write(&access, SLICE(SECRET), now_s, &token), OK);
    snprintf(header, sizeof(header), "Authorization: Bearer %.*s\r\n", (int)token.len, token.data);
    buffer_free(&token);
    return header;
}

/* Asks on a connection of its own, and waits. */
static struct client asked(struct fixture *fixture, const char *method, const char *path,
                           const char *headers, const char *body)
{
    struct client client = client_connect(fixture);
    client_ask(fixture, &client, method, path, headers, body);
    TURN_UNTIL(fixture, client_has_answer(&client));
    return client;
}

static void assert_answer(struct client *client, int status, const char *text)
{
    if (client_status(client) != status || !client_has(client, text))
        fail_msg("want %d with %s, got %s", status, text, client_text(client));
    client_close(client);
}

/* A header's number, which counts down with the clock; -1 where there is none. */
static long header_number(struct client *client, const char *name)
{
    const char *at = strstr(client_text(client), name);
    return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

/* --- who gets in --- */

/* A path that the route matches. */
static const char *sample_path(const struct route *route)
{
    static char path[128];
    size_t len = 0;
    for (const char *at = route->path; *at;) {
        bool name = !strncmp(at, "{name}", 6), id = !strncmp(at, "{id}", 4);
        len += (size_t)snprintf(path + len, sizeof(path) - len, "%.*s", name || id ? 0 : 1, at);
        if (name || id)
            len += (size_t)snprintf(path + len, sizeof(path) - len, "%s", id ? "1" : "x");
        at += name ? 6 : id ? 4 : 1;
    }
    return path;
}

static void every_route_but_two_wants_a_token_of_its_scope(void **state)
{
    struct fixture *fixture = *state;
    const struct route *route;
    size_t open = 0;
    for (size_t i = 0; (route = route_at(i)); i++) {
        const char *path = sample_path(route);
        open += route->scope == SCOPE_NONE;
        if (route->scope == SCOPE_NONE) continue;
        struct client client = asked(fixture, route->method, path, "", "{}");
        assert_non_null(strstr(client_text(&client), "WWW-Authenticate: Bearer realm="));
        assert_answer(&client, 401, "\"code\":\"token_missing\"");
        client = asked(fixture, route->method, path,
                       bearer("acme", "ana", (enum scope)(route->scope - 1)), "{}");
        assert_non_null(strstr(client_text(&client), "error=\"insufficient_scope\""));
        assert_answer(&client, 403, "\"code\":\"scope_missing\"");
    }
    assert_int_equal(open, 2);
    assert_int_equal(fake_job_count, 0);
}

static void health_is_open_to_all(void **state)
{
    struct fixture *fixture = *state;
    struct client client = asked(fixture, "GET", "/healthz", "", NULL);
    assert_answer(&client, 200, "ok");
    client = asked(fixture, "GET", "/readyz", "Authorization: Bearer nonsense\r\n", NULL);
    assert_answer(&client, 200, "\"ready\":true");
}

static void a_large_body_is_not_waited_for_without_a_token(void **state)
{
    struct fixture *fixture = *state;
    struct client client =
        asked(fixture, "POST", "/api/portfolios/1/documents", "Content-Length: 10000000\r\n", NULL);
    assert_answer(&client, 401, "token_missing");
}

static void clients_of_openai_are_told_in_their_own_shape(void **state)
{
    struct fixture *fixture = *state;
    struct client client =
        asked(fixture, "GET", "/v1/models", "Authorization: Bearer sk-abc\r\n", NULL);
    assert_answer(&client, 401,
                  "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"token_invalid\"");
}

/* --- as whose tenant --- */

/* The first field of every request. */
static void assert_tenant(const struct fake_job *job, const char *tenant)
{
    const struct record_type *type = kind_info(job->kind)->request();
    struct arena arena = {0};
    char *record = arena_alloc(&arena, type->size);
    assert_string_equal(type->fields[0].name, "tenant");
    assert_int_equal(record_decode(type, body_frame(job->body, FRAME_REQUEST), &arena, record), OK);
    const struct slice *got = (const struct slice *)(record + type->fields[0].offset);
    if (!slice_equal(*got, slice_of(tenant)))
        fail_msg("%s is of tenant %.*s", kind_info(job->kind)->name, (int)got->len, got->ptr);
    arena_free(&arena);
}

static void every_job_is_of_the_callers_tenant(void **state)
{
    static const struct {
        const char *method, *path, *body;
        enum kind kind;
    } table[] = {
        {"GET", "/api/agents", NULL, KIND_AGENT_LIST},
        {"POST", "/api/agents", "{\"name\":\"a\"}", KIND_AGENT_CREATE},
        {"PUT", "/api/agents/1", "{\"name\":\"a\"}", KIND_AGENT_UPDATE},
        {"DELETE", "/api/agents/1", NULL, KIND_AGENT_DELETE},
        {"POST", "/api/agents/1/invalidate", NULL, KIND_AGENT_INVALIDATE},
        {"POST", "/api/portfolios", "{\"name\":\"p\"}", KIND_PORTFOLIO_CREATE},
        {"POST", "/api/portfolios/1/reembed", NULL, KIND_PORTFOLIO_REEMBED},
        {"POST", "/api/portfolios/1/documents", "{\"content\":\"a\"}", KIND_DOCUMENT_PUT},
        {"GET", "/api/portfolios/1/documents/2", NULL, KIND_DOCUMENT_GET},
        {"GET", "/api/conversations/1", NULL, KIND_CONVERSATION_GET},
        {"POST", "/api/portfolios/1/search", "{\"query\":\"q\"}", KIND_PORTFOLIO_GET},
        {"POST", "/api/agents/1/chat", "{\"message\":\"q\"}", KIND_AGENT_GET},
        {"GET", "/v1/models", NULL, KIND_AGENT_LIST},
        {"GET", "/v1/models/agent-1", NULL, KIND_AGENT_GET},
        {"POST", "/v1/embeddings", "{\"model\":\"default\",\"input\":\"a\"}", KIND_EMBED},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct client client = client_connect(fixture);
        client_ask(fixture, &client, table[i].method, table[i].path,
                   bearer("acme", "ana", SCOPE_ADMIN), table[i].body);
        TURN_UNTIL(fixture, fake_job_of(table[i].kind));
        assert_tenant(fake_job_of(table[i].kind), "acme");
        fake_fail(fake_job_of(table[i].kind), ERR_STORE_UNAVAILABLE);
        TURN_UNTIL(fixture, client_has_answer(&client));
        client_close(&client);
    }
}

/* Waits for the question's next job, and answers it. */
static void answer_next(struct fixture *fixture, enum kind kind, const void *record)
{
    TURN_UNTIL(fixture, fake_job_of(kind));
    assert_tenant(fake_job_of(kind), "acme");
    if (record) fake_answer(fake_job_of(kind), record);
}

static void a_question_and_its_turn_are_of_the_callers_tenant(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_connect(fixture);
    struct buffer headers = {0};
    buffer_printf(&headers, "Idempotency-Key: k\r\n%s", bearer("acme", "ana", SCOPE_CHAT));
    buffer_append_char(&headers, '\0');
    client_ask(fixture, &client, "POST", "/api/agents/1/chat/stream", headers.data,
               "{\"message\":\"What is React?\"}");
    buffer_free(&headers);
    answer_next(fixture, KIND_AGENT_GET, &(struct agent){.id = 1, .version = 1, .portfolio_id = 2});
    answer_next(fixture, KIND_PORTFOLIO_GET,
                &(struct portfolio){.id = 2, .version = 1, .embedder = SLICE("hashing-1")});
    answer_next(fixture, KIND_CLAIM_TAKE, &(struct claimed){.fence = 3});
    answer_next(fixture, KIND_CHAT, NULL);
    fake_say(fake_job_of(KIND_CHAT), SLICE("A library."));
    fake_done(fake_job_of(KIND_CHAT), &(struct meta){.finish_reason = SLICE("stop")});
    answer_next(fixture, KIND_RECORD, &(struct recorded){.conversation_id = 1, .message_id = 2});
    TURN_UNTIL(fixture, client_has_answer(&client));
    assert_answer(&client, 200, "\"type\":\"done\"");
}

/* --- how often --- */

static void a_question_too_many_is_429_however_it_is_asked(void **state)
{
    static const struct {
        const char *path, *body;
    } questions[] = {
        {"/api/agents/1/chat", "{\"message\":\"\"}"},
        {"/api/agents/1/chat/stream", "{\"message\":\"\"}"},
        {"/api/portfolios/1/search", "{\"query\":\"\"}"},
        {"/v1/chat/completions", "{}"},
        {"/v1/embeddings", "{}"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        char subject[8];
        snprintf(subject, sizeof(subject), "s%zu", i);
        for (int left = 1; left >= 0; left--) {
            const char *remaining =
                left ? "RateLimit-Remaining: 1\r\n" : "RateLimit-Remaining: 0\r\n";
            struct client client = asked(fixture, "POST", questions[i].path,
                                         bearer("acme", subject, SCOPE_CHAT), questions[i].body);
            assert_non_null(strstr(client_text(&client), "RateLimit-Limit: 2\r\n"));
            assert_true(client_status(&client) == 422 || client_status(&client) == 400);
            assert_answer(&client, client_status(&client), remaining);
        }
        struct client client = asked(fixture, "POST", questions[i].path,
                                     bearer("acme", subject, SCOPE_CHAT), questions[i].body);
        assert_in_range(header_number(&client, "Retry-After: "), 40, 60);
        assert_in_range(header_number(&client, "RateLimit-Reset: "), 100, 120);
        assert_answer(&client, 429, "\"code\":\"rate_limited\"");
        client =
            asked(fixture, "POST", questions[0].path, bearer("other", subject, SCOPE_CHAT), "");
        assert_answer(&client, 400, "bad_json");
    }
    assert_int_equal(metric_value(METRIC_RATE_LIMITED, "local", NULL), ARRAY_LEN(questions));
}

static void what_is_no_question_does_not_count(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 5; i++) {
        struct client client =
            asked(fixture, "GET", "/api/flags", bearer("acme", "ana", SCOPE_ADMIN), NULL);
        assert_null(strstr(client_text(&client), "RateLimit"));
        assert_answer(&client, 200, "streaming");
        client = asked(fixture, "POST", "/api/agents/1/chat", "", "{}");
        assert_answer(&client, 401, "token_missing");
    }
}

#define DOOR_TEST(test) cmocka_unit_test_setup_teardown(test, setup, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DOOR_TEST(every_route_but_two_wants_a_token_of_its_scope),
        DOOR_TEST(health_is_open_to_all),
        DOOR_TEST(a_large_body_is_not_waited_for_without_a_token),
        DOOR_TEST(clients_of_openai_are_told_in_their_own_shape),
        DOOR_TEST(every_job_is_of_the_callers_tenant),
        DOOR_TEST(a_question_and_its_turn_are_of_the_callers_tenant),
        cmocka_unit_test_setup_teardown(a_question_too_many_is_429_however_it_is_asked,
                                        setup_limited, fixture_close),
        cmocka_unit_test_setup_teardown(what_is_no_question_does_not_count, setup_limited,
                                        fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
