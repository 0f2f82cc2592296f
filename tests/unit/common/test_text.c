/* UTF-8, folding, words and stems, on good text and on any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/text.h"

#define assert_slice(got, want)                                             \
    do {                                                                    \
        struct slice got_slice = (got), want_slice = slice_of(want);        \
        assert_int_equal(got_slice.len, want_slice.len);                    \
        assert_memory_equal(got_slice.ptr, want_slice.ptr, want_slice.len); \
    } while (0)

static void only_well_formed_text_without_nul_is_valid(void **state)
{
    static const struct {
        struct slice text;
        bool want;
    } table[] = {
        {SLICE(""), true},
        {SLICE("plain"), true},
        {SLICE("\xC3\xB1 \xE2\x82\xAC \xF0\x9F\x91\x8B"), true},
        {SLICE("\xF4\x8F\xBF\xBF"), true},
        {SLICE("a\0b"), false},
        {SLICE("\x80"), false},
        {SLICE("\xC3"), false},
        {SLICE("\xC3("), false},
        {SLICE("\xC0\xAF"), false},         /* overlong */
        {SLICE("\xE0\x80\xAF"), false},     /* overlong */
        {SLICE("\xF0\x80\x80\xAF"), false}, /* overlong */
        {SLICE("\xED\xA0\x80"), false},     /* surrogate */
        {SLICE("\xF4\x90\x80\x80"), false}, /* above U+10FFFF */
        {SLICE("\xF8\x88\x80\x80\x80"), false},
        {SLICE("\xFF"), false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_int_equal(text_valid(table[i].text), table[i].want);
}

static void length_counts_code_points(void **state)
{
    (void)state;
    assert_int_equal(text_length(SLICE("")), 0);
    assert_int_equal(text_length(SLICE("a\u00f1o \U0001F44B")), 5);
}

static void a_cut_never_splits_a_code_point(void **state)
{
    struct slice text = SLICE("a\u00f1\u20ac\U0001F44Bz");
    (void)state;
    for (size_t max = 0; max <= text.len + 1; max++) {
        size_t cut = text_cut(text, max);
        assert_true(cut <= max && cut <= text.len && max - cut < 4);
        assert_true(text_valid((struct slice){text.ptr, cut}));
    }
    assert_int_equal(text_cut(SLICE("\x80\x80\x80\x80\x80\x80\x80\x80"), 6), 6);
}

static void repair_replaces_each_bad_byte(void **state)
{
    static const struct {
        struct slice text;
        const char *want;
        size_t repaired;
    } table[] = {
        {SLICE("fine \u00f1"), "fine \u00f1", 0},
        {SLICE("a\xFF"
               "b\0c"),
         "a\uFFFDb\uFFFDc", 2},
        {SLICE("\xE2\x82"), "\uFFFD\uFFFD", 2},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct buffer out = {0};
        assert_int_equal(text_repair(table[i].text, &out), table[i].repaired);
        assert_slice(buffer_slice(&out), table[i].want);
        buffer_free(&out);
    }
}

static void trim_takes_white_space_of_every_kind_off_both_ends(void **state)
{
    (void)state;
    assert_slice(text_trim(SLICE(" \t\n\u00a0\u3000 two words \u2003\r\n")), "two words");
    assert_slice(text_trim(SLICE("  \u00a0 ")), "");
    assert_slice(text_trim(SLICE("\u00f1")), "\u00f1");
}

