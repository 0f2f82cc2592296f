/* The helper thread: groups form while one is being written, small writes pass bulk ones, nothing
 * is lost at the end. Semaphores hold the helper where the test wants it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <semaphore.h>
#include <stdlib.h>

#include "workers/retriever/writer.h"

#define MAX_EVENTS 64

struct item {
    struct mail write; /* first */
    char name;
};

struct bench {
    struct event_base *base;
    struct writer *writer;
    sem_t entered, may_go; /* the helper is inside small() or bulk(); it may leave */
    bool hold;
    char order[MAX_EVENTS]; /* what was written: names, '|' before each group */
    size_t events, done;
};

static void note(struct bench *bench, char event)
{
    bench->order[bench->events++] = event;
}

static void pass_gate(struct bench *bench)
{
    if (!__atomic_load_n(&bench->hold, __ATOMIC_SEQ_CST)) return;
    sem_post(&bench->entered);
    sem_wait(&bench->may_go);
}

static void on_small(void *context, struct mail *list)
{
    struct bench *bench = context;
    pass_gate(bench);
    note(bench, '|');
    while (list) {
        struct item *item = (struct item *)list;
        list = list->next;
        note(bench, item->name);
        writer_finish(bench->writer, &item->write);
    }
}

static bool on_bulk(void *context)
{
    struct bench *bench = context;
    struct item *item = (struct item *)writer_next_bulk(bench->writer);
    if (!item) return false;
    note(bench, item->name);
    writer_finish(bench->writer, &item->write);
    return false;
}

static unsigned on_idle(void *context)
{
    (void)context;
    return 1000;
}

static void on_done(void *context, struct mail *write)
{
    (void)write;
    ((struct bench *)context)->done++;
}

static const struct writer_work work = {on_small, on_bulk, on_idle, on_done};

static int setup(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));
    sem_init(&bench->entered, 0, 0);
    sem_init(&bench->may_go, 0, 0);
    bench->base = event_base_new();
    bench->writer = writer_new(bench->base, &work, bench);
    bench->hold = true;
    writer_start(bench->writer);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    writer_destroy(&bench->writer);
    event_base_free(bench->base);
    free(bench);
    return 0;
}

static void release(struct bench *bench)
{
    __atomic_store_n(&bench->hold, false, __ATOMIC_SEQ_CST);
    sem_post(&bench->may_go);
}

static void finish(struct bench *bench, size_t count)
{
    for (int i = 0; bench->done < count && i < 1000; i++) event_base_loop(bench->base, EVLOOP_ONCE);
    assert_int_equal(bench->done, count);
}

static void what_waits_while_a_group_is_written_is_the_next_group(void **state)
{
    struct bench *bench = *state;
    struct item items[] = {{.name = 'a'}, {.name = 'b'}, {.name = 'c'}, {.name = 'd'}};
    writer_push(bench->writer, &items[0].write, false);
    sem_wait(&bench->entered);
    for (int i = 1; i < 4; i++) writer_push(bench->writer, &items[i].write, false);
    release(bench);
    finish(bench, 4);
    assert_string_equal(bench->order, "|a|bcd");
}

static void small_writes_pass_bulk_ones(void **state)
{
    struct bench *bench = *state;
    struct item items[] = {{.name = 'a'}, {.name = 'B'}, {.name = 'C'}, {.name = 'd'}};
    writer_push(bench->writer, &items[0].write, false);
    sem_wait(&bench->entered);
    writer_push(bench->writer, &items[1].write, true);
    writer_push(bench->writer, &items[2].write, true);
    writer_push(bench->writer, &items[3].write, false);
    release(bench);
    finish(bench, 4);
    assert_string_equal(bench->order, "|a|dBC");
}

static void the_end_finishes_what_was_pushed(void **state)
{
    struct bench *bench = *state;
    struct item items[3] = {{.name = 'a'}, {.name = 'B'}, {.name = 'c'}};
    writer_push(bench->writer, &items[0].write, false);
    sem_wait(&bench->entered);
    writer_push(bench->writer, &items[1].write, true);
    writer_push(bench->writer, &items[2].write, false);
    release(bench);
    writer_destroy(&bench->writer);
    assert_int_equal(bench->done, 3);
}

#define WRITER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WRITER_TEST(what_waits_while_a_group_is_written_is_the_next_group),
        WRITER_TEST(small_writes_pass_bulk_ones),
        WRITER_TEST(the_end_finishes_what_was_pushed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
