#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "workers/retriever/terms.h"
#include "workers/retriever/words.h"

static void append_word(void *context, const struct word *word)
{
    struct buffer *out = context;
    if (out->len) buffer_append_char(out, ' ');
    if (word->literal) buffer_append_char(out, '=');
    buffer_append_slice(out, word->text);
}

static void words_are_folded_and_identifiers_come_whole_and_by_part(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"The Server", "server"},
        {"max_connections", "max connections maxconnections"},
        {"apt-get", "apt get aptget"},
        {"HttpServer getResult", "http server httpserver get result getresult"},
        {"PostgreSQL LaTeX", "postgresql latex"},
        {"use --force-all and -i", "use force forceall =--forceall =-i"},
        {"[--verbose]", "verbose =--verbose"},
        {"b-c x -", "b c bc x"},
        {"version 15.3, 1,000 rows", "version =15.3 =1000 rows"},
        {"/etc/apt/sources.list", "etc apt sources list sourceslist"},
        {"WHERE and where", "=WHERE"},
        {"configu\xE2\x80\x90\n       ration", "configuration"},
        {"Más Ángulo", "mas angulo"},
        {"pg_catalog.pg_class", "pg catalog pgcatalog pg class pgclass pgcatalogpgclass"},
        {"end.Next", "end next endnext"},
        {"__ -- .. ,", ""},
        {"\xFF\xFE bad", "bad"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buffer got = {0};
        words_scan(language_find(SLICE("en")), slice_of(cases[i].text), append_word, &got);
        buffer_append_char(&got, '\0');
        assert_string_equal(got.data, cases[i].want);
        buffer_free(&got);
    }
}

static void a_word_without_end_is_left_out(void **state)
{
    struct buffer text = {0}, got = {0};
    (void)state;
    for (size_t i = 0; i < 100000; i++) buffer_append_text(&text, "x_");
    buffer_append_text(&text, " end");
    words_scan(language_find(SLICE("en")), buffer_slice(&text), append_word, &got);
    assert_true(got.len > 4 && !memcmp(got.data + got.len - 4, " end", 4));
    buffer_free(&text);
    buffer_free(&got);
}

static unsigned count_of(struct slice terms, const char *wanted)
{
    struct slice term;
    unsigned count;
    while (terms_next(&terms, &term, &count))
        if (slice_equal(term, slice_of(wanted))) return count;
    return 0;
}

static void terms_are_stemmed_in_their_language_and_counted(void **state)
{
    struct buffer terms = {0};
    (void)state;
    terms_encode(language_find(SLICE("es")), SLICE("Instalaciones"), SLICE("Paquetes"),
                 SLICE("instalar el paquete, los ÁNGULOS, el angulo"), &terms);
    struct slice all = buffer_slice(&terms);
    assert_int_equal(count_of(all, "instal"), 3); /* twice for the title */
    assert_int_equal(count_of(all, "paquet"), 2);
    assert_int_equal(count_of(all, "angul"), 2);
    assert_int_equal(count_of(all, "el"), 0);
    buffer_free(&terms);
}

static void a_count_stops_at_255_and_a_cut_form_ends_early(void **state)
{
    struct buffer text = {0}, terms = {0};
    struct slice term;
    unsigned count;
    (void)state;
    for (size_t i = 0; i < 1000; i++) buffer_append_text(&text, "word ");
    terms_encode(language_find(SLICE("en")), SLICE(""), SLICE(""), buffer_slice(&text), &terms);
    struct slice whole = buffer_slice(&terms), cut = {terms.data, terms.len - 1};
    assert_true(terms_next(&whole, &term, &count));
    assert_int_equal(count, 255);
    assert_false(terms_next(&whole, &term, &count));
    assert_false(terms_next(&cut, &term, &count));
    buffer_free(&text);
    buffer_free(&terms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_folded_and_identifiers_come_whole_and_by_part),
        cmocka_unit_test(a_word_without_end_is_left_out),
        cmocka_unit_test(terms_are_stemmed_in_their_language_and_counted),
        cmocka_unit_test(a_count_stops_at_255_and_a_cut_form_ends_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
