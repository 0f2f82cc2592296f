/* Leasing chunks that wait for vectors, and storing those. */
#include "store_fixture.h"

static uint64_t portfolio_of_documents(struct fixture *f, size_t documents)
{
    uint64_t id = make_portfolio(f, NULL);
    struct document made;
    char text[64];
    for (size_t i = 0; i < documents; i++) {
        snprintf(text, sizeof(text), "Document number %zu.", i);
        assert_int_equal(put_document(f, id, "", text, &made), OK);
    }
    return id;
}

static void a_stored_document_leaves_work_pending(void **state)
{
    struct fixture *f = *state;
    uint64_t id = portfolio_of_documents(f, 1);
    assert_int_equal(f->heard.pending, id);
    f->heard.pending = 0;
    uint64_t until = clock_ms() + 5000;
    while (!f->heard.pending && clock_ms() < until) event_base_loop(f->base, EVLOOP_ONCE);
    assert_int_equal(f->heard.pending, id); /* repeated while it waits */
}

static void a_batch_carries_texts_and_their_hashes(void **state)
{
    struct fixture *f = *state;
    uint64_t id = portfolio_of_documents(f, 3);
    struct leased leased = lease_batch(f, id, NULL);
    assert_int_equal(leased.error, OK);
    assert_int_equal(leased.request.portfolio_id, id);
    assert_text(leased.request.embedder, "hashing-1");
    assert_text(leased.request.tenant, "default");
    assert_int_equal(leased.request.chunks.count, 3);
    assert_int_equal(leased.texts.passages.count, 3);
    const struct index_chunk *chunks = leased.request.chunks.items;
    const struct passage *passages = leased.texts.passages.items;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(chunks[i].chunk_id, passages[i].chunk_id);
        assert_true(chunks[i].hash.len > 0);
    }
    assert_text(passages[0].text, "Document number 0.");
}

static void a_batch_carries_what_a_passage_is_embedded_with(void **state)
{
    struct fixture *f = *state;
    struct documents made;
    struct document given = {.title = SLICE("Guide"),
                             .source = SLICE("guide"),
                             .format = SLICE("markdown"),
                             .content = SLICE("# Install\n\n## Linux\n\nRun the script.\n")};
    struct put_documents put = {.portfolio_id = make_portfolio(f, NULL), .documents = {&given, 1}};
    assert_int_equal(call(f, KIND_DOCUMENT_PUT, &put, &made), OK);
    struct leased leased = lease_batch(f, put.portfolio_id, NULL);
    assert_int_equal(leased.texts.passages.count, 1);
    const struct passage *passage = leased.texts.passages.items;
    assert_text(passage->title, "Guide");
    assert_text(passage->heading, "Install > Linux");
    assert_non_null(memmem(passage->text.ptr, passage->text.len, "Run the script.", 15));
}

static void batches_are_bounded_and_never_overlap(void **state)
{
    struct fixture *f = *state;
    uint64_t id = portfolio_of_documents(f, 70);
    struct leased one = lease_batch(f, id, NULL), two = lease_batch(f, id, NULL);
    struct leased three = lease_batch(f, id, NULL);
    assert_int_equal(one.request.chunks.count, 64);
    assert_int_equal(two.request.chunks.count, 6);
    assert_int_equal(three.request.chunks.count, 0);
    const struct index_chunk *a = one.request.chunks.items, *b = two.request.chunks.items;
    assert_true(b[0].chunk_id > a[63].chunk_id);
}

static void stored_vectors_complete_the_document_and_reach_memory(void **state)
{
    struct fixture *f = *state;
    uint64_t id = portfolio_of_documents(f, 2);
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    struct documents result;
    struct document got;
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    assert_false(loaded->vectors[0]);
    uint64_t version = portfolio_version(f, id);
    struct leased leased = lease_batch(f, id, NULL);
    assert_int_equal(store_batch(f, &leased, "hashing-1", NULL, &result), OK);
    assert_int_equal(result.data.count, 2);
    const struct document *documents = result.data.items;
    assert_text(documents[0].status, "stored");
    assert_int_equal(call(f, KIND_DOCUMENT_GET, &(struct select){.id = documents[0].id}, &got), OK);
    assert_text(got.status, "stored");
    assert_int_equal(portfolio_version(f, id), version + 1);
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    assert_int_equal(loaded->wholes, 0);
    assert_int_equal(loaded->puts, 2);
    assert_true(loaded->vectors[0] && loaded->vectors[1]);
    assert_int_equal(lease_batch(f, id, NULL).request.chunks.count, 0);
    free(loaded);
}

static void vectors_of_a_replaced_text_are_dropped(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct document made;
    struct documents result;
    assert_int_equal(put_document(f, id, "a", "The old words.", &made), OK);
    struct leased leased = lease_batch(f, id, NULL);
    assert_int_equal(put_document(f, id, "a", "The new words.", &made), OK);
    uint64_t version = portfolio_version(f, id);
    assert_int_equal(store_batch(f, &leased, "hashing-1", NULL, &result), OK);
    assert_int_equal(result.data.count, 0);
    assert_int_equal(portfolio_version(f, id), version);
    assert_int_equal(lease_batch(f, id, NULL).request.chunks.count, 1);
}

