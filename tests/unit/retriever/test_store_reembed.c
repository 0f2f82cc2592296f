/* A portfolio goes from one embedder to another: the old vectors answer until the new ones are all
 * there, nobody ever sees both, and whatever is killed in between, the rest is made. Vectors of A
 * point along the first axis, those of B along the second, those of C along the third. */
#include "store_fixture.h"

#define A "hashing-1"
#define B "openai/text-embedding-3-small/384"
#define C "mistral/mistral-embed/384"

static const char *const embedders[] = {A, B, C};

static uint64_t portfolio_of(struct fixture *f, size_t documents)
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

static size_t axis_of(struct slice embedder)
{
    size_t axis = 0;
    while (axis < ARRAY_LEN(embedders) && !slice_equal(slice_of(embedders[axis]), embedder)) axis++;
    assert_true(axis < ARRAY_LEN(embedders));
    return axis;
}

static err_t store_leased(struct fixture *f, const struct leased *leased, struct documents *result)
{
    struct made_call made = {0};
    size_t count = leased->request.chunks.count, axis = axis_of(leased->request.embedder);
    float *vectors = arena_alloc(&f->arena, count * DIMENSIONS * sizeof(float));
    for (size_t i = 0; i < count; i++) vectors[i * DIMENSIONS + axis] = 1;
    struct embedding embedding = {
        .embedder = leased->request.embedder,
        .dimensions = DIMENSIONS,
        .count = count,
        .vectors = {(const char *)vectors, count * DIMENSIONS * sizeof(float)}};
    record_encode(index_request_type(), &leased->request, &made.request);
    record_encode(embedding_type(), &embedding, &made.embedding);
    made.call = (struct store_call){.kind = KIND_INDEX,
                                    .stage = 2,
                                    .request = buffer_slice(&made.request),
                                    .embedding = buffer_slice(&made.embedding),
                                    .done = made_done,
                                    .context = &made};
    store_call(f->store, &made.call);
    return call_end(f, &made, NULL, result);
}

/* One batch; false when nothing could be leased. */
static bool embed_some(struct fixture *f, uint64_t id)
{
    struct documents result;
    struct leased leased = lease_batch(f, id, NULL);
    if (!leased.request.chunks.count) return false;
    assert_int_equal(store_leased(f, &leased, &result), OK);
    return true;
}

static void embed_all(struct fixture *f, uint64_t id)
{
    size_t batches = 0;
    while (embed_some(f, id)) assert_true(++batches < 100);
}

static struct portfolio portfolio_of_id(struct fixture *f, uint64_t id)
{
    struct portfolio got;
    assert_int_equal(call(f, KIND_PORTFOLIO_GET, &(struct select){.id = id}, &got), OK);
    return got;
}

static struct portfolio reembed(struct fixture *f, uint64_t id, const char *embedder)
{
    struct portfolio got;
    struct put_portfolio put = {.id = id, .portfolio = {.embedder = slice_of(embedder)}};
    assert_int_equal(call(f, KIND_PORTFOLIO_REEMBED, &put, &got), OK);
    return got;
}

static void assert_progress(struct fixture *f, uint64_t id, const char *answers, const char *made,
                            uint64_t done, uint64_t total)
{
    struct portfolio got = portfolio_of_id(f, id);
    assert_text(got.embedder, answers);
    assert_text(got.embedding.embedder, made);
    assert_int_equal(got.embedding.done, done);
    assert_int_equal(got.embedding.total, total);
}

/* Gives back a batch that came to nothing. */
static struct released release_batch(struct fixture *f, const struct leased *leased,
                                     const char *code)
{
    struct buffer lease = {0};
    struct released released;
    record_encode(index_request_type(), &leased->request, &lease);
    struct release release = {.error = slice_of(code), .lease = buffer_slice(&lease)};
    assert_int_equal(call(f, KIND_INDEX_RELEASE, &release, &released), OK);
    buffer_free(&lease);
    return released;
}

/* --- what a search would see --- */

struct memory {
    size_t chunks, counts[ARRAY_LEN(embedders)]; /* vectors by whose they are */
    char embedder[256];
    uint64_t seen[4096];
    struct store_refresh refresh;
    err_t error;
    bool done;
};

