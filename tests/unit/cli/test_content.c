#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "deploy/cli/content.h"

static void a_format_is_told_by_the_name_s_ending(void **state)
{
    static const struct {
        const char *path, *want;
    } cases[] = {
        {"a.md", "markdown"},   {"a.MARKDOWN", "markdown"},
        {"a.html", "html"},     {"b/c.HTM", "html"},
        {"a.txt", "text"},      {"a.rst", "text"},
        {"Makefile", "text"},   {"notes.md/plain", "text"},
        {"a.html.txt", "text"}, {".md", "markdown"},
        {"", "text"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(content_format(cases[i].path), cases[i].want);
}

static void bytes_become_utf8_or_are_refused(void **state)
{
    static const struct {
        const char *label;
        struct slice bytes;
        const char *want; /* text */
        const char *why;
    } cases[] = {
        {"ASCII", SLICE("plain\n"), "plain\n", NULL},
        {"UTF-8",
         SLICE("ma\xc3\xb1"
               "ana"),
         "ma\xc3\xb1"
         "ana",
         NULL},
        {"UTF-8 with its mark", SLICE("\xef\xbb\xbfhi"), "hi", NULL},
        {"Latin-1",
         SLICE("ma\xf1"
               "ana"),
         "ma\xc3\xb1"
         "ana",
         NULL},
        {"Windows quotes", SLICE("\x93hi\x94"), "\xe2\x80\x9chi\xe2\x80\x9d", NULL},
        {"UTF-16, little end first", SLICE("\xff\xfeh\0i\0"), "hi", NULL},
        {"UTF-16, big end first", SLICE("\xfe\xff\0h\0i"), "hi", NULL},
        {"UTF-16, a lone surrogate", SLICE("\xff\xfe\x00\xd8h\0"), NULL, "binary"},
        {"nothing", SLICE(""), NULL, "empty"},
        {"white space", SLICE(" \n\t\r\n"), NULL, "empty"},
        {"a mark alone", SLICE("\xef\xbb\xbf"), NULL, "empty"},
        {"NUL", SLICE("a\0b"), NULL, "binary"},
        {"a PNG", SLICE("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), NULL, "binary"},
        {"control characters", SLICE("\x01\x02\x03 abc"), NULL, "binary"},
        {"bytes that no charset has", SLICE("a\x81\x8d"), NULL, "binary"},
        {"colours of a terminal", SLICE("\033[1mbold\033[0m"), "\033[1mbold\033[0m", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buffer text = {0};
        const char *why = content_decode(cases[i].bytes, &text);
        if ((why != NULL) != (cases[i].why != NULL) || (why && strcmp(why, cases[i].why) != 0))
            fail_msg("%s: %s", cases[i].label, why ? why : "accepted");
        if (!why && !slice_equal(buffer_slice(&text), slice_of(cases[i].want)))
            fail_msg("%s: %.*s", cases[i].label, (int)text.len, text.data);
        buffer_free(&text);
    }
}

static void a_file_that_is_not_there_has_failed_and_an_empty_one_has_not(void **state)
{
    struct buffer text = {0};
    bool failed;
    (void)state;
    assert_string_equal(content_read("/nonexistent/file", &text, &failed),
                        "No such file or directory");
    assert_true(failed);
    assert_string_equal(content_read("/dev/null", &text, &failed), "not a file");
    assert_true(failed);
    assert_null(content_read(TEST_DATA "/test_content.c", &text, &failed));
    assert_false(failed);
    assert_true(text.len > 100);
    buffer_free(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_format_is_told_by_the_name_s_ending),
        cmocka_unit_test(bytes_become_utf8_or_are_refused),
        cmocka_unit_test(a_file_that_is_not_there_has_failed_and_an_empty_one_has_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
