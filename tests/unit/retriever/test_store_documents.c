/* Documents: putting, replacing, updating, deleting, and what memory hears of it. */
#include "store_fixture.h"

static void a_document_is_stored_with_its_chunks(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL), version = portfolio_version(f, id);
    struct document made, got;
    struct portfolio portfolio;
    assert_int_equal(put_document(f, id, "a.txt", "The mill turns.", &made), OK);
    assert_text(made.status, "indexing");
    assert_int_equal(made.chunks, 1);
    assert_int_equal(made.bytes, 15);
    assert_int_equal(made.version, 1);
    assert_false(made.unchanged);
    assert_int_equal(call(f, KIND_DOCUMENT_GET, &(struct select){.id = made.id}, &got), OK);
    assert_text(got.content, "The mill turns.");
    assert_text(got.source, "a.txt");
    assert_text(got.metadata, "{}");
    assert_text(got.format, "text");
    assert_int_equal(call(f, KIND_PORTFOLIO_GET, &(struct select){.id = id}, &portfolio), OK);
    assert_int_equal(portfolio.documents, 1);
    assert_int_equal(portfolio.chunks, 1);
    assert_int_equal(portfolio.version, version + 1);
}

static void lists_leave_the_content_out(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct document made;
    struct documents list;
    assert_int_equal(put_document(f, id, "a", "Words.", &made), OK);
    struct select select = {.portfolio_id = id};
    assert_int_equal(call(f, KIND_DOCUMENT_LIST, &select, &list), OK);
    assert_int_equal(list.data.count, 1);
    assert_int_equal(((struct document *)list.data.items)->content.len, 0);
}

static void the_same_source_replaces_and_keeps_the_id(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    struct document first, second;
    struct portfolio portfolio;
    assert_int_equal(put_document(f, id, "a", "The old words.", &first), OK);
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    uint64_t old_chunk = loaded->ids[0];
    assert_int_equal(put_document(f, id, "a", "The new words.", &second), OK);
    assert_int_equal(second.id, first.id);
    assert_int_equal(second.version, 2);
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    assert_int_equal(loaded->wholes, 0);
    assert_int_equal(loaded->count, 1);
    assert_int_not_equal(loaded->ids[0], old_chunk);
    assert_int_equal(call(f, KIND_PORTFOLIO_GET, &(struct select){.id = id}, &portfolio), OK);
    assert_int_equal(portfolio.documents, 1);
    assert_int_equal(portfolio.chunks, 1);
    free(loaded);
}

static void what_is_there_already_stays_as_it_is(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct document first, second;
    assert_int_equal(put_document(f, id, "a", "The words.", &first), OK);
    uint64_t version = portfolio_version(f, id);
    assert_int_equal(put_document(f, id, "a", "The words.", &second), OK);
    assert_true(second.unchanged);
    assert_int_equal(second.id, first.id);
    assert_int_equal(portfolio_version(f, id), version);
}

static void without_a_source_every_document_is_another(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct document first, second;
    assert_int_equal(put_document(f, id, "", "The words.", &first), OK);
    assert_int_equal(put_document(f, id, "", "The words.", &second), OK);
    assert_int_not_equal(first.id, second.id);
}

static void the_same_source_in_another_portfolio_is_another_document(void **state)
{
    struct fixture *f = *state;
    struct document first, second;
    assert_int_equal(put_document(f, make_portfolio(f, NULL), "a", "The words.", &first), OK);
    assert_int_equal(put_document(f, make_portfolio(f, NULL), "a", "The words.", &second), OK);
    assert_int_not_equal(first.id, second.id);
}

