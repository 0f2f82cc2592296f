/* The batcher under a clock of its own: texts are numbers, a vector is its text's number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "workers/embedder/batcher.h"

enum { ITEMS_MAX = 12, MS = 1000 };

/* A work with what it points to. */
struct piece {
    struct embed_work work; /* first */
    struct embed_item items[ITEMS_MAX];
    char texts[ITEMS_MAX][16];
    float vectors[ITEMS_MAX][2];
    enum { IDLE, ADDED, ENDED, CANCELLED } state;
};

static const struct backend_limits limits = {
    .texts_max = 4, .tokens_max = 100, .batches_max = 3, .gather_us = MS, .follow_us = 50 * MS};

static void piece_add(struct batcher *batcher, struct piece *piece, bool question, size_t count,
                      int first, size_t tokens, uint64_t now_us)
{
    memset(piece, 0, sizeof *piece);
    for (size_t i = 0; i < count; i++) {
        snprintf(piece->texts[i], sizeof piece->texts[i], "%d", first + (int)i);
        piece->items[i] = (struct embed_item){
            .text = slice_of(piece->texts[i]), .tokens = tokens, .vector = piece->vectors[i]};
    }
    piece->work = (struct embed_work){.items = piece->items, .count = count, .question = question};
    piece->state = ADDED;
    batcher_add(batcher, &piece->work, now_us);
}

static void embed(struct embed_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        batch->items[i].vector[0] = (float)atoi(batch->items[i].text.ptr);
        batch->items[i].vector[1] = -batch->items[i].vector[0];
    }
}

static void finish(struct batcher *batcher, struct embed_batch *batch)
{
    embed(batch);
    batcher_done(batcher, batch, OK);
}

static void piece_check(const struct piece *piece)
{
    assert_int_equal(piece->work.error, OK);
    for (size_t i = 0; i < piece->work.count; i++) {
        assert_true(piece->vectors[i][0] == (float)atoi(piece->texts[i]));
        assert_true(piece->vectors[i][1] == -piece->vectors[i][0]);
    }
}

/* --- one story each --- */

static int setup(void **state)
{
    *state = batcher_new(&limits, 2);
    return 0;
}

static int teardown(void **state)
{
    struct batcher *batcher = *state;
    batcher_destroy(&batcher);
    return 0;
}

static void questions_that_come_within_the_window_go_as_one(void **state)
{
    struct batcher *batcher = *state;
    struct piece a, b;
    piece_add(batcher, &a, true, 1, 10, 1, 0);
    assert_int_equal(batcher_wake_us(batcher), MS);
    piece_add(batcher, &b, true, 1, 20, 1, MS - 1);
    assert_null(batcher_next(batcher, MS - 1));
    struct embed_batch *batch = batcher_next(batcher, MS);
    assert_int_equal(batch->count, 2);
    assert_true(batch->question);
    assert_int_equal(batcher_wake_us(batcher), BATCHER_NEVER);
    assert_null(batcher_ended(batcher));
    finish(batcher, batch);
    assert_ptr_equal(batcher_ended(batcher), &a);
    assert_ptr_equal(batcher_ended(batcher), &b);
    assert_null(batcher_ended(batcher));
    piece_check(&a);
    piece_check(&b);
}

