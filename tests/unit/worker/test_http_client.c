/* HTTP to providers, against a server on the same loop. Names are looked up, and connections to
 * addresses that nobody here has are made, by this file's own getaddrinfo and connect. */
#include "tests/unit/worker/http_fixture.h"

#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <time.h>

#include "common/clock.h"

#define CANCEL_MS 500 /* at once, on a machine that is busy */

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

/* --- the network as this test has it --- */

static sem_t look_up; /* of slow.test */
static sem_t looking;

static const struct name {
    const char *name, *address;
} names[] = {
    {"metadata.test", "169.254.169.254"},
    {"here.test", "127.0.0.1"},
    {"slow.test", "127.0.0.1"},
};

struct addrinfo_of {
    struct addrinfo info;
    struct sockaddr_in address;
};

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    (void)hints;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(node, names[i].name)) continue;
        if (!strcmp(node, "slow.test")) {
            sem_post(&looking);
            sem_wait(&look_up);
        }
        struct addrinfo_of *record = calloc(1, sizeof(*record));
        record->address.sin_family = record->info.ai_family = AF_INET;
        record->address.sin_port = htons((uint16_t)(service ? atoi(service) : 0));
        inet_pton(AF_INET, names[i].address, &record->address.sin_addr);
        record->info.ai_socktype = SOCK_STREAM;
        record->info.ai_addrlen = sizeof(record->address);
        record->info.ai_addr = (struct sockaddr *)&record->address;
        *found = &record->info;
        return 0;
    }
    return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
    free(list);
}

static int link_local_connects;

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    const struct sockaddr_in *ip = (const struct sockaddr_in *)(const void *)address;
    if (address->sa_family != AF_INET || (ntohl(ip->sin_addr.s_addr) >> 16) != 0xa9fe)
        return (int)syscall(SYS_connect, fd, address, len);
    link_local_connects++;
    errno = ECONNREFUSED;
    return -1;
}

/* --- whole responses --- */

static void request_is_a_post_of_json_with_the_headers_given(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, HEAD "Content-Length: 2\r\n\r\nok", "ok");
    char *request = xstrndup(fixture->server.request.data, fixture->server.request.len);
    assert_ptr_equal(strstr(request, "POST /v1/x HTTP/1.1\r\n"), request);
    assert_non_null(strstr(request, "\r\nAuthorization: Bearer k\r\n"));
    assert_non_null(strstr(request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(request, "\r\nContent-Length: 7\r\n"));
    assert_null(strstr(request, "Expect"));
    assert_string_equal(strstr(request, "\r\n\r\n"), "\r\n\r\n{\"a\":1}");
    free(request);
}

static const struct response {
    const char *what, *reply;
    bool closes;
    int status;
    const char *body;
    err_t error;
} responses[] = {
    {"length", HEAD "Content-Length: 5\r\n\r\nhello", false, 200, "hello"},
    {"chunks", HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", false,
     200, "hello"},
    {"chunks with trailers",
     HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\nX: y\r\nRetry-After: 3\r\n\r\n", false,
     200, "he"},
    {"until closed", HEAD "\r\nhello", true, 200, "hello"},
    {"no content", "HTTP/1.1 204 No Content\r\n\r\n", false, 204, ""},
    {"empty", HEAD "Content-Length: 0\r\n\r\n", false, 200, ""},
    {"early hints", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" HEAD "Content-Length: 1\r\n\r\na",
     false, 200, "a"},
    {"an error", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno", false, 401, "no"},
    {"a redirect",
     "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", false, 302,
     ""},
    {"length, cut", HEAD "Content-Length: 9\r\n\r\nhello", true, 200, "hello", ERR_PROVIDER_CUT},
    {"chunks, cut", HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", true, 200, "hello",
     ERR_PROVIDER_CUT},
    {"chunk without a size", HEAD "Transfer-Encoding: chunked\r\n\r\nhello\r\n", true, 200, "",
     ERR_PROVIDER_CUT},
    {"closed at once", "", true, 0, "", ERR_PROVIDER_UNAVAILABLE},
    {"cut in the head", "HTTP/1.1 200 OK\r\nConte", true, 0, "", ERR_PROVIDER_CUT},
    {"not HTTP", "hello\r\n\r\n", true, 0, "", ERR_PROVIDER_BAD_RESPONSE},
};

static void every_response_ends_as_its_framing_says(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(responses); i++) {
        fixture->server.closes = responses[i].closes;
        struct outcome outcome = ask(fixture, responses[i].reply, responses[i].body);
        if (outcome.error != responses[i].error || outcome.status != responses[i].status)
            fail_msg("%s: status %d, %s", responses[i].what, outcome.status,
                     error_code(outcome.error));
        assert_int_equal(outcome.heads, responses[i].status ? 1 : 0);
        assert_int_equal(outcome.ends, 1);
    }
}