static void a_single_bad_document_fails_the_call(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    char *large = xmalloc(100002);
    memset(large, 'x', 100001);
    large[100001] = '\0';
    const struct {
        const char *content;
        err_t want;
    } table[] = {
        {"", ERR_DOCUMENT_EMPTY}, {"  \n ", ERR_DOCUMENT_EMPTY}, {large, ERR_DOCUMENT_TOO_LARGE}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_int_equal(put_document(f, id, "a", table[i].content, NULL), table[i].want);
    free(large);
    assert_int_equal(put_document(f, 999, "a", "Words.", NULL), ERR_PORTFOLIO_NOT_FOUND);
}

static void of_many_documents_the_good_ones_are_stored(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct documents made;
    struct document given[] = {
        {.content = SLICE("Good words."), .source = SLICE("a")},
        {.content = SLICE(""), .source = SLICE("b"), .title = SLICE("Bad")},
        {.content = SLICE("More words."), .source = SLICE("c")},
        {.content = SLICE("Good words."), .source = SLICE("a")},
        {.content = SLICE("x"), .format = SLICE("pdf")},
    };
    struct put_documents put = {.portfolio_id = id, .documents = {given, ARRAY_LEN(given)}};
    assert_int_equal(call(f, KIND_DOCUMENT_PUT, &put, &made), OK);
    const struct document *got = made.data.items;
    assert_int_equal(made.data.count, ARRAY_LEN(given));
    assert_text(got[0].status, "indexing");
    assert_text(got[1].status, "failed");
    assert_text(got[1].error, "document_empty");
    assert_text(got[1].title, "Bad");
    assert_int_equal(got[1].id, 0);
    assert_text(got[2].status, "indexing");
    assert_true(got[3].unchanged);
    assert_int_equal(got[3].id, got[0].id);
    assert_text(got[4].error, "invalid_field");
    struct documents list;
    struct select select = {.portfolio_id = id};
    assert_int_equal(call(f, KIND_DOCUMENT_LIST, &select, &list), OK);
    assert_int_equal(list.data.count, 2);
}

/* A call is stored set by set where it is larger than one. */
static void a_call_of_more_documents_than_a_set_is_stored_whole_and_once(void **state)
{
    enum { COUNT = 150, BAD = 70 };
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct documents first, second;
    struct portfolio portfolio;
    struct document given[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        char *text = arena_printf(&f->arena, "Words of number %zu.", i);
        given[i] = (struct document){.content = slice_of(i == BAD ? "" : text),
                                     .source = slice_of(arena_printf(&f->arena, "s-%zu", i))};
    }
    struct put_documents put = {.portfolio_id = id, .documents = {given, COUNT}};
    assert_int_equal(call_on(f, f->store, KIND_DOCUMENT_PUT, "op", &put, &first), OK);
    assert_int_equal(call_on(f, f->store, KIND_DOCUMENT_PUT, "op", &put, &second), OK);
    const struct document *one = first.data.items, *two = second.data.items;
    for (size_t i = 0; i < COUNT; i++) {
        assert_text(one[i].error, i == BAD ? "document_empty" : "");
        assert_true(slice_equal(one[i].source, given[i].source));
        assert_int_equal(one[i].id, two[i].id);
        assert_false(two[i].unchanged);
    }
    assert_int_equal(call(f, KIND_PORTFOLIO_GET, &(struct select){.id = id}, &portfolio), OK);
    assert_int_equal(portfolio.documents, COUNT - 1);
    assert_int_equal(portfolio.chunks, COUNT - 1);
}

static void a_put_delivered_twice_answers_the_first_result(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct documents first, second;
    struct document given[] = {{.content = SLICE("One.")}, {.content = SLICE("Two.")}};
    struct put_documents put = {.portfolio_id = id, .documents = {given, 2}};
    assert_int_equal(call_on(f, f->store, KIND_DOCUMENT_PUT, "op", &put, &first), OK);
    assert_int_equal(call_on(f, f->store, KIND_DOCUMENT_PUT, "op", &put, &second), OK);
    for (size_t i = 0; i < 2; i++) {
        const struct document *one = (struct document *)first.data.items + i;
        const struct document *two = (struct document *)second.data.items + i;
        assert_int_equal(one->id, two->id);
        assert_false(two->unchanged);
    }
    struct portfolio portfolio;
    assert_int_equal(call(f, KIND_PORTFOLIO_GET, &(struct select){.id = id}, &portfolio), OK);
    assert_int_equal(portfolio.documents, 2);
}

static void an_update_keeps_what_it_does_not_name(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct document made, got;
    struct documents result;
    assert_int_equal(put_document(f, id, "a", "The words.", &made), OK);
    struct document change = {.id = made.id, .title = SLICE("New title")};
    struct put_documents put = {.portfolio_id = id, .documents = {&change, 1}};
    assert_int_equal(call(f, KIND_DOCUMENT_UPDATE, &put, &result), OK);
    assert_int_equal(call(f, KIND_DOCUMENT_GET, &(struct select){.id = made.id}, &got), OK);
    assert_text(got.title, "New title");
    assert_text(got.content, "The words.");
    assert_text(got.source, "a");
    assert_int_equal(got.version, 2);
    change.id = 999;
    assert_int_equal(call(f, KIND_DOCUMENT_UPDATE, &put, NULL), ERR_DOCUMENT_NOT_FOUND);
}

static void an_update_cannot_take_anothers_source(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct document one, two;
    assert_int_equal(put_document(f, id, "a", "One.", &one), OK);
    assert_int_equal(put_document(f, id, "b", "Two.", &two), OK);
    struct document change = {.id = two.id, .source = SLICE("a")};
    struct put_documents put = {.portfolio_id = id, .documents = {&change, 1}};
    assert_int_equal(call(f, KIND_DOCUMENT_UPDATE, &put, NULL), ERR_INVALID_FIELD);
}

static void a_deleted_document_leaves_memory_too(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    struct document one, two;
    struct portfolio portfolio;
    assert_int_equal(put_document(f, id, "a", "One.", &one), OK);
    assert_int_equal(put_document(f, id, "b", "Two.", &two), OK);
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    assert_int_equal(loaded->wholes, 1);
    assert_int_equal(loaded->count, 2);
    struct select select = {.id = one.id, .portfolio_id = id};
    assert_int_equal(call(f, KIND_DOCUMENT_DELETE, &select, NULL), OK);
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    assert_int_equal(loaded->removes, 1);
    assert_int_equal(loaded->count, 1);
    assert_int_equal(loaded->documents[0], two.id);
    assert_int_equal(call(f, KIND_PORTFOLIO_GET, &(struct select){.id = id}, &portfolio), OK);
    assert_int_equal(portfolio.documents, 1);
    assert_int_equal(portfolio.chunks, 1);
    free(loaded);
}

static void a_refresh_tells_only_what_is_new(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    struct document made;
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(put_document(f, id, "", "Some words.", &made), OK);
        assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
        assert_int_equal(loaded->puts, 1);
        assert_int_equal(loaded->wholes, 0);
        assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
        assert_int_equal(loaded->begins, 0);
    }
    assert_int_equal(loaded->count, 10);
    free(loaded);
}