static void a_full_batch_does_not_wait(void **state)
{
    struct piece few, many;
    (void)state;
    static const struct {
        size_t count, tokens;
        bool full;
    } cases[] = {{3, 1, false}, {4, 1, true}, {2, 49, false}, {2, 50, true}, {1, 500, true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct batcher *batcher = batcher_new(&limits, 2);
        piece_add(batcher, &many, false, cases[i].count, 1, cases[i].tokens, 0);
        assert_int_equal(batcher_next(batcher, 0) != NULL, cases[i].full);
        batcher_destroy(&batcher);
    }
    struct batcher *batcher = batcher_new(&limits, 2);
    piece_add(batcher, &few, true, 0, 1, 1, 0);
    assert_null(batcher_next(batcher, MS));
    assert_ptr_equal(batcher_ended(batcher), &few); /* nothing to do is done */
    batcher_destroy(&batcher);
}

static void what_comes_while_a_call_is_under_way_goes_as_one_behind_it(void **state)
{
    struct batcher *batcher = *state;
    struct piece first, second, third;
    piece_add(batcher, &first, true, 1, 1, 1, 0);
    struct embed_batch *call = batcher_next(batcher, MS);
    piece_add(batcher, &second, true, 1, 2, 1, 2 * MS);
    piece_add(batcher, &third, true, 1, 3, 1, 20 * MS);
    assert_null(batcher_next(batcher, 30 * MS));
    finish(batcher, call);
    call = batcher_next(batcher, 30 * MS);
    assert_int_equal(call->count, 2);
    finish(batcher, call);
    piece_check(&third);
}

static void a_call_that_hangs_holds_others_back_for_a_while_only(void **state)
{
    struct batcher *batcher = *state;
    struct piece first, second;
    piece_add(batcher, &first, true, 1, 1, 1, 0);
    assert_non_null(batcher_next(batcher, MS));
    piece_add(batcher, &second, true, 1, 2, 1, 2 * MS);
    assert_int_equal(batcher_wake_us(batcher), 52 * MS);
    assert_null(batcher_next(batcher, 52 * MS - 1));
    assert_non_null(batcher_next(batcher, 52 * MS));
}

static void texts_of_a_job_are_split_and_joined_again_in_any_order(void **state)
{
    struct batcher *batcher = *state;
    struct embed_batch *batches[2];
    struct piece before, piece;
    piece_add(batcher, &before, false, 2, 100, 1, 0);
    piece_add(batcher, &piece, false, 6, 200, 1, 0);
    for (size_t i = 0; i < 2; i++) batches[i] = batcher_next(batcher, 0);
    assert_int_equal(batches[0]->count, 4);
    assert_int_equal(batches[1]->count, 4);
    finish(batcher, batches[1]);
    assert_null(batcher_ended(batcher));
    finish(batcher, batches[0]);
    assert_ptr_equal(batcher_ended(batcher), &before);
    assert_ptr_equal(batcher_ended(batcher), &piece);
    piece_check(&before);
    piece_check(&piece);
}

static void tokens_bound_a_batch_and_a_longer_text_goes_alone(void **state)
{
    static const size_t tokens[] = {60, 50, 40, 300, 10}, want[] = {1, 2, 1, 1};
    struct batcher *batcher = *state;
    struct piece pieces[ARRAY_LEN(tokens)];
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        piece_add(batcher, &pieces[i], false, 1, (int)i, tokens[i], 0);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct embed_batch *batch = batcher_next(batcher, MS);
        assert_int_equal(batch->count, want[i]);
        finish(batcher, batch);
    }
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) piece_check(&pieces[i]);
}

static void questions_go_first_and_have_a_slot_of_their_own(void **state)
{
    struct batcher *batcher = *state;
    struct piece passages, question;
    piece_add(batcher, &passages, false, 12, 1, 1, 0);
    assert_false(batcher_next(batcher, 0)->question);
    piece_add(batcher, &question, true, 1, 1, 1, 0);
    assert_true(batcher_next(batcher, MS)->question);
    assert_false(batcher_next(batcher, MS)->question);
    assert_null(batcher_next(batcher, MS)); /* all three slots */
    batcher_destroy(&batcher);
    *state = batcher = batcher_new(&limits, 2);
    piece_add(batcher, &passages, false, 12, 1, 1, 0);
    assert_non_null(batcher_next(batcher, 0));
    assert_non_null(batcher_next(batcher, 0));
    assert_null(batcher_next(batcher, 0)); /* the third is for questions */
}