static void response_is_the_same_byte_by_byte(void **state)
{
    static const char reply[] =
        HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    fixture->server.reply = (struct slice){0};
    call_server(fixture, &outcome);
    while (!fixture->server.requests) event_base_loop(fixture->base, EVLOOP_ONCE);
    for (size_t at = 0; reply[at]; at++) {
        peer_send(&fixture->server, 0, (struct slice){reply + at, 1});
        event_base_loop(fixture->base, EVLOOP_NONBLOCK);
    }
    loop_until(fixture, outcome_has_ended, &outcome);
    assert_int_equal(outcome.error, OK);
    assert_true(slice_equal(buffer_slice(&outcome.body), SLICE("hello")));
    buffer_free(&outcome.body);
}

static void large_bodies_go_both_ways(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    struct buffer reply = {0};
    char url[64], *body = xmalloc(3 << 20);
    struct http_call_spec spec = {url, NULL, {body, 3 << 20}};
    memset(body, 'x', spec.body.len);
    buffer_append_text(&reply, HEAD "Content-Length: 100000\r\n\r\n");
    memset(buffer_reserve(&reply, 100000), 'y', 100000);
    reply.len += 100000;
    fixture->server.reply = buffer_slice(&reply);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", fixture->server.port);
    outcome.call = http_call_start(fixture->client, &spec, &outcome_handler, &outcome);
    memset(body, 'z', spec.body.len); /* it was copied */
    loop_until(fixture, outcome_has_ended, &outcome);
    assert_int_equal(outcome.error, OK);
    assert_int_equal(outcome.body.len, 100000);
    assert_true(fixture->server.request.len > spec.body.len);
    assert_null(memchr(fixture->server.request.data, 'z', fixture->server.request.len));
    buffer_free(&outcome.body);
    buffer_free(&reply);
    free(body);
}

static bool outcome_has_head(const void *outcome)
{
    return ((const struct outcome *)outcome)->heads;
}

static void request_is_sent_whole_though_its_answer_comes_before_its_end(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    char url[64], *body = xmalloc(8 << 20); /* more than sockets hold */
    struct http_call_spec spec = {url, NULL, {body, 8 << 20}};
    memset(body, 'x', spec.body.len);
    fixture->server.early = SLICE(HEAD "Content-Length: 2\r\n\r\n");
    fixture->server.reply = SLICE("ok");
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", fixture->server.port);
    outcome.call = http_call_start(fixture->client, &spec, &outcome_handler, &outcome);
    free(body);
    loop_until(fixture, outcome_has_head, &outcome);
    assert_int_equal(fixture->server.requests, 0); /* it is not whole yet */
    loop_until(fixture, outcome_has_ended, &outcome);
    assert_int_equal(outcome.error, OK);
    struct slice got = buffer_slice(&fixture->server.request);
    assert_true(got.len > spec.body.len);
    for (size_t i = got.len - spec.body.len; i < got.len; i++)
        if (got.ptr[i] != 'x') fail_msg("byte %zu is %d", i, got.ptr[i]);
    buffer_free(&outcome.body);
}

/* --- Retry-After --- */

static void retry_after_is_read_in_both_its_forms(void **state)
{
    static const char *const forms[] = {"7", "soon", "-1", NULL};
    static const uint64_t want[] = {7000, 0, 0};
    struct fixture *fixture = *state;
    char reply[256], date[64];
    time_t when = time(NULL) + 3600;
    for (size_t i = 0; forms[i]; i++) {
        snprintf(reply, sizeof(reply),
                 "HTTP/1.1 429 Slow\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", forms[i]);
        assert_int_equal(ask(fixture, reply, "").retry_after_ms, want[i]);
    }
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&when));
    snprintf(reply, sizeof(reply),
             "HTTP/1.1 503 Later\r\nretry-after: %s\r\nContent-Length: 0\r\n\r\n", date);
    assert_in_range(ask(fixture, reply, "").retry_after_ms, 3590000, 3600000);
    assert_int_equal(ask(fixture, HEAD "Content-Length: 0\r\n\r\n", "").retry_after_ms, 0);
}

/* --- connections --- */

