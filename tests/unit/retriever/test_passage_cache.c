/* What was read is given again as it was, to its own tenant, within its bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "workers/retriever/passage_cache.h"

static const struct passage read_passage = {
    .title = SLICE("Mills"),
    .heading = SLICE("Wheels"),
    .source = SLICE("mills.md"),
    .text = SLICE("The wheel turns in its race all day."),
};

static void put(struct passage_cache *cache, const char *tenant, uint64_t chunk_id, uint32_t last)
{
    struct resident_hit hit = {.chunk_id = chunk_id, .last = last};
    passage_cache_put(cache, slice_of(tenant), &hit, &read_passage);
}

static bool has(struct passage_cache *cache, const char *tenant, uint64_t chunk_id, uint32_t last)
{
    struct resident_hit hit = {.chunk_id = chunk_id, .last = last};
    struct passage passage;
    return passage_cache_find(cache, slice_of(tenant), &hit, &passage);
}

static void what_was_put_is_found_with_the_new_hits_scores(void **state)
{
    struct passage_cache *cache = passage_cache_new(4096);
    struct resident_hit hit = {.chunk_id = 7,
                               .document_id = 3,
                               .start = 100,
                               .end = 999,
                               .first = 4,
                               .last = 5,
                               .score = 0.5f,
                               .vector = 0.25f,
                               .bm25 = 0.75f};
    struct passage got;
    (void)state;
    assert_false(passage_cache_find(cache, SLICE("a"), &hit, &got));
    passage_cache_put(cache, SLICE("a"), &hit, &read_passage);
    hit.score = 1;
    assert_true(passage_cache_find(cache, SLICE("a"), &hit, &got));
    passage_cache_put(cache, SLICE("b"), &hit, &read_passage); /* takes the place */
    assert_true(slice_equal(got.title, read_passage.title));
    assert_true(slice_equal(got.heading, read_passage.heading));
    assert_true(slice_equal(got.source, read_passage.source));
    assert_true(slice_equal(got.text, read_passage.text));
    assert_int_equal(got.chunk_id, 7);
    assert_int_equal(got.document_id, 3);
    assert_int_equal(got.start, 100);
    assert_int_equal(got.end, 100 + read_passage.text.len);
    assert_true(got.score == 1 && got.scores.vector == 0.25f && got.scores.bm25 == 0.75f);
    passage_cache_destroy(&cache);
}

static void another_tenant_or_span_does_not_find_it(void **state)
{
    struct passage_cache *cache = passage_cache_new(4096);
    (void)state;
    put(cache, "a", 7, 1);
    assert_true(has(cache, "a", 7, 1));
    assert_false(has(cache, "b", 7, 1));
    assert_false(has(cache, "a", 7, 2));
    assert_false(has(cache, "a", 8, 1));
    passage_cache_destroy(&cache);
}

static void the_bytes_are_kept_and_the_newest_is_there(void **state)
{
    enum { BYTES = 4096, MANY = 100000 };
    struct passage_cache *cache = passage_cache_new(BYTES);
    (void)state;
    for (uint64_t id = 1; id <= MANY; id++) {
        put(cache, "a", id, 0);
        assert_true(passage_cache_bytes(cache) <= BYTES);
        assert_true(has(cache, "a", id, 0));
    }
    assert_false(has(cache, "a", 1, 0));
    passage_cache_destroy(&cache);
}

static void texts_stay_until_the_sweep(void **state)
{
    struct passage_cache *cache = passage_cache_new(300); /* for one */
    struct resident_hit hit = {.chunk_id = 1};
    struct passage got;
    (void)state;
    put(cache, "a", 1, 0);
    assert_true(passage_cache_find(cache, SLICE("a"), &hit, &got));
    put(cache, "a", 2, 0);
    assert_false(has(cache, "a", 1, 0));
    assert_true(slice_equal(got.text, read_passage.text));
    passage_cache_sweep(cache);
    assert_true(has(cache, "a", 2, 0));
    passage_cache_destroy(&cache);
}

static void one_that_is_too_large_is_left_out(void **state)
{
    struct passage_cache *cache = passage_cache_new(64);
    (void)state;
    put(cache, "a", 1, 0);
    assert_false(has(cache, "a", 1, 0));
    assert_int_equal(passage_cache_bytes(cache), 0);
    passage_cache_destroy(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_with_the_new_hits_scores),
        cmocka_unit_test(another_tenant_or_span_does_not_find_it),
        cmocka_unit_test(the_bytes_are_kept_and_the_newest_is_there),
        cmocka_unit_test(texts_stay_until_the_sweep),
        cmocka_unit_test(one_that_is_too_large_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
