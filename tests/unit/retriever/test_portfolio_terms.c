/* What a question knows of a portfolio that the store searches, as the store tells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "workers/retriever/portfolio_terms.h"

static void tell(struct portfolio_terms *terms, uint64_t version, const char *term, uint64_t chunks)
{
    portfolio_terms_begin(terms, version == 1);
    portfolio_terms_put(terms, slice_of(term), chunks);
    portfolio_terms_put_language(terms, SLICE("en"), 10);
    assert_true(portfolio_terms_end(terms, version, 10, 100));
}

/* The term of a question's only concept; empty: it has none. */
static struct slice read_one(struct portfolio_terms *terms, const char *question)
{
    static struct query query;
    portfolio_terms_read(terms, slice_of(question), language_find(SLICE("en")), &query);
    assert_true(query.count <= 1);
    if (!query.count) return (struct slice){0};
    assert_int_equal(query.concepts[0].count, 1);
    return lexicon_text(portfolio_terms_corpus(terms)->lexicon, query.concepts[0].terms[0]);
}

static void assert_read(struct portfolio_terms *terms, const char *question, const char *want)
{
    struct slice got = read_one(terms, question);
    if (!slice_equal(got, slice_of(want)))
        fail_msg("%s: %.*s, not %s", question, (int)got.len, got.ptr, want);
}

static void nothing_is_known_before_it_is_told_and_after_it_is_forgotten(void **state)
{
    struct portfolio_terms *terms = portfolio_terms_new();
    (void)state;
    size_t empty = portfolio_terms_bytes(terms);
    assert_read(terms, "granite", "");
    tell(terms, 1, "granit", 3);
    assert_read(terms, "granite", "granit");
    assert_int_equal(portfolio_terms_version(terms), 1);
    assert_true(portfolio_terms_bytes(terms) > empty);
    portfolio_terms_clear(terms);
    assert_read(terms, "granite", "");
    assert_int_equal(portfolio_terms_version(terms), 0);
    assert_int_equal(portfolio_terms_bytes(terms), empty);
    portfolio_terms_destroy(&terms);
}

static void corrections_follow_what_is_told(void **state)
{
    struct portfolio_terms *terms = portfolio_terms_new();
    (void)state;
    tell(terms, 1, "granit", 3);
    assert_read(terms, "grannit", "granit");
    tell(terms, 2, "grannit", 1);
    assert_read(terms, "grannit", "grannit");
    tell(terms, 3, "grannit", 0); /* its last chunk has gone */
    assert_read(terms, "grannit", "granit");
    tell(terms, 3, "grannit", 0);
    assert_read(terms, "grannit", "granit");
    portfolio_terms_begin(terms, true); /* all of another kind */
    portfolio_terms_put(terms, SLICE("basalt"), 2);
    portfolio_terms_put_language(terms, SLICE("en"), 2);
    assert_true(portfolio_terms_end(terms, 4, 2, 20));
    assert_read(terms, "granite", "");
    assert_read(terms, "bassalt", "basalt");
    portfolio_terms_destroy(&terms);
}

static void words_are_read_in_the_languages_that_chunks_have(void **state)
{
    struct portfolio_terms *terms = portfolio_terms_new();
    (void)state;
    tell(terms, 1, "gat", 3); /* gato and gatos by their Spanish stem */
    assert_read(terms, "gatos", "");
    portfolio_terms_begin(terms, false);
    portfolio_terms_put_language(terms, SLICE("es"), 3);
    assert_true(portfolio_terms_end(terms, 2, 10, 100));
    assert_read(terms, "gatos", "gat");
    portfolio_terms_begin(terms, false);
    portfolio_terms_put_language(terms, SLICE("es"), 0);
    assert_true(portfolio_terms_end(terms, 3, 10, 100));
    assert_read(terms, "gatos", "");
    portfolio_terms_destroy(&terms);
}

static void terms_beyond_the_bound_are_told_of_and_not_held(void **state)
{
    struct portfolio_terms *terms = portfolio_terms_new();
    char term[24];
    (void)state;
    portfolio_terms_begin(terms, true);
    portfolio_terms_put_language(terms, SLICE("en"), 1);
    for (size_t i = 0; i <= PORTFOLIO_TERMS_MAX; i++) {
        int len = snprintf(term, sizeof(term), "x%zu", i);
        portfolio_terms_put(terms, (struct slice){term, (size_t)len}, 1);
    }
    assert_false(portfolio_terms_end(terms, 1, 1, 1));
    assert_int_equal(lexicon_count(portfolio_terms_corpus(terms)->lexicon), PORTFOLIO_TERMS_MAX);
    assert_read(terms, "x1", "x1");
    portfolio_terms_destroy(&terms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_before_it_is_told_and_after_it_is_forgotten),
        cmocka_unit_test(corrections_follow_what_is_told),
        cmocka_unit_test(words_are_read_in_the_languages_that_chunks_have),
        cmocka_unit_test(terms_beyond_the_bound_are_told_of_and_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