static void calls_one_after_another_share_a_connection(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 20; i++) ask(fixture, HEAD "Content-Length: 2\r\n\r\nok", "ok");
    assert_int_equal(fixture->server.count, 1);
    assert_int_equal(fixture->server.requests, 20);
}

static void calls_at_once_do_not_wait_for_each_other(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcomes[8] = {0};
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) call_server(fixture, &outcomes[i]);
    while (fixture->server.requests < (int)ARRAY_LEN(outcomes))
        event_base_loop(fixture->base, EVLOOP_ONCE); /* none was answered yet */
    assert_int_equal(fixture->server.count, ARRAY_LEN(outcomes));
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) http_call_cancel(&outcomes[i].call);
}

static void connection_that_was_closed_meanwhile_is_made_anew(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(fixture, HEAD "Content-Length: 2\r\n\r\nok", "ok").error, OK);
        peer_close(&fixture->server, i);
    }
    assert_int_equal(fixture->server.count, 3);
}

static const struct refusal {
    const char *url;
    err_t error;
} refusals[] = {
    {"http://127.0.0.1:1/", ERR_PROVIDER_UNAVAILABLE}, /* nobody listens there */
    {"http://nowhere.test/", ERR_PROVIDER_UNAVAILABLE},
    {"https://nowhere.test/", ERR_PROVIDER_UNAVAILABLE},
    {"http://169.254.169.254/latest/meta-data/", ERR_PROVIDER_ADDRESS},
    {"http://2852039166/", ERR_PROVIDER_ADDRESS}, /* the same as one number */
    {"http://[::ffff:169.254.169.254]/", ERR_PROVIDER_ADDRESS},
    {"http://[fe80::1]/", ERR_PROVIDER_ADDRESS},
    {"http://[fd00:ec2::254]/", ERR_PROVIDER_ADDRESS},
    {"https://169.254.1.1/", ERR_PROVIDER_ADDRESS},
    {"http://metadata.test/", ERR_PROVIDER_ADDRESS}, /* by what it resolves to */
    {"", ERR_PROVIDER_ADDRESS},
    {"http://", ERR_PROVIDER_ADDRESS},
    {"http://a b/", ERR_PROVIDER_ADDRESS},
    {"http://127.0.0.1:99999/", ERR_PROVIDER_ADDRESS},
    {"127.0.0.1:1/", ERR_PROVIDER_ADDRESS},
    {"ftp://127.0.0.1:1/", ERR_PROVIDER_ADDRESS},
    {"file:///etc/passwd", ERR_PROVIDER_ADDRESS},
};

static void what_cannot_be_reached_and_what_must_not_be_are_told_apart(void **state)
{
    struct fixture *fixture = *state;
    link_local_connects = 0;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct outcome outcome = {0};
        call_url(fixture, refusals[i].url, &outcome);
        loop_until(fixture, outcome_has_ended, &outcome);
        if (outcome.error != refusals[i].error)
            fail_msg("%s: %s", refusals[i].url, error_code(outcome.error));
        assert_int_equal(outcome.heads, 0);
    }
    assert_int_equal(link_local_connects, 0);
}

