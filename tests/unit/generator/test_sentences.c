#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workers/generator/sentences.h"

enum { PARTS_MAX = 8 };

/* What a passage is cut into, joined by "|", each with a letter for its kind: p(rose) i(tem) r(ow)
 * c(ode) h(eading). */
static const struct {
    const char *text, *want;
} cuts[] = {
    {"", ""},
    {"  \n\n ", ""},
    {"One. Two! Three? Four", "p:One.|p:Two!|p:Three?|p:Four"},
    {"Wait... what? No.", "p:Wait... what?|p:No."},
    {"He said \"Stop.\" Then he left.", "p:He said \"Stop.\"|p:Then he left."},
    {"See Fig. 3 and e.g. the pump. It runs.", "p:See Fig. 3 and e.g. the pump.|p:It runs."},
    {"Dr. Vega and Ana J. Marsh agree. Good.", "p:Dr. Vega and Ana J. Marsh agree.|p:Good."},
    {"It is written in C. It is fast.", "p:It is written in C.|p:It is fast."},
    {"The answer is no. But wait.", "p:The answer is no.|p:But wait."},
    {"Version 3.5 costs 1.250,40 euros. Done.", "p:Version 3.5 costs 1.250,40 euros.|p:Done."},
    {"See https://example.org/a.b?c=d. Then go.", "p:See https://example.org/a.b?c=d.|p:Then go."},
    {"Use config.yaml or ./run.sh now. Ok.", "p:Use config.yaml or ./run.sh now.|p:Ok."},
    {"¿Qué es? ¡Mira! Es así.", "p:¿Qué es?|p:¡Mira!|p:Es así."},
    {"A las 8 a. m. abre. Última hora.", "p:A las 8 a. m. abre.|p:Última hora."},
    {"El Sr. Ruiz vino. Ángel no.", "p:El Sr. Ruiz vino.|p:Ángel no."},
    {"Ends (so.) Next.", "p:Ends (so.)|p:Next."},
    {"One line\nof a paragraph that runs on. Two.",
     "p:One line\nof a paragraph that runs on.|p:Two."},
    {"First.\n\nSecond.", "p:First.|p:Second."},
    {"# Title\n\nText.", "h:Title|p:Text."},
    {"## Closed ##\nText.", "h:Closed|p:Text."},
    {"Title\n=====\nText.", "h:Title|p:Text."},
    {"Status\n\nIt runs.", "h:Status|p:It runs."},
    {"- one\n- two\n  goes on\n* three", "i:one|i:two\n  goes on|i:three"},
    {"1. Open it. Wait.\n2) Close it.", "i:Open it.|i:Wait.|i:Close it."},
    {"Licence: MIT\n\nText.", "i:Licence: MIT|p:Text."},
    {"| a | b |\n|---|---|\n| 1 | 2 |", "r:| a | b ||r:| 1 | 2 |"},
    {"Shop | React | CDN\n", "r:Shop | React | CDN"},
    {"Run:\n\n```sh\nmake all. Now\n```\n\nDone.", "p:Run:|c:make all. Now|p:Done."},
    {"Run:\n\n    make all\n\nDone.", "p:Run:|c:make all|p:Done."},
    {"# apt update\n", "c:# apt update"},
    {"$ ls -l\n", "c:$ ls -l"},
    {"> Quoted text. More.", "p:Quoted text.|p:More."},
    {"---\n\nText.", "p:Text."},
};

static void print_parts(const char *text, struct buffer *out)
{
    static const char letters[] = "pirch";
    struct sentence_reader reader = {.text = slice_of(text)};
    struct sentence sentence;
    while (sentence_next(&reader, &sentence)) {
        assert_true(sentence.text.len > 0);
        buffer_printf(out, "%s%c:%.*s", out->len ? "|" : "", letters[sentence.kind],
                      (int)sentence.text.len, sentence.text.ptr);
    }
    buffer_append_char(out, '\0');
}

static void passages_are_cut_into_what_can_be_quoted(void **state)
{
    size_t wrong = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
        struct buffer got = {0};
        print_parts(cuts[i].text, &got);
        if (strcmp(got.data, cuts[i].want)) {
            print_error("want %s\n got %s\n", cuts[i].want, got.data);
            wrong++;
        }
        buffer_free(&got);
    }
    assert_int_equal(wrong, 0);
}

static void sentences_of_one_paragraph_share_its_block(void **state)
{
    struct sentence_reader reader = {.text = SLICE("One. Two.\n\nThree.")};
    struct sentence parts[3];
    (void)state;
    for (size_t i = 0; i < 3; i++) assert_true(sentence_next(&reader, &parts[i]));
    assert_int_equal(parts[0].block, parts[1].block);
    assert_int_not_equal(parts[1].block, parts[2].block);
}

static void headings_tell_their_level(void **state)
{
    struct sentence_reader reader = {.text = SLICE("### Deep\n\nBare\n\ntext here.")};
    struct sentence sentence;
    (void)state;
    assert_true(sentence_next(&reader, &sentence));
    assert_int_equal(sentence.level, 3);
    assert_true(sentence_next(&reader, &sentence));
    assert_int_equal(sentence.kind, SENTENCE_HEADING);
    assert_int_equal(sentence.level, 0);
}

static const struct {
    const char *text, *want;
    enum sentence_kind kind;
    size_t max;
} quotes[] = {
    {"two  lines\n and\ttabs ", "two lines and tabs", SENTENCE_PROSE, 100},
    {"a **bold** and *soft* word", "a bold and soft word", SENTENCE_PROSE, 100},
    {"all *.deb files, 2 * 3 = 6", "all *.deb files, 2 * 3 = 6", SENTENCE_PROSE, 100},
    {"see [the guide](http://x.org/a) now", "see the guide now", SENTENCE_PROSE, 100},
    {"![logo](logo.png) Logo", "Logo", SENTENCE_PROSE, 100},
    {"known since 1990 [3], and [^note] proven [12].", "known since 1990, and proven.",
     SENTENCE_PROSE, 100},
    {"call `list[3]` or a[i]", "call `list[3]` or a[i]", SENTENCE_PROSE, 100},
    {"x = a[3] ** 2", "x = a[3] ** 2", SENTENCE_CODE, 100},
    {"| React | 18 |", "React · 18", SENTENCE_ROW, 100},
    {"max_connections and __init__", "max_connections and __init__", SENTENCE_PROSE, 100},
    {"a sentence that is too long", "a sentence that…", SENTENCE_PROSE, 17},
    {"cut, here and there", "cut…", SENTENCE_PROSE, 7},
    {"ñandúñandúñandú", "ñandúña…", SENTENCE_PROSE, 10},
    {"run `make all` twice", "run `make`…", SENTENCE_PROSE, 11},
};

static void quotations_are_the_text_without_its_markup(void **state)
{
    size_t wrong = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(quotes); i++) {
        struct buffer got = {0};
        buffer_append_text(&got, "> "); /* what was there before stays */
        sentence_quote(slice_of(quotes[i].text), quotes[i].kind, quotes[i].max, &got);
        buffer_append_char(&got, '\0');
        assert_memory_equal(got.data, "> ", 2);
        if (strcmp(got.data + 2, quotes[i].want)) {
            print_error("want %s\n got %s\n", quotes[i].want, got.data + 2);
            wrong++;
        }
        buffer_free(&got);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passages_are_cut_into_what_can_be_quoted),
        cmocka_unit_test(sentences_of_one_paragraph_share_its_block),
        cmocka_unit_test(headings_tell_their_level),
        cmocka_unit_test(quotations_are_the_text_without_its_markup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
