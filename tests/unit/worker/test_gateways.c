/* Where the gateways are: every address of a name, changes followed, the last good ones kept. The
 * look-up is this file's own getaddrinfo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netdb.h>
#include <pthread.h>

#include "workers/gateways.h"

#define WAIT_S 6 /* three look-ups */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *records[4]; /* what the name resolves to; none: it does not */

struct addrinfo_of {
    struct addrinfo info;
    struct sockaddr_in address;
};

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    struct addrinfo *list = NULL;
    (void)name, (void)service, (void)hints;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < ARRAY_LEN(records) && records[i]; i++) {
        struct addrinfo_of *record = calloc(1, sizeof(*record));
        record->address.sin_family = AF_INET;
        inet_pton(AF_INET, records[i], &record->address.sin_addr);
        record->info.ai_addrlen = sizeof(record->address);
        record->info.ai_addr = (struct sockaddr *)&record->address;
        record->info.ai_next = list;
        list = &record->info;
    }
    pthread_mutex_unlock(&lock);
    *found = list;
    return list ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

static void resolve_to(const char *first, const char *second)
{
    pthread_mutex_lock(&lock);
    records[0] = first;
    records[1] = second;
    pthread_mutex_unlock(&lock);
}

struct seen {
    struct event_base *base;
    struct gateway_address addresses[4];
    size_t count, changes;
};

static void on_change(void *context, const struct gateway_address *addresses, size_t count)
{
    struct seen *seen = context;
    seen->count = count;
    seen->changes++;
    memcpy(seen->addresses, addresses, MIN(count, ARRAY_LEN(seen->addresses)) * sizeof(*addresses));
    event_base_loopbreak(seen->base);
}

static void on_limit(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    event_base_loopbreak(context);
}

/* Runs the loop until something has changed; false when nothing did. */
static bool change_comes(struct seen *seen)
{
    const struct timeval limit = {.tv_sec = WAIT_S};
    struct event *timer = evtimer_new(seen->base, on_limit, seen->base);
    size_t before = seen->changes;
    evtimer_add(timer, &limit);
    event_base_dispatch(seen->base);
    event_free(timer);
    return seen->changes > before;
}

static void assert_addresses(const struct seen *seen, const char *first, const char *second)
{
    assert_int_equal(seen->count, second ? 2 : 1);
    assert_string_equal(seen->addresses[0].host, first);
    if (second) assert_string_equal(seen->addresses[1].host, second);
}

static void a_name_stands_for_all_its_addresses_and_their_changes(void **state)
{
    struct seen seen = {.base = event_base_new()};
    struct gateways *gateways = NULL;
    (void)state;
    resolve_to("10.0.0.2", "10.0.0.1");
    assert_int_equal(gateways_new(seen.base, "gateway:8001", on_change, &seen, &gateways), OK);
    assert_true(change_comes(&seen));
    assert_addresses(&seen, "10.0.0.1", "10.0.0.2");
    assert_int_equal(seen.addresses[0].port, 8001);
    resolve_to("10.0.0.3", "10.0.0.2");
    assert_true(change_comes(&seen));
    assert_addresses(&seen, "10.0.0.2", "10.0.0.3");
    resolve_to(NULL, NULL); /* the name is gone: the last good addresses stay */
    assert_false(change_comes(&seen));
    resolve_to("10.0.0.4", NULL);
    assert_true(change_comes(&seen));
    assert_addresses(&seen, "10.0.0.4", NULL);
    gateways_destroy(&gateways);
    event_base_free(seen.base);
}

static void numbers_are_not_looked_up(void **state)
{
    struct seen seen = {.base = event_base_new()};
    struct gateways *gateways = NULL;
    (void)state;
    resolve_to("10.9.9.9", NULL);
    assert_int_equal(
        gateways_new(seen.base, "127.0.0.1:1,127.0.0.1:2,127.0.0.1:1", on_change, &seen, &gateways),
        OK);
    assert_true(change_comes(&seen));
    assert_addresses(&seen, "127.0.0.1", "127.0.0.1");
    assert_int_equal(seen.addresses[1].port, 2);
    gateways_destroy(&gateways);
    event_base_free(seen.base);
}

static void a_malformed_list_is_refused(void **state)
{
    static const char *const lists[] = {"",          "gateway",   "gateway:",      ":8001",
                                        "gateway:0", "gateway:x", "gateway:8001x", "a:1,b"};
    struct event_base *base = event_base_new();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct gateways *gateways = NULL;
        assert_int_equal(gateways_new(base, lists[i], on_change, NULL, &gateways), ERR_BAD_SETTING);
        assert_null(gateways);
    }
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_stands_for_all_its_addresses_and_their_changes),
        cmocka_unit_test(numbers_are_not_looked_up),
        cmocka_unit_test(a_malformed_list_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