static void link_local_addresses_are_tried_where_the_setting_allows_them(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    link_local_connects = 0;
    fixture->settings.provider_link_local = "allow";
    call_url(fixture, "http://metadata.test/", &outcome);
    loop_until(fixture, outcome_has_ended, &outcome);
    assert_int_equal(outcome.error, ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(link_local_connects, 1);
}

static void header_of_two_lines_is_not_sent(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    const char *const headers[] = {"Authorization: Bearer k\r\nX-Other: 1", NULL};
    char url[64];
    struct http_call_spec spec = {url, headers, SLICE("{}")};
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", fixture->server.port);
    outcome.call = http_call_start(fixture->client, &spec, &outcome_handler, &outcome);
    loop_until(fixture, outcome_has_ended, &outcome);
    assert_int_equal(outcome.error, ERR_PROVIDER_AUTH);
    assert_int_equal(fixture->server.count, 0);
}

/* --- cancel, pause --- */

/* Whether the client has closed, without a turn of the loop in between. */
static bool peer_is_closed(const struct server *server, int peer)
{
    char byte;
    ssize_t got = recv(server->peers[peer], &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return !got || (got < 0 && errno == ECONNRESET);
}

static void cancelled_call_has_closed_its_connection(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    fixture->server.reply = SLICE(HEAD "Content-Length: 9\r\n\r\nhello");
    call_server(fixture, &outcome);
    loop_until(fixture, outcome_has_body, &outcome);
    assert_false(peer_is_closed(&fixture->server, 0));
    http_call_cancel(&outcome.call);
    assert_true(peer_is_closed(&fixture->server, 0));
    assert_null(outcome.call);
    assert_int_equal(outcome.ends, 0);
    buffer_free(&outcome.body);
}

static void call_that_waits_for_its_head_is_cancelled_too(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    call_server(fixture, &outcome);
    while (!fixture->server.requests) event_base_loop(fixture->base, EVLOOP_ONCE);
    http_call_cancel(&outcome.call);
    assert_true(peer_is_closed(&fixture->server, 0));
}

static void call_may_be_cancelled_by_its_own_handler(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {.cancels = true};
    fixture->server.reply = SLICE(HEAD "Content-Length: 9\r\n\r\nhello");
    call_server(fixture, &outcome);
    loop_until(fixture, outcome_has_body, &outcome);
    assert_true(peer_is_closed(&fixture->server, 0));
    ask(fixture, HEAD "Content-Length: 2\r\n\r\nok", "ok");
    assert_int_equal(outcome.pieces, 1);
    assert_int_equal(outcome.ends, 0);
    buffer_free(&outcome.body);
}

static void call_may_be_cancelled_by_the_handler_of_another(void **state)
{
    struct fixture *fixture = *state;
    struct outcome first = {0}, second = {0};
    first.other = &second;
    second.other = &first;
    call_server(fixture, &first);
    call_server(fixture, &second);
    while (fixture->server.requests < 2) event_base_loop(fixture->base, EVLOOP_ONCE);
    for (int peer = 0; peer < 2; peer++)
        peer_send(&fixture->server, peer, SLICE(HEAD "Content-Length: 9\r\n\r\nhello"));
    ask(fixture, HEAD "Content-Length: 2\r\n\r\nok", "ok");
    assert_int_equal(first.pieces + second.pieces, 1); /* whichever came first ended the other */
    assert_int_equal((first.call ? 1 : 0) + (second.call ? 1 : 0), 1);
    assert_int_equal(first.ends + second.ends, 0);
    http_call_cancel(first.call ? &first.call : &second.call);
    buffer_free(&first.body);
    buffer_free(&second.body);
}

struct retry {
    struct fixture *fixture;
    int left;
    bool done;
};

static void retry_start(struct retry *retry);

static void retry_head(void *context, int status, uint64_t retry_after_ms)
{
    (void)context, (void)status, (void)retry_after_ms;
}

static bool retry_body(void *context, struct slice bytes)
{
    (void)context, (void)bytes;
    return true;
}

static void retry_end(void *context, err_t error)
{
    struct retry *retry = context;
    assert_int_equal(error, ERR_PROVIDER_CUT);
    retry->done = !retry->left--;
    if (!retry->done) retry_start(retry);
}

static void retry_start(struct retry *retry)
{
    static const struct http_call_handler handler = {retry_head, retry_body, retry_end};
    char url[64];
    struct http_call_spec spec = {url, NULL, SLICE("{}")};
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", retry->fixture->server.port);
    http_call_start(retry->fixture->client, &spec, &handler, retry);
}

static bool retry_is_done(const void *retry)
{
    return ((const struct retry *)retry)->done;
}

static void call_may_be_started_where_another_ends(void **state)
{
    struct retry retry = {.fixture = *state, .left = 3};
    retry.fixture->server.reply = SLICE(HEAD "Content-Length: 9\r\n\r\nhello");
    retry.fixture->server.closes = true;
    retry_start(&retry);
    loop_until(retry.fixture, retry_is_done, &retry);
    assert_int_equal(retry.fixture->server.requests, 4);
}

static void call_may_be_cancelled_before_it_began(void **state)
{
    struct fixture *fixture = *state;
    struct outcome unsent = {0}, refused = {0};
    call_server(fixture, &unsent);
    http_call_cancel(&unsent.call);
    call_url(fixture, "ftp://here.test/", &refused);
    http_call_cancel(&refused.call);
    ask(fixture, HEAD "Content-Length: 2\r\n\r\nok", "ok");
    assert_int_equal(unsent.ends + refused.ends, 0);
}

static void cancel_does_not_wait_for_a_slow_look_up(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    call_url(fixture, "http://slow.test/", &outcome);
    event_base_loop(fixture->base, EVLOOP_ONCE);
    sem_wait(&looking);
    uint64_t before_ms = clock_ms();
    http_call_cancel(&outcome.call);
    assert_in_range(clock_ms() - before_ms, 0, CANCEL_MS);
    ask(fixture, HEAD "Content-Length: 2\r\n\r\nok", "ok"); /* the loop went on all the while */
    sem_post(&look_up);
}

static void look_up_that_takes_too_long_ends_in_time(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    http_client_destroy(&fixture->client);
    fixture->settings.provider_connect_timeout_ms = 50;
    fixture->client = http_client_new(fixture->base, &fixture->settings);
    call_url(fixture, "http://slow.test/", &outcome);
    loop_until(fixture, outcome_has_ended, &outcome);
    assert_int_equal(outcome.error, ERR_PROVIDER_UNAVAILABLE);
    sem_post(&look_up);
    sem_wait(&looking);
}

static void name_is_looked_up_and_connected_to(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    char url[64];
    fixture->server.reply = SLICE(HEAD "Content-Length: 2\r\n\r\nok");
    snprintf(url, sizeof(url), "http://here.test:%u/", fixture->server.port);
    call_url(fixture, url, &outcome);
    loop_until(fixture, outcome_has_ended, &outcome);
    assert_int_equal(outcome.error, OK);
    buffer_free(&outcome.body);
}

static void paused_call_takes_nothing_until_it_is_resumed(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {.pauses = true};
    fixture->server.reply = SLICE(HEAD "Content-Length: 10\r\n\r\nhello");
    call_server(fixture, &outcome);
    loop_until(fixture, outcome_has_body, &outcome);
    peer_send(&fixture->server, 0, SLICE("world"));
    for (int i = 0; i < 5; i++) /* others are served meanwhile */
        ask(fixture, HEAD "Content-Length: 2\r\n\r\nok", "ok");
    assert_int_equal(outcome.body.len, 5);
    assert_int_equal(outcome.ends, 0);
    http_call_resume(outcome.call);
    while (outcome.body.len < 10) event_base_loop(fixture->base, EVLOOP_ONCE);
    assert_int_equal(outcome.ends, 0); /* was paused once more */
    http_call_resume(outcome.call);
    loop_until(fixture, outcome_has_ended, &outcome);
    assert_int_equal(outcome.error, OK);
    assert_true(slice_equal(buffer_slice(&outcome.body), SLICE("helloworld")));
    buffer_free(&outcome.body);
}

static void paused_call_can_be_cancelled(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {.pauses = true};
    fixture->server.reply = SLICE(HEAD "Content-Length: 10\r\n\r\nhello");
    call_server(fixture, &outcome);
    loop_until(fixture, outcome_has_body, &outcome);
    http_call_cancel(&outcome.call);
    assert_true(peer_is_closed(&fixture->server, 0));
    buffer_free(&outcome.body);
}

#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(request_is_a_post_of_json_with_the_headers_given),
        HTTP_TEST(every_response_ends_as_its_framing_says),
        HTTP_TEST(response_is_the_same_byte_by_byte),
        HTTP_TEST(large_bodies_go_both_ways),
        HTTP_TEST(request_is_sent_whole_though_its_answer_comes_before_its_end),
        HTTP_TEST(retry_after_is_read_in_both_its_forms),
        HTTP_TEST(calls_one_after_another_share_a_connection),
        HTTP_TEST(calls_at_once_do_not_wait_for_each_other),
        HTTP_TEST(connection_that_was_closed_meanwhile_is_made_anew),
        HTTP_TEST(what_cannot_be_reached_and_what_must_not_be_are_told_apart),
        HTTP_TEST(link_local_addresses_are_tried_where_the_setting_allows_them),
        HTTP_TEST(header_of_two_lines_is_not_sent),
        HTTP_TEST(cancelled_call_has_closed_its_connection),
        HTTP_TEST(call_that_waits_for_its_head_is_cancelled_too),
        HTTP_TEST(call_may_be_cancelled_by_its_own_handler),
        HTTP_TEST(call_may_be_cancelled_by_the_handler_of_another),
        HTTP_TEST(call_may_be_started_where_another_ends),
        HTTP_TEST(call_may_be_cancelled_before_it_began),
        HTTP_TEST(cancel_does_not_wait_for_a_slow_look_up),
        HTTP_TEST(look_up_that_takes_too_long_ends_in_time),
        HTTP_TEST(name_is_looked_up_and_connected_to),
        HTTP_TEST(paused_call_takes_nothing_until_it_is_resumed),
        HTTP_TEST(paused_call_can_be_cancelled),
    };
    sem_init(&look_up, 0, 0);
    sem_init(&looking, 0, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