static void two_handles_see_each_others_changes_at_once(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct store *other;
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    struct document made, got;
    assert_int_equal(fixture_open(f, &other), OK);
    assert_int_equal(refresh_on(f, other, loaded, id), OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(put_document(f, id, "", "Some words.", &made), OK);
        assert_int_equal(
            call_on(f, other, KIND_DOCUMENT_GET, NULL, &(struct select){.id = made.id}, &got), OK);
        assert_int_equal(refresh_on(f, other, loaded, id), OK);
        assert_int_equal(loaded->count, i + 1);
    }
    store_close(&other);
    free(loaded);
}

static void on_fetched(struct store_passages *passages)
{
    struct passage *items = passages->passages.items;
    for (size_t i = 0; i < passages->passages.count; i++)
        items[i].text = arena_slice(passages->arena, items[i].text);
    *(bool *)passages->context = true;
}

static void fetch(struct fixture *f, struct store_passages *wanted)
{
    bool done = false;
    wanted->done = on_fetched;
    wanted->context = &done;
    store_passages(f->store, wanted);
    fixture_wait(f, &done);
}

static struct slice long_text(struct arena *arena, size_t sections)
{
    struct buffer text = {0};
    for (size_t i = 0; i < sections; i++)
        buffer_printf(&text, "# Section %zu\n\nThe wheel number %zu turns in its race all day.\n\n",
                      i, i);
    struct slice copy = arena_slice(arena, buffer_slice(&text));
    buffer_free(&text);
    return copy;
}

