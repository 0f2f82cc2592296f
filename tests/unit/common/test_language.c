/* What the language files tell, and which language a message is written in. The labelled messages
 * of complexity_cases.tsv are counted in test_complexity.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/language.h"
#include "common/text.h"

static const struct language *language(const char *code)
{
    const struct language *found = language_find(slice_of(code));
    assert_non_null(found);
    return found;
}

static void languages_are_found_by_code_and_in_order(void **state)
{
    (void)state;
    assert_string_equal(language_name(language("en")), "English");
    assert_string_equal(language_stemmer(language("es")), "spanish");
    assert_null(language_find(SLICE("")));
    assert_null(language_find(SLICE("xx")));
    for (size_t i = 1; language_at(i); i++)
        assert_true(strcmp(language_code(language_at(i - 1)), language_code(language_at(i))) < 0);
}

static void every_language_has_a_stemmer_and_all_phrases(void **state)
{
    static const char *const keys[] = {"greeting",  "thanks",       "goodbye",     "small_talk",
                                       "no_answer", "no_documents", "found_intro", "intro",
                                       "sources",   "answer_in"};
    const struct language *each;
    (void)state;
    for (size_t i = 0; (each = language_at(i)); i++) {
        struct stemmer *stemmer = stemmer_new(language_stemmer(each));
        assert_non_null(stemmer);
        stemmer_destroy(&stemmer);
        for (size_t k = 0; k < ARRAY_LEN(keys); k++)
            assert_string_not_equal(language_phrase(each, keys[k]), "");
    }
    assert_string_equal(language_phrase(language("es"), "no such phrase"), "");
}

static void stop_words_and_negations_are_listed_folded(void **state)
{
    static const struct {
        const char *code, *word;
        bool stop, negation;
    } table[] = {
        {"en", "the", true, false},   {"en", "not", true, true},
        {"en", "never", false, true}, {"en", "project", false, false},
        {"es", "que", true, false},   {"es", "sin", true, true},
        {"es", "mas", true, false},   {"es", "react", false, false},
        {"es", "", false, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct slice word = slice_of(table[i].word);
        assert_int_equal(language_is_stop_word(language(table[i].code), word), table[i].stop);
        assert_int_equal(language_is_negation(language(table[i].code), word), table[i].negation);
    }
}

static void messages_tell_their_language(void **state)
{
    static const struct {
        const char *text, *want;
    } table[] = {
        {"gracias", "es"},
        {"ok thanks", "en"},
        {"proyectos con React?", "es"},
        {"compara recat y veu", "es"},
        {"waht is recat", "en"},
        {"Qué es el state management en frontend?", "es"},
        {"What is Lista Verde?", "en"},
        {"¿Quién hizo What's Next?", "es"},
        {"hola what is the deadline for this project", "en"},
        {"me explicas el pull request workflow por favor", "es"},
        {"DONDE ESTA LA DOCUMENTACION", "es"},
        {"GRACIASSSS", "es"},
        {"Configuración rápida", "es"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_string_equal(language_code(language_detect(slice_of(table[i].text), NULL)),
                            table[i].want);
}

static void what_tells_nothing_keeps_the_fallback(void **state)
{
    static const char *const texts[] = {"", "React?", "ok", "no", "👍", "1234", "\xFF\xFE"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct slice text = slice_of(texts[i]);
        assert_ptr_equal(language_detect(text, language("es")), language("es"));
        assert_ptr_equal(language_detect(text, NULL), language("en"));
    }
}

static void any_bytes_have_some_language(void **state)
{
    static const char marks[] = " '\"?.-aeos\xC3";
    uint32_t seed = 7;
    (void)state;
    for (int round = 0; round < 5000; round++) {
        size_t len = (size_t)round % 97;
        char *bytes = xmalloc(len);
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = seed >> 31 ? marks[(seed >> 20) % (sizeof(marks) - 1)] : (char)(seed >> 24);
        }
        assert_non_null(language_detect((struct slice){bytes, len}, NULL));
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(languages_are_found_by_code_and_in_order),
        cmocka_unit_test(every_language_has_a_stemmer_and_all_phrases),
        cmocka_unit_test(stop_words_and_negations_are_listed_folded),
        cmocka_unit_test(messages_tell_their_language),
        cmocka_unit_test(what_tells_nothing_keeps_the_fallback),
        cmocka_unit_test(any_bytes_have_some_language),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