static void with_one_slot_passages_wait_for_questions(void **state)
{
    static const struct backend_limits one = {
        .texts_max = 4, .tokens_max = 100, .batches_max = 1, .gather_us = MS};
    struct batcher *batcher = batcher_new(&one, 2);
    struct piece passages, question;
    (void)state;
    piece_add(batcher, &passages, false, 8, 1, 1, 0);
    struct embed_batch *batch = batcher_next(batcher, 0);
    assert_false(batch->question);
    piece_add(batcher, &question, true, 1, 1, 1, 0);
    assert_null(batcher_next(batcher, 2 * MS));
    finish(batcher, batch);
    assert_null(batcher_next(batcher, MS / 2)); /* it gathers; the slot is kept for it */
    batch = batcher_next(batcher, MS);
    assert_true(batch->question);
    finish(batcher, batch);
    assert_false(batcher_next(batcher, MS)->question);
    batcher_destroy(&batcher);
}

static void a_job_that_goes_leaves_the_batch_to_the_others(void **state)
{
    struct batcher *batcher = *state;
    struct piece stays, goes;
    piece_add(batcher, &stays, true, 2, 1, 1, 0);
    piece_add(batcher, &goes, true, 6, 10, 1, 0);
    struct embed_batch *batch = batcher_next(batcher, 0);
    assert_int_equal(batch->count, 4);
    batcher_cancel(batcher, &goes.work);
    memset(&goes, 0xAA, sizeof goes); /* its memory is somebody else's now */
    assert_null(batcher_unwanted(batcher));
    assert_null(batcher_next(batcher, 100 * MS)); /* nor does the rest of it go */
    finish(batcher, batch);
    assert_ptr_equal(batcher_ended(batcher), &stays);
    assert_null(batcher_ended(batcher));
    piece_check(&stays);
    assert_int_equal(((unsigned char *)&goes)[0], 0xAA);
}

static void a_batch_that_nobody_wants_is_told_once(void **state)
{
    struct batcher *batcher = *state;
    struct piece a, b;
    piece_add(batcher, &a, false, 2, 1, 1, 0);
    piece_add(batcher, &b, false, 2, 1, 1, 0);
    struct embed_batch *batch = batcher_next(batcher, 0);
    batcher_cancel(batcher, &a.work);
    assert_null(batcher_unwanted(batcher));
    batcher_cancel(batcher, &b.work);
    assert_ptr_equal(batcher_unwanted(batcher), batch);
    assert_null(batcher_unwanted(batcher));
    batcher_done(batcher, batch, ERR_CANCELLED);
    assert_null(batcher_ended(batcher));
}

static void an_error_ends_every_job_of_the_batch_and_no_other(void **state)
{
    struct batcher *batcher = *state;
    struct piece a, split, other;
    piece_add(batcher, &a, false, 2, 1, 1, 0);
    piece_add(batcher, &split, false, 6, 10, 1, 0);
    struct embed_batch *first = batcher_next(batcher, 0), *second = batcher_next(batcher, 0);
    piece_add(batcher, &other, false, 1, 50, 1, 0);
    batcher_done(batcher, first, ERR_PROVIDER_FAILED);
    assert_ptr_equal(batcher_ended(batcher), &a);
    assert_ptr_equal(batcher_ended(batcher), &split);
    assert_int_equal(a.work.error, ERR_PROVIDER_FAILED);
    assert_int_equal(split.work.error, ERR_PROVIDER_FAILED);
    assert_ptr_equal(batcher_unwanted(batcher), second); /* the rest of the split one */
    batcher_done(batcher, second, ERR_CANCELLED);
    finish(batcher, batcher_next(batcher, MS));
    assert_ptr_equal(batcher_ended(batcher), &other);
    assert_null(batcher_ended(batcher));
    piece_check(&other);
}

/* --- anything in any order --- */

enum { PIECES = 24, RUNNING_MAX = 3, TURNS = 200000 };

struct world {
    struct batcher *batcher;
    struct piece pieces[PIECES];
    struct embed_batch *running[RUNNING_MAX];
    size_t count;
    uint64_t now_us;
    uint32_t seed;
    size_t ended, failed, cancelled;
};

static uint32_t draw(struct world *world, uint32_t below)
{
    world->seed = world->seed * 1664525 + 1013904223;
    return (world->seed >> 8) % below;
}

