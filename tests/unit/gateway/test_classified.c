/* What is remembered is what would be found anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/classified.h"

static void assert_as_anew(struct classified *classified, const char *text,
                           const struct language *asked, const struct language *fallback)
{
    struct slice message = slice_of(text);
    const struct language *language = asked ? asked : language_detect(message, fallback);
    struct classification got = classified_find(classified, message, asked, fallback);
    assert_ptr_equal(got.language, language);
    assert_int_equal(got.level, complexity_classify(language, message));
}

static void each_question_is_judged_as_without_a_memory(void **state)
{
    static const char *const texts[] = {
        "Hello",
        "What is React?",
        "Compare React and Vue",
        "¿Qué es React?",
        "hola",
        "List all projects",
        "React",
        "",
        "What is Vue?",
        "What React projects are there?",
    };
    const struct language *en = language_find(SLICE("en")), *es = language_find(SLICE("es"));
    const struct language *const languages[] = {NULL, en, es};
    struct classified *classified = classified_new();
    (void)state;
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < ARRAY_LEN(texts) * 9; i++)
            assert_as_anew(classified, texts[i / 9], languages[i % 3], languages[i / 3 % 3]);
    classified_destroy(&classified);
}

static void more_questions_than_places_and_long_ones_are_judged_too(void **state)
{
    struct classified *classified = classified_new();
    char text[600];
    (void)state;
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof(text), "%s project %d?", i % 2 ? "List all of" : "What is", i % 3000);
        assert_as_anew(classified, text, NULL, NULL);
    }
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_as_anew(classified, text, NULL, NULL);
    classified_destroy(&classified);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_question_is_judged_as_without_a_memory),
        cmocka_unit_test(more_questions_than_places_and_long_ones_are_judged_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