static void memory_begin(void *context, bool whole, struct slice embedder)
{
    struct memory *memory = context;
    snprintf(memory->embedder, sizeof(memory->embedder), "%.*s", (int)embedder.len, embedder.ptr);
    if (!whole) return;
    memory->chunks = 0;
    memset(memory->counts, 0, sizeof(memory->counts));
    memset(memory->seen, 0, sizeof(memory->seen));
}

/* seen: 0 unknown, 1 without a vector, 2 + axis with one */
static void memory_remove(void *context, uint64_t id)
{
    struct memory *memory = context;
    assert_true(id < ARRAY_LEN(memory->seen));
    if (!memory->seen[id]) return;
    memory->chunks--;
    if (memory->seen[id] > 1) memory->counts[memory->seen[id] - 2]--;
    memory->seen[id] = 0;
}

static void memory_put(void *context, const struct resident_chunk *chunk)
{
    struct memory *memory = context;
    memory_remove(context, chunk->id);
    memory->chunks++;
    memory->seen[chunk->id] = 1;
    if (!chunk->vector) return;
    size_t axis = 0;
    while (axis < ARRAY_LEN(embedders) && chunk->vector[axis] < .5F) axis++;
    assert_true(axis < ARRAY_LEN(embedders));
    memory->counts[axis]++;
    memory->seen[chunk->id] = 2 + axis;
}

static void memory_end(void *context, err_t error, uint64_t version)
{
    struct memory *memory = context;
    memory->error = error;
    memory->done = true;
    memory->refresh.since = version;
    memory->refresh.embedder = slice_of(memory->embedder);
}

/* Brings memory up to date; it then holds vectors of one embedder only, the portfolio's. */
static void refresh_memory(struct fixture *f, struct memory *memory, uint64_t id)
{
    static const struct store_sink sink = {memory_begin, memory_put, memory_remove, memory_end};
    memory->done = false;
    memory->refresh.portfolio_id = id;
    memory->refresh.sink = &sink;
    memory->refresh.context = memory;
    store_refresh(f->store, &memory->refresh);
    fixture_wait(f, &memory->done);
    assert_int_equal(memory->error, OK);
    for (size_t i = 0; i < ARRAY_LEN(embedders); i++)
        if (strcmp(memory->embedder, embedders[i]) != 0) assert_int_equal(memory->counts[i], 0);
}

static void assert_memory(struct fixture *f, struct memory *memory, uint64_t id, size_t a, size_t b)
{
    refresh_memory(f, memory, id);
    assert_int_equal(memory->counts[0], a);
    assert_int_equal(memory->counts[1], b);
}

/* Everything that a process held is gone. */
static void restart(struct fixture *f, struct memory *memory)
{
    store_close(&f->store);
    assert_int_equal(fixture_open(f, &f->store), OK);
    *memory = (struct memory){0};
}

/* --- the tests --- */

static void the_old_vectors_answer_until_the_last_new_one_is_there(void **state)
{
    struct fixture *f = *state;
    struct memory *memory = xcalloc(1, sizeof(*memory));
    uint64_t id = portfolio_of(f, 150);
    embed_all(f, id);
    assert_memory(f, memory, id, 150, 0);
    reembed(f, id, B);
    assert_progress(f, id, A, B, 0, 150);
    for (size_t done = 64; done < 150; done += 64) {
        assert_true(embed_some(f, id));
        assert_progress(f, id, A, B, done, 150);
        assert_memory(f, memory, id, 150, 0);
    }
    assert_true(embed_some(f, id));
    assert_progress(f, id, B, B, 150, 150);
    assert_memory(f, memory, id, 0, 150);
    assert_false(embed_some(f, id));
    free(memory);
}

static void documents_stay_stored_and_their_version_is_told_once(void **state)
{
    struct fixture *f = *state;
    struct documents list;
    uint64_t id = portfolio_of(f, 3);
    embed_all(f, id);
    uint64_t version = portfolio_version(f, id);
    reembed(f, id, B);
    assert_int_equal(call(f, KIND_DOCUMENT_LIST, &(struct select){.portfolio_id = id}, &list), OK);
    for (size_t i = 0; i < list.data.count; i++)
        assert_text(((struct document *)list.data.items)[i].status, "stored");
    embed_all(f, id);
    assert_int_equal(portfolio_version(f, id), version + 1);
}

