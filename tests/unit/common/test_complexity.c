/* The level of labelled messages: the table in complexity_cases.tsv must come out right at 95% and
 * more (98% for the language); each miss is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/complexity.h"

struct tally {
    size_t messages, right_languages, right_levels;
};

static void judge_message(const char *want_language, const char *want_level, const char *text,
                          struct tally *tally)
{
    const struct language *language = language_detect(slice_of(text), NULL);
    const char *level = complexity_profile(complexity_classify(language, slice_of(text)))->name;
    bool right_language = strcmp(language_code(language), want_language) == 0;
    bool right_level = strcmp(level, want_level) == 0;
    tally->messages++;
    tally->right_languages += right_language;
    tally->right_levels += right_level;
    if (right_language && right_level) return;
    printf("  got %s %s, want %s %s: %s\n", language_code(language), level, want_language,
           want_level, text);
}

static struct tally judge_file(const char *path)
{
    struct tally tally = {0};
    char *line = NULL;
    size_t capacity = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (getline(&line, &capacity, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (!*line || *line == '#') continue;
        char *rest = line, *language = strsep(&rest, "\t"), *level = strsep(&rest, "\t");
        assert_non_null(rest);
        judge_message(language, level, rest, &tally);
    }
    free(line);
    fclose(file);
    return tally;
}

static void labelled_messages_get_their_level_and_language(void **state)
{
    (void)state;
    struct tally tally = judge_file(TEST_DATA "/complexity_cases.tsv");
    printf("  %zu messages: %zu levels, %zu languages right\n", tally.messages, tally.right_levels,
           tally.right_languages);
    assert_true(tally.messages >= 300);
    assert_true(tally.right_levels * 100 >= tally.messages * 95);
    assert_true(tally.right_languages * 100 >= tally.messages * 98);
}

static void levels_have_the_passages_and_budgets_of_the_design(void **state)
{
    static const struct complexity_profile want[COMPLEXITY_COUNT] = {
        {"trivial", 0, 500},   {"simple", 3, 2000},         {"medium", 8, 4000},
        {"complex", 10, 5000}, {"comprehensive", 15, 6000},
    };
    (void)state;
    for (int i = 0; i < COMPLEXITY_COUNT; i++) {
        const struct complexity_profile *got = complexity_profile((enum complexity)i);
        assert_string_equal(got->name, want[i].name);
        assert_int_equal(got->top_k, want[i].top_k);
        assert_int_equal(got->max_tokens, want[i].max_tokens);
    }
}

static void trivial_messages_tell_which_phrase_answers_them(void **state)
{
    static const struct {
        const char *code, *text, *want;
    } table[] = {
        {"en", "Hello!", "greeting"},         {"en", "good morning team", "greeting"},
        {"en", "ok thanks", "thanks"},        {"en", "thanks, bye", "goodbye"},
        {"en", "how are you?", "small_talk"}, {"en", "", "small_talk"},
        {"en", "please", "small_talk"},       {"en", "Hi, what is React?", NULL},
        {"es", "buenas tardes", "greeting"},  {"es", "mil gracias", "thanks"},
        {"es", "hasta luego", "goodbye"},     {"es", "jajaja", "small_talk"},
        {"es", "hola, que es react?", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct language *language = language_find(slice_of(table[i].code));
        const char *got = complexity_small_talk(language, slice_of(table[i].text));
        if (!table[i].want) {
            assert_null(got);
            continue;
        }
        assert_non_null(got);
        assert_string_equal(got, table[i].want);
    }
}

/* A paste of thousands of characters that asks nothing, and a question at one end of it. */
static void a_long_paste_is_judged_by_the_question_at_either_end(void **state)
{
    static const struct {
        const char *code, *question, *want;
    } table[] = {
        {"en", "Who wrote this?", "simple"},
        {"en", "How do I restart it?", "medium"},
        {"en", "Why does it fail at night?", "complex"},
        {"en", "List all the errors in it.", "comprehensive"},
        {"es", "¿Quién escribió esto?", "simple"},
        {"es", "¿Cómo lo reinicio?", "medium"},
        {"es", "¿Por qué falla por la noche?", "complex"},
        {"es", "Lista todos los errores.", "comprehensive"},
    };
    static const char *const lines[] = {
        "The pump was checked by the night shift, pressure normal. ",
        "El turno de noche revisó la bomba, presión normal. "};
    char text[8192];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table) * 2; i++) {
        const char *question = table[i / 2].question;
        size_t len = i % 2 ? (size_t)sprintf(text, "%s ", question) : 0;
        while (len < 7000) len += (size_t)sprintf(text + len, "%s", lines[i / 2 >= 4]);
        if (i % 2 == 0) len += (size_t)sprintf(text + len, "%s", question);
        struct slice message = {text, len};
        const struct language *language = language_detect(message, NULL);
        assert_string_equal(language_code(language), table[i / 2].code);
        assert_string_equal(complexity_profile(complexity_classify(language, message))->name,
                            table[i / 2].want);
    }
}

/* Words, marks and bytes thrown together. */
static void any_text_gets_a_level_quickly(void **state)
{
    static const char *const pieces[] = {"all ",   "compare ", "?",    "\"",  "What's ", "todo ",
                                         ", ",     "and ",     "\xF0", "el ", "'",       "X.io ",
                                         "React ", "how ",     "\n",   "@a ", "y ",      "that "};
    char text[1024];
    uint32_t seed = 3;
    (void)state;
    for (int round = 0; round < 300; round++) {
        size_t len = 0, want = (size_t)round * 3;
        while (len < want) {
            seed = seed * 1664525 + 1013904223;
            const char *piece = pieces[(seed >> 16) % ARRAY_LEN(pieces)];
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", piece);
        }
        for (size_t i = 0; language_at(i); i++)
            assert_true(complexity_classify(language_at(i), (struct slice){text, len}) <
                        COMPLEXITY_COUNT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labelled_messages_get_their_level_and_language),
        cmocka_unit_test(levels_have_the_passages_and_budgets_of_the_design),
        cmocka_unit_test(trivial_messages_tell_which_phrase_answers_them),
        cmocka_unit_test(a_long_paste_is_judged_by_the_question_at_either_end),
        cmocka_unit_test(any_text_gets_a_level_quickly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