static void do_add(struct world *world)
{
    struct piece *piece = &world->pieces[draw(world, PIECES)];
    if (piece->state == ADDED) return;
    piece_add(world->batcher, piece, draw(world, 2), draw(world, ITEMS_MAX + 1),
              (int)draw(world, 10000), 1 + draw(world, 60), world->now_us);
}

static void do_cancel(struct world *world)
{
    struct piece *piece = &world->pieces[draw(world, PIECES)];
    if (piece->state != ADDED || draw(world, 4)) return;
    batcher_cancel(world->batcher, &piece->work);
    memset(piece, 0x55, sizeof *piece);
    piece->state = CANCELLED;
    world->cancelled++;
}

static void check_batch(const struct world *world, const struct embed_batch *batch)
{
    size_t tokens = 0, passages = 0;
    for (size_t i = 0; i < batch->count; i++) tokens += batch->items[i].tokens;
    for (size_t i = 0; i < world->count; i++) passages += !world->running[i]->question;
    assert_in_range(batch->count, 1, limits.texts_max);
    assert_true(tokens <= limits.tokens_max);
    assert_true(world->count <= limits.batches_max);
    assert_true(passages < limits.batches_max);
}

static void do_start(struct world *world)
{
    struct embed_batch *batch = batcher_next(world->batcher, world->now_us);
    if (!batch) return;
    assert_true(world->count < RUNNING_MAX);
    world->running[world->count++] = batch;
    check_batch(world, batch);
}

static void do_end(struct world *world, size_t index)
{
    struct embed_batch *batch = world->running[index];
    world->running[index] = world->running[--world->count];
    if (draw(world, 10))
        finish(world->batcher, batch);
    else
        batcher_done(world->batcher, batch, ERR_PROVIDER_FAILED);
}

static void take_ended(struct world *world)
{
    struct embed_work *work;
    while ((work = batcher_ended(world->batcher))) {
        struct piece *piece = (struct piece *)work;
        assert_int_equal(piece->state, ADDED);
        piece->state = ENDED;
        if (work->error)
            world->failed++;
        else
            piece_check(piece);
        world->ended++;
    }
}

/* All batches end and none starts, until nothing is left. */
static void drain(struct world *world)
{
    for (size_t i = 0;
         i < 10000 && (world->count || batcher_wake_us(world->batcher) != BATCHER_NEVER); i++) {
        world->now_us += 100 * MS;
        do_start(world);
        if (world->count) do_end(world, 0);
        take_ended(world);
    }
    for (size_t i = 0; i < PIECES; i++) assert_int_not_equal(world->pieces[i].state, ADDED);
}

static void every_work_ends_once_with_its_own_vectors_whatever_happens(void **state)
{
    struct world *world = xcalloc(1, sizeof *world);
    world->batcher = *state;
    world->seed = 4711;
    for (size_t turn = 0; turn < TURNS; turn++) {
        world->now_us += draw(world, 400);
        switch (draw(world, 4)) {
        case 0: do_add(world); break;
        case 1: do_cancel(world); break;
        case 2: do_start(world); break;
        default:
            if (world->count) do_end(world, draw(world, (uint32_t)world->count));
        }
        (void)batcher_unwanted(world->batcher);
        take_ended(world);
    }
    drain(world);
    assert_true(world->ended > 1000 && world->failed > 100 && world->cancelled > 100);
    free(world);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORY(questions_that_come_within_the_window_go_as_one),
        cmocka_unit_test(a_full_batch_does_not_wait),
        STORY(what_comes_while_a_call_is_under_way_goes_as_one_behind_it),
        STORY(a_call_that_hangs_holds_others_back_for_a_while_only),
        STORY(texts_of_a_job_are_split_and_joined_again_in_any_order),
        STORY(tokens_bound_a_batch_and_a_longer_text_goes_alone),
        STORY(questions_go_first_and_have_a_slot_of_their_own),
        cmocka_unit_test(with_one_slot_passages_wait_for_questions),
        STORY(a_job_that_goes_leaves_the_batch_to_the_others),
        STORY(a_batch_that_nobody_wants_is_told_once),
        STORY(an_error_ends_every_job_of_the_batch_and_no_other),
        STORY(every_work_ends_once_with_its_own_vectors_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