static void a_change_of_embedder_is_announced(void **state)
{
    struct fixture *f = *state;
    uint64_t id = portfolio_of(f, 1), until = clock_ms() + 5000;
    bool told = false;
    embed_all(f, id);
    reembed(f, id, B);
    embed_all(f, id);
    while (!told && clock_ms() < until) {
        event_base_loop(f->base, EVLOOP_ONCE);
        for (size_t i = 0; i < f->heard.count; i++)
            told = told || (slice_equal(f->heard.versions[i].kind, SLICE("embedder")) &&
                            f->heard.versions[i].id == id);
    }
    assert_true(told);
}

static void a_document_that_arrives_meanwhile_gets_the_vectors_of_both(void **state)
{
    struct fixture *f = *state;
    struct memory *memory = xcalloc(1, sizeof(*memory));
    struct document made, got;
    uint64_t id = portfolio_of(f, 70);
    embed_all(f, id);
    reembed(f, id, B);
    assert_true(embed_some(f, id));
    assert_int_equal(put_document(f, id, "late", "A late one.", &made), OK);
    assert_true(embed_some(f, id)); /* of the old embedder first: it answers */
    assert_memory(f, memory, id, 71, 0);
    assert_int_equal(call(f, KIND_DOCUMENT_GET, &(struct select){.id = made.id}, &got), OK);
    assert_text(got.status, "stored");
    embed_all(f, id);
    assert_memory(f, memory, id, 0, 71);
    free(memory);
}

static void the_switch_waits_for_a_document_replaced_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct document made;
    uint64_t id = make_portfolio(f, NULL);
    assert_int_equal(put_document(f, id, "a", "The old words.", &made), OK);
    embed_all(f, id);
    reembed(f, id, B);
    struct leased leased = lease_batch(f, id, NULL);
    assert_text(leased.request.embedder, B);
    assert_int_equal(put_document(f, id, "a", "The new words.", &made), OK);
    assert_int_equal(store_leased(f, &leased, NULL), OK);
    assert_progress(f, id, A, B, 0, 1);
    embed_all(f, id);
    assert_progress(f, id, B, B, 1, 1);
}

static void deleting_what_it_waits_for_completes_it(void **state)
{
    struct fixture *f = *state;
    struct document made;
    uint64_t id = make_portfolio(f, NULL);
    assert_int_equal(put_document(f, id, "a", "Words.", &made), OK);
    embed_all(f, id);
    reembed(f, id, B);
    assert_int_equal(call(f, KIND_DOCUMENT_DELETE, &(struct select){.id = made.id}, NULL), OK);
    assert_progress(f, id, B, B, 0, 0);
}

static void an_empty_portfolio_changes_at_once(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    assert_text(reembed(f, id, B).embedder, B);
}

static void it_goes_on_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct memory *memory = xcalloc(1, sizeof(*memory));
    uint64_t id = portfolio_of(f, 150);
    embed_all(f, id);
    reembed(f, id, B);
    assert_true(embed_some(f, id));
    restart(f, memory);
    assert_progress(f, id, A, B, 64, 150);
    assert_memory(f, memory, id, 150, 0);
    f->heard.pending = 0;
    uint64_t until = clock_ms() + 5000;
    while (!f->heard.pending && clock_ms() < until) event_base_loop(f->base, EVLOOP_ONCE);
    assert_int_equal(f->heard.pending, id);
    embed_all(f, id);
    restart(f, memory);
    assert_progress(f, id, B, B, 150, 150);
    assert_memory(f, memory, id, 0, 150);
    free(memory);
}

static void another_embedder_replaces_the_one_under_way(void **state)
{
    struct fixture *f = *state;
    struct memory *memory = xcalloc(1, sizeof(*memory));
    uint64_t id = portfolio_of(f, 100);
    embed_all(f, id);
    reembed(f, id, B);
    assert_true(embed_some(f, id));
    struct leased late = lease_batch(f, id, NULL);
    assert_text(late.request.embedder, B);
    reembed(f, id, C);
    assert_progress(f, id, A, C, 0, 100);
    assert_int_equal(store_leased(f, &late, NULL), OK); /* B's: nobody wants them any more */
    assert_progress(f, id, A, C, 0, 100);
    embed_all(f, id);
    refresh_memory(f, memory, id);
    assert_int_equal(memory->counts[2], 100);
    free(memory);
}