static void folding_drops_case_and_accents(void **state)
{
    static const struct {
        const char *text, *want;
    } table[] = {
        {"Ángulo ANGULO angulo", "angulo angulo angulo"},
        {"A\u0301ngulo n\u0303u", "angulo nu"},
        {"AÑO pingüino", "ano pinguino"},
        {"Straße STRAẞE", "strasse strasse"},
        {"Œuvre Ægir Øre Þing", "oeuvre aegir ore thing"},
        {"Łódź Čeština İstanbul ı ő", "lodz cestina istanbul i o"},
        {"Ǆ ǆ Ǻ ț Ș", "dz dz a t s"},
        {"Việt ế Ṙ", "viet e r"},
        {"ΆΛΦΑ Ωμέγα τέλος", "αλφα ωμεγα τελοσ"},
        {"Ёлка Йод ЇЖАК", "елка иод іжак"},
        {"ＡＢｃ", "ａｂｃ"},
        {"so\u00adft zero\u200dwidth", "soft zerowidth"},
        {"日本 ¿?¡! 3×4", "日本 ¿?¡! 3×4"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct buffer out = {0}, again = {0};
        text_fold(slice_of(table[i].text), &out);
        assert_slice(buffer_slice(&out), table[i].want);
        text_fold(buffer_slice(&out), &again);
        assert_slice(buffer_slice(&again), table[i].want);
        buffer_free(&out);
        buffer_free(&again);
    }
}

static void words_are_runs_of_letters_and_digits(void **state)
{
    static const struct {
        const char *text, *want; /* the words, each followed by '|' */
    } table[] = {
        {"", ""},
        {" ... ", ""},
        {"what is react?", "what|is|react|"},
        {"max_connections = 100", "max_connections|100|"},
        {"_private_ __init__ a__b _", "private|init|a__b|"},
        {"what's up—now…", "what|s|up|now|"},
        {"¿que?¡hola!«si»", "que|hola|si|"},
        {"ok👋fine 👩\u200d💻", "ok|fine|\u200d|"},
        {"año 日本、東京", "año|日本|東京|"},
        {"a\xFF"
         "b",
         "a|b|"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct buffer out = {0};
        struct text_words words = {slice_of(table[i].text), 0};
        for (struct slice word; text_next_word(&words, &word);) {
            buffer_append_slice(&out, word);
            buffer_append_char(&out, '|');
        }
        assert_slice(buffer_slice(&out), table[i].want);
        buffer_free(&out);
    }
}

static void stems_join_the_forms_of_a_word(void **state)
{
    static const struct {
        const char *algorithm, *word, *want;
    } table[] = {
        {"english", "connections", "connect"},
        {"english", "connected", "connect"},
        {"spanish", "proyectos", "proyect"},
        {"spanish", "proyecto", "proyect"},
        {"spanish", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct stemmer *stemmer = stemmer_new(table[i].algorithm);
        assert_non_null(stemmer);
        assert_slice(stemmer_stem(stemmer, slice_of(table[i].word)), table[i].want);
        stemmer_destroy(&stemmer);
        assert_null(stemmer);
    }
}

static void an_unknown_stemmer_is_none(void **state)
{
    struct stemmer *stemmer = stemmer_new("klingon");
    (void)state;
    assert_null(stemmer);
    stemmer_destroy(&stemmer);
}

static void check_bytes(struct slice text, struct stemmer *stemmer)
{
    struct buffer folded = {0}, repaired = {0};
    struct slice word, rest = text;
    size_t taken = 0;
    while (rest.len) taken += text_take(&rest) <= 0x10FFFF;
    assert_true(taken <= text.len);
    text_fold(text, &folded);
    (void)text_trim(text);
    text_repair(text, &repaired);
    assert_true(text_valid(buffer_slice(&repaired)));
    struct text_words words = {buffer_slice(&folded), 0};
    while (text_next_word(&words, &word)) {
        assert_true(word.len > 0 && word.ptr + word.len <= folded.data + folded.len);
        (void)stemmer_stem(stemmer, word);
    }
    for (size_t max = 0; max < text.len; max++) assert_true(text_cut(text, max) <= max);
    buffer_free(&folded);
    buffer_free(&repaired);
}

/* Half of the bytes lie in the ranges where UTF-8 goes wrong. */
static void any_bytes_are_safe(void **state)
{
    struct stemmer *stemmer = stemmer_new("spanish");
    uint32_t seed = 1;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char *bytes = xmalloc(40); /* on the heap, so that a sanitizer sees what is read beyond */
        for (int i = 0; i < 40; i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = (char)(seed >> 31 ? 0x80 | (seed >> 24) : seed >> 24);
        }
        check_bytes((struct slice){bytes, 40}, stemmer);
        free(bytes);
    }
    stemmer_destroy(&stemmer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_well_formed_text_without_nul_is_valid),
        cmocka_unit_test(length_counts_code_points),
        cmocka_unit_test(a_cut_never_splits_a_code_point),
        cmocka_unit_test(repair_replaces_each_bad_byte),
        cmocka_unit_test(trim_takes_white_space_of_every_kind_off_both_ends),
        cmocka_unit_test(folding_drops_case_and_accents),
        cmocka_unit_test(words_are_runs_of_letters_and_digits),
        cmocka_unit_test(stems_join_the_forms_of_a_word),
        cmocka_unit_test(an_unknown_stemmer_is_none),
        cmocka_unit_test(any_bytes_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