static size_t count_vectors(const struct loaded *loaded)
{
    size_t count = 0;
    for (size_t i = 0; i < loaded->count; i++) count += loaded->vectors[i];
    return count;
}

static void vectors_are_stored_around_a_document_that_went_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    struct documents stored, list;
    uint64_t id = portfolio_of_documents(f, 30);
    struct leased leased = lease_batch(f, id, NULL);
    assert_int_equal(leased.request.chunks.count, 30);
    struct select all = {.portfolio_id = id};
    assert_int_equal(call(f, KIND_DOCUMENT_LIST, &all, &list), OK);
    uint64_t gone = ((const struct document *)list.data.items)[10].id;
    assert_int_equal(call(f, KIND_DOCUMENT_DELETE, &(struct select){.id = gone}, NULL), OK);
    assert_int_equal(store_batch(f, &leased, "hashing-1", NULL, &stored), OK);
    assert_int_equal(stored.data.count, 29);
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    assert_int_equal(count_vectors(loaded), 29);
    assert_int_equal(lease_batch(f, id, NULL).request.chunks.count, 0);
    free(loaded);
}

static void vectors_of_another_hash_are_dropped(void **state)
{
    struct fixture *f = *state;
    uint64_t id = portfolio_of_documents(f, 1);
    struct documents result;
    struct leased leased = lease_batch(f, id, NULL);
    ((struct index_chunk *)leased.request.chunks.items)->hash = SLICE("0123456789abcdef");
    assert_int_equal(store_batch(f, &leased, "hashing-1", NULL, &result), OK);
    assert_int_equal(result.data.count, 0);
}

static void vectors_of_the_wrong_shape_are_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t id = portfolio_of_documents(f, 2);
    struct leased leased = lease_batch(f, id, NULL);
    assert_int_equal(store_batch(f, &leased, "telepathy-1", NULL, NULL), ERR_EMBEDDING_INVALID);
    struct made_call made = {0};
    struct embedding embedding = {.embedder = SLICE("hashing-1"), .dimensions = 384, .count = 1};
    record_encode(index_request_type(), &leased.request, &made.request);
    record_encode(embedding_type(), &embedding, &made.embedding);
    made.call = (struct store_call){.kind = KIND_INDEX,
                                    .stage = 2,
                                    .request = buffer_slice(&made.request),
                                    .embedding = buffer_slice(&made.embedding),
                                    .done = made_done,
                                    .context = &made};
    store_call(f->store, &made.call);
    assert_int_equal(call_end(f, &made, NULL, NULL), ERR_EMBEDDING_INVALID);
}

static void a_lease_delivered_twice_leases_the_same_batch(void **state)
{
    struct fixture *f = *state;
    uint64_t id = portfolio_of_documents(f, 2);
    struct leased one = lease_batch(f, id, "op"), two = lease_batch(f, id, "op");
    assert_int_equal(two.request.chunks.count, 2);
    const struct index_chunk *a = one.request.chunks.items, *b = two.request.chunks.items;
    assert_int_equal(a[1].chunk_id, b[1].chunk_id);
    const struct passage *passages = two.texts.passages.items;
    assert_text(passages[1].text, "Document number 1.");
}

static void a_portfolio_that_is_gone_has_nothing_to_lease(void **state)
{
    struct leased leased = lease_batch(*state, 12345, NULL);
    assert_int_equal(leased.error, OK);
    assert_int_equal(leased.request.chunks.count, 0);
}

static void a_duplicate_of_the_vectors_changes_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t id = portfolio_of_documents(f, 1);
    struct documents one, two;
    struct leased leased = lease_batch(f, id, NULL);
    assert_int_equal(store_batch(f, &leased, "hashing-1", "op", &one), OK);
    uint64_t version = portfolio_version(f, id);
    assert_int_equal(store_batch(f, &leased, "hashing-1", "op", &two), OK);
    assert_int_equal(two.data.count, 1);
    assert_int_equal(portfolio_version(f, id), version);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_stored_document_leaves_work_pending),
        STORE_TEST(a_batch_carries_texts_and_their_hashes),
        STORE_TEST(a_batch_carries_what_a_passage_is_embedded_with),
        STORE_TEST(batches_are_bounded_and_never_overlap),
        STORE_TEST(stored_vectors_complete_the_document_and_reach_memory),
        STORE_TEST(vectors_of_a_replaced_text_are_dropped),
        STORE_TEST(vectors_are_stored_around_a_document_that_went_meanwhile),
        STORE_TEST(vectors_of_another_hash_are_dropped),
        STORE_TEST(vectors_of_the_wrong_shape_are_refused),
        STORE_TEST(a_lease_delivered_twice_leases_the_same_batch),
        STORE_TEST(a_portfolio_that_is_gone_has_nothing_to_lease),
        STORE_TEST(a_duplicate_of_the_vectors_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