static void the_embedder_that_answers_ends_a_rebuild(void **state)
{
    struct fixture *f = *state;
    struct memory *memory = xcalloc(1, sizeof(*memory));
    uint64_t id = portfolio_of(f, 100);
    embed_all(f, id);
    reembed(f, id, B);
    assert_true(embed_some(f, id));
    reembed(f, id, A);
    assert_progress(f, id, A, A, 100, 100);
    assert_false(embed_some(f, id));
    assert_memory(f, memory, id, 100, 0);
    free(memory);
}

static void asking_twice_goes_on_where_it_was(void **state)
{
    struct fixture *f = *state;
    uint64_t id = portfolio_of(f, 100);
    embed_all(f, id);
    reembed(f, id, B);
    assert_true(embed_some(f, id));
    reembed(f, id, B);
    assert_progress(f, id, A, B, 64, 100);
}

/* Memory of before must not be completed with what has the same embedder's name again. */
static void there_and_back_leaves_nothing_of_the_other_in_memory(void **state)
{
    struct fixture *f = *state;
    struct memory *memory = xcalloc(1, sizeof(*memory));
    struct document made;
    uint64_t id = portfolio_of(f, 3);
    embed_all(f, id);
    assert_int_equal(put_document(f, id, "", "Without a vector yet.", &made), OK);
    assert_memory(f, memory, id, 3, 0);
    struct leased leased = lease_batch(f, id, NULL);
    release_batch(f, &leased, "provider_unavailable"); /* so that A's is not made before B's */
    reembed(f, id, B);
    embed_all(f, id);
    reembed(f, id, A);
    embed_all(f, id);
    assert_progress(f, id, A, A, 4, 4);
    assert_memory(f, memory, id, 4, 0);
    free(memory);
}

static void an_update_with_another_embedder_is_the_same(void **state)
{
    struct fixture *f = *state;
    struct portfolio got;
    uint64_t id = portfolio_of(f, 2);
    embed_all(f, id);
    struct put_portfolio put = {.id = id, .portfolio = {.name = SLICE("n"), .embedder = SLICE(B)}};
    assert_int_equal(call(f, KIND_PORTFOLIO_UPDATE, &put, &got), OK);
    assert_text(got.name, "n");
    assert_progress(f, id, A, B, 0, 2);
    embed_all(f, id);
    assert_progress(f, id, B, B, 2, 2);
}

static void an_unknown_embedder_is_refused_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t id = portfolio_of(f, 1);
    struct put_portfolio put = {.id = id, .portfolio = {.embedder = SLICE("telepathy")}};
    assert_int_equal(call(f, KIND_PORTFOLIO_REEMBED, &put, NULL), ERR_INVALID_FIELD);
    put.id = 999;
    assert_int_equal(call(f, KIND_PORTFOLIO_REEMBED, &put, NULL), ERR_PORTFOLIO_NOT_FOUND);
    assert_progress(f, id, A, A, 0, 1);
}

/* --- embedders that fail --- */

static void an_embedder_that_is_away_fails_no_document(void **state)
{
    struct fixture *f = *state;
    struct documents list;
    uint64_t id = portfolio_of(f, 3);
    for (int i = 0; i < 10; i++) {
        reembed(f, id, A); /* an operator who has mended it, or thinks so */
        struct leased leased = lease_batch(f, id, NULL);
        assert_int_equal(leased.request.chunks.count, 3);
        struct released released = release_batch(f, &leased, "provider_unavailable");
        assert_text(released.embedder, A);
        assert_int_equal(released.retry_ms, 1000);
    }
    struct portfolio got = portfolio_of_id(f, id);
    assert_text(got.embedding.error, "provider_unavailable");
    assert_true(got.embedding.retry_at.len > 0);
    assert_false(embed_some(f, id)); /* not yet */
    assert_int_equal(call(f, KIND_DOCUMENT_LIST, &(struct select){.portfolio_id = id}, &list), OK);
    for (size_t i = 0; i < list.data.count; i++)
        assert_text(((struct document *)list.data.items)[i].status, "indexing");
    reembed(f, id, A);
    embed_all(f, id);
    assert_progress(f, id, A, A, 3, 3);
    assert_int_equal(portfolio_of_id(f, id).embedding.error.len, 0);
}