/* Every passage is the document's own text between its start and its end, also one that spans
 * several chunks. */
static void passages_are_the_documents_text(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct document given = {
        .content = long_text(&f->arena, 400), .format = SLICE("markdown"), .source = SLICE("a")};
    struct put_documents put = {.portfolio_id = id, .documents = {&given, 1}};
    struct documents made;
    assert_int_equal(call(f, KIND_DOCUMENT_PUT, &put, &made), OK);
    const struct document *document = made.data.items;
    assert_true(document->chunks >= 20); /* so many go in by COPY */
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    struct resident_hit hits[2] = {
        {.chunk_id = loaded->ids[1],
         .document_id = document->id,
         .start = 100,
         .end = 1500,
         .first = 0,
         .last = (uint32_t)document->chunks - 1,
         .score = 1},
        {.chunk_id = 99999, .document_id = document->id},
    };
    struct store_passages wanted = {.hits = hits, .count = 2, .arena = &f->arena};
    free(loaded);
    for (size_t i = 0; i < 2; i++) { /* read, then remembered */
        fetch(f, &wanted);
        assert_int_equal(wanted.error, OK);
        assert_int_equal(wanted.passages.count, 1);
        const struct passage *passage = wanted.passages.items;
        assert_int_equal(passage->text.len, 1400);
        assert_memory_equal(passage->text.ptr, given.content.ptr + 100, 1400);
    }
}

static void the_best_passage_is_cut_to_the_budget_and_the_others_left_out(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct document made;
    assert_int_equal(put_document(f, id, "a", "El molino gir\xc3\xb3 despacio.", &made), OK);
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    assert_int_equal(refresh_on(f, f->store, loaded, id), OK);
    struct resident_hit hit = {.chunk_id = loaded->ids[0], .document_id = made.id, .end = 25};
    struct resident_hit hits[2] = {hit, hit};
    free(loaded);
    struct store_passages wanted = {
        .hits = hits, .count = 2, .arena = &f->arena, .characters_max = 14};
    fetch(f, &wanted);
    assert_int_equal(wanted.passages.count, 1);
    const struct passage *passage = wanted.passages.items;
    assert_text(passage->text, "El molino gir\xc3\xb3");
    assert_int_equal(passage->end, 15);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_document_is_stored_with_its_chunks),
        STORE_TEST(lists_leave_the_content_out),
        STORE_TEST(the_same_source_replaces_and_keeps_the_id),
        STORE_TEST(what_is_there_already_stays_as_it_is),
        STORE_TEST(without_a_source_every_document_is_another),
        STORE_TEST(the_same_source_in_another_portfolio_is_another_document),
        STORE_TEST(a_single_bad_document_fails_the_call),
        STORE_TEST(of_many_documents_the_good_ones_are_stored),
        STORE_TEST(a_call_of_more_documents_than_a_set_is_stored_whole_and_once),
        STORE_TEST(a_put_delivered_twice_answers_the_first_result),
        STORE_TEST(an_update_keeps_what_it_does_not_name),
        STORE_TEST(an_update_cannot_take_anothers_source),
        STORE_TEST(a_deleted_document_leaves_memory_too),
        STORE_TEST(a_refresh_tells_only_what_is_new),
        STORE_TEST(two_handles_see_each_others_changes_at_once),
        STORE_TEST(passages_are_the_documents_text),
        STORE_TEST(the_best_passage_is_cut_to_the_budget_and_the_others_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
