/* A question that leans on the one before it is searched together with it; others are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workers/retriever/followup.h"

static const struct {
    const char *language, *earlier, *before_that, *message;
    const char *want; /* in the query beside the message; NULL: the message alone */
} cases[] = {
    {"en", "Tell me about the Quillmark project", NULL, "and its licence?", "Quillmark"},
    {"en", "Tell me about the Quillmark project", NULL, "who leads it?", "Quillmark"},
    {"en", "Tell me about the Quillmark project", NULL,
     "What does the Tidewatch alarm system measure?", NULL},
    {"en", "and the team?", "Tell me about the Quillmark project", "and its licence?", "Quillmark"},
    {"en", NULL, NULL, "and its licence?", NULL},
    {"es", "Háblame del proyecto Velamar", NULL, "¿y su licencia?", "Velamar"},
    {"es", "Háblame del proyecto Velamar", NULL, "¿Qué proyectos usan bases de datos geográficas?",
     NULL},
};

static void questions_that_lean_take_the_last_one_along(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena = {0};
        struct chat_message messages[2] = {
            {.role = SLICE("user"), .content = slice_of(cases[i].before_that)},
            {.role = SLICE("user"), .content = slice_of(cases[i].earlier)}};
        struct history history = {.messages = {messages, cases[i].earlier ? 2 : 0}};
        const struct language *language = language_find(slice_of(cases[i].language));
        struct slice got = followup_query(language, slice_of(cases[i].message), &history, &arena);
        bool grown = got.len > strlen(cases[i].message);
        if (grown != (cases[i].want != NULL) ||
            (grown && !memmem(got.ptr, got.len, cases[i].want, strlen(cases[i].want))))
            fail_msg("\"%s\" became \"%.*s\"", cases[i].message, (int)got.len, got.ptr);
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_that_lean_take_the_last_one_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