static void texts_that_kill_their_embedder_fail_their_document_with_its_reason(void **state)
{
    struct fixture *f = *state;
    struct documents list;
    struct leased leased;
    uint64_t id = portfolio_of(f, 1);
    for (int i = 0; i < 5; i++) {
        leased = lease_batch(f, id, NULL);
        assert_int_equal(leased.request.chunks.count, 1);
        assert_int_equal(release_batch(f, &leased, "worker_died").retry_ms, 0);
    }
    assert_int_equal(lease_batch(f, id, NULL).request.chunks.count, 0);
    assert_int_equal(call(f, KIND_DOCUMENT_LIST, &(struct select){.portfolio_id = id}, &list), OK);
    const struct document *document = list.data.items;
    assert_text(document->status, "failed");
    assert_text(document->error, "worker_died");
    reembed(f, id, A); /* has another chance */
    embed_all(f, id);
    assert_int_equal(call(f, KIND_DOCUMENT_LIST, &(struct select){.portfolio_id = id}, &list), OK);
    assert_text(((struct document *)list.data.items)->status, "stored");
}

static void a_failing_next_embedder_does_not_hold_up_the_one_that_answers(void **state)
{
    struct fixture *f = *state;
    struct document made;
    uint64_t id = portfolio_of(f, 2);
    embed_all(f, id);
    reembed(f, id, B);
    struct leased leased = lease_batch(f, id, NULL);
    release_batch(f, &leased, "provider_auth");
    assert_int_equal(lease_batch(f, id, NULL).request.chunks.count, 0);
    assert_int_equal(put_document(f, id, "", "A new one.", &made), OK);
    leased = lease_batch(f, id, NULL);
    assert_text(leased.request.embedder, A);
    assert_int_equal(store_leased(f, &leased, NULL), OK);
    struct portfolio got = portfolio_of_id(f, id);
    assert_text(got.embedding.error, "provider_auth");
}

static void a_rebuild_ends_without_the_document_that_its_embedder_cannot_do(void **state)
{
    struct fixture *f = *state;
    struct memory *memory = xcalloc(1, sizeof(*memory));
    struct leased leased;
    uint64_t id = portfolio_of(f, 1);
    embed_all(f, id);
    reembed(f, id, B);
    for (int i = 0; i < 5; i++) {
        leased = lease_batch(f, id, NULL);
        release_batch(f, &leased, "embedding_invalid");
    }
    assert_int_equal(lease_batch(f, id, NULL).request.chunks.count, 0);
    refresh_memory(f, memory, id);
    assert_string_equal(memory->embedder, B);
    assert_int_equal(memory->chunks, 1); /* found by its words */
    assert_int_equal(memory->counts[0] + memory->counts[1], 0);
    free(memory);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(the_old_vectors_answer_until_the_last_new_one_is_there),
        STORE_TEST(documents_stay_stored_and_their_version_is_told_once),
        STORE_TEST(a_change_of_embedder_is_announced),
        STORE_TEST(a_document_that_arrives_meanwhile_gets_the_vectors_of_both),
        STORE_TEST(the_switch_waits_for_a_document_replaced_meanwhile),
        STORE_TEST(deleting_what_it_waits_for_completes_it),
        STORE_TEST(an_empty_portfolio_changes_at_once),
        STORE_TEST(it_goes_on_after_a_restart),
        STORE_TEST(another_embedder_replaces_the_one_under_way),
        STORE_TEST(the_embedder_that_answers_ends_a_rebuild),
        STORE_TEST(asking_twice_goes_on_where_it_was),
        STORE_TEST(there_and_back_leaves_nothing_of_the_other_in_memory),
        STORE_TEST(an_update_with_another_embedder_is_the_same),
        STORE_TEST(an_unknown_embedder_is_refused_and_changes_nothing),
        STORE_TEST(an_embedder_that_is_away_fails_no_document),
        STORE_TEST(texts_that_kill_their_embedder_fail_their_document_with_its_reason),
        STORE_TEST(a_failing_next_embedder_does_not_hold_up_the_one_that_answers),
        STORE_TEST(a_rebuild_ends_without_the_document_that_its_embedder_cannot_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
