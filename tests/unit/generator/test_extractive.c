/* Questions about the demo portfolio and what their answers must and must not hold; then the shapes
 * that a context can take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/complexity.h"
#include "tests/unit/generator/demo_portfolio.h"
#include "workers/generator/extractive.h"

#define NOTHING_EN "I found nothing about that in the documents."
#define NOTHING_ES "No he encontrado nada sobre eso en los documentos."

static struct demo_portfolio demo;
static struct extractive *extractive;

/* `earlier` is the question before this one. `has` and `lacks` end with NULL; no `has` begins with
 * '^' unless the answer must start with it. */
static const struct {
    const char *question, *earlier;
    const char *has[8], *lacks[6];
} cases[] = {
    /* lists: one bullet for each document that matches, none for the others */
    {"What React projects?",
     NULL,
     {"**Lumen Board**", "**Tidewatch**", "**Thistle Shop**", "React", "- **"},
     {"Copperline", "Latchkey", "Quillmark", "Brasa"}},
    {"Tell me about React projects",
     NULL,
     {"**Lumen Board**", "**Tidewatch**", "**Thistle Shop**"},
     {"Copperline", "Latchkey", "Graylag"}},
    {"what raect projects are there", NULL, {"React", "- **"}, {"Copperline", "Brasa"}},
    {"¿Qué proyectos usan Python?",
     NULL,
     {"Esto es lo que", "**Marea**", "**Faro Clínico**", "Python"},
     {"**Brasa**", "**Copperline**", "**Sendero**"}},
    {"que proyectos usan pyton", NULL, {"Python", "**Marea**"}, {"**Brasa**"}},
    {"Which projects use Django?", NULL, {"**Thistle Shop**", "**Olivar**"}, {"**Graylag**"}},
    {"Go projects",
     NULL,
     {"Copperline is written in Go", "Latchkey is written in Go"},
     {"channel #lumen", "Python"}},
    {"What Kubernetes projects?", NULL, {"**Copperline**", "Kubernetes"}, {"**Latchkey**"}},
    {"What Haskell projects?", NULL, {"^" NOTHING_EN}, {"["}},
    {"¿Qué proyectos hay en COBOL?", NULL, {"^" NOTHING_ES}, {"["}},
    {"projects that use PostgreSQL and Docker",
     NULL,
     {"**Copperline**", "PostgreSQL 16", "Docker image"},
     {"**Brasa**", "**Marea**"}},
    {"List all projects with their technologies",
     NULL,
     {"**Copperline**: Copperline is written in Go", "**Graylag**", "**Lumen Board**", "Python"},
     {}},
    {"Describe todos los proyectos con Vue",
     NULL,
     {"Esto es lo que", "**Olivar**", "Vue 3"},
     {"**Brasa**", "**Sendero**"}},
    {"Compare all React and Python projects",
     NULL,
     {"**Thistle Shop**", "React", "Python"},
     {"**Copperline**", "**Brasa**"}},
    {"projects in production", NULL, {"**Tidewatch**", "in production"}, {}},

    /* one thing */
    {"What is Lumen Board?",
     NULL,
     {"^Lumen Board is a planning board for small teams"},
     {"Quillmark", "MIT"}},
    {"what is latchkey", NULL, {"^Latchkey is the single sign-on service"}, {"Copperline"}},
    {"¿Qué es Marea?", NULL, {"^Marea predice cuántas raciones"}, {"Brasa"}},
    {"Tell me about Sendero", NULL, {"Sendero es una plataforma de cursos"}, {"Lumen"}},
    {"What does Graylag do?", NULL, {"Graylag is a data pipeline"}, {"Copperline"}},
    {"What is Copperline written in?", NULL, {"Copperline is written in Go"}, {}},
    {"Which project uses Rust?", NULL, {"Quillmark is built with Vue and Rust."}, {"Copperline"}},
    {"What features does Tidewatch have?",
     NULL,
     {"- River levels on a map", "- Alerts by text message, e-mail or webhook"},
     {"Right-to-left"}},
    {"How does Graylag work?", NULL, {"Observations arrive as CSV files"}, {"Latchkey"}},
    {"How do I reset my password?",
     NULL,
     {"choose \"Forgot password\"", "valid for 20 minutes"},
     {"Passkeys (WebAuthn)"}},
    {"how do i export a document from quillmark", NULL, {"PDF, EPUB and Markdown"}, {"Lumen"}},
    {"¿Cómo se hace una copia con Brasa?", NULL, {"brasa copia CARPETA"}, {"Olivar"}},

    /* who, when, where, how many */
    {"Who leads Lumen Board?", NULL, {"Ana Ferreira"}, {}},
    {"who is responsible for accessibility?", NULL, {"Grace Abara"}, {}},
    {"¿Quién dirige Olivar?", NULL, {"Carmen Ruiz"}, {"Iker"}},
    {"When was Quillmark released?", NULL, {"8 September 2024"}, {"Lumen"}},
    {"When did SAML support end?", NULL, {"31 December 2023"}, {}},
    {"¿Cuándo se publicó la versión 3.5 de Olivar?", NULL, {"9 de octubre de 2024"}, {"Sendero"}},
    {"¿Dónde se reúne el equipo de Mapa Vivo?", NULL, {"biblioteca de San Telmo"}, {}},
    {"How many sensors does Tidewatch have?", NULL, {"412 sensors"}, {}},
    {"¿Cuántas citas gestiona Faro Clínico?", NULL, {"38.000 citas"}, {"Olivar"}},
    {"How fast is Copperline?", NULL, {"900 a second"}, {}},
    {"What happened on 17 October 2023?", NULL, {"last outage", "nine minutes"}, {}},

    /* attributes, typos, other spellings */
    {"¿Qué licencia tiene Brasa?", NULL, {"licencia BSD de dos cláusulas"}, {"Mapa Vivo"}},
    {"teh license of tidewatch", NULL, {"Apache License 2.0"}, {}},
    {"tecnologias de faro clinico", NULL, {"React 18", "Flask"}, {"Brasa"}},
    {"Is there a mobile app?", NULL, {"mobile application has been discussed"}, {}},

    /* comparisons */
    {"Compare React and Vue", NULL, {"**React**\n- ", "**Vue**\n- ", "Vue 3"}, {"Brasa"}},
    {"compara react y vue", NULL, {"Esto es lo que", "**React**", "**Vue**"}, {"Brasa"}},
    {"Compare Lumen Board and Quillmark",
     NULL,
     {"**Lumen Board**\n- Lumen Board is a planning board", "**Quillmark**\n- Quillmark is an"},
     {"Tidewatch"}},
    {"Compare React and Angular", NULL, {"**React**\n- ", "**Angular**: " NOTHING_EN}, {}},
    {"¿Qué diferencias hay entre Olivar y Mapa Vivo?",
     NULL,
     {"**Olivar**\n- Olivar sigue", "**Mapa Vivo**\n- Mapa Vivo reúne"},
     {"Brasa"}},
    {"Compare Haskell and COBOL", NULL, {"^" NOTHING_EN}, {"["}},

    /* follow-ups */
    {"and its licence?", "What is Lumen Board?", {"MIT licence"}, {"Apache", "GPL"}},
    {"who owns it?", "what is latchkey", {"security team"}, {"Henrik"}},
    {"¿y quién la dirige?", "¿Qué es Marea?", {"Julia Campos"}, {"Carmen"}},

    {"compare it with Quillmark",
     "What is Lumen Board?",
     {"**Lumen Board**\n- Lumen Board is", "**Quillmark**\n- Quillmark is"},
     {}},
    {"what is the difference?", "React or Vue?", {"**React**\n- ", "**Vue**\n- "}, {"Brasa"}},

    /* nothing fits */
    {"What is the capital of France?", NULL, {"^" NOTHING_EN}, {"["}},
    {"Who won the football world cup?", NULL, {"^" NOTHING_EN}, {"["}},
    {"¿Cuál es la receta de la paella?", NULL, {"^" NOTHING_ES}, {"["}},
};

static struct slice answer(struct arena *arena, const char *question, const char *earlier,
                           size_t *pieces)
{
    char both[512];
    const struct language *language = language_detect(slice_of(question), NULL);
    enum complexity level = complexity_classify(language, slice_of(question));
    size_t top_k = MAX(complexity_profile(level)->top_k, 3u);
    struct asked asked = {.message = slice_of(question), .language = language, .level = level};
    struct extract extract;
    snprintf(both, sizeof both, "%s %s", question, earlier ? earlier : "");
    if (earlier) asked.earlier[asked.earlier_count++] = slice_of(earlier);
    struct list passages = demo_retrieve(&demo, arena, language, both, top_k);
    extractive_answer(extractive, &asked, &passages, &extract);
    *pieces = extract.count;
    assert_int_equal(extract.ends[extract.count - 1], extract.text.len);
    return (struct slice){arena_copy(arena, extract.text), extract.text.len};
}

static void answers_hold_what_was_asked_for(void **state)
{
    size_t wrong = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena = {0};
        size_t pieces;
        struct slice got = answer(&arena, cases[i].question, cases[i].earlier, &pieces);
        bool fits = true;
        for (size_t n = 0; n < ARRAY_LEN(cases[i].has) && cases[i].has[n]; n++) {
            const char *want = cases[i].has[n];
            fits &= *want == '^' ? !strncmp(got.ptr, want + 1, strlen(want + 1))
                                 : strstr(got.ptr, want) != NULL;
        }
        for (size_t n = 0; n < ARRAY_LEN(cases[i].lacks) && cases[i].lacks[n]; n++)
            fits &= !strstr(got.ptr, cases[i].lacks[n]);
        if (!fits) print_error("--- %s\n%s\n", cases[i].question, got.ptr);
        wrong += !fits;
        arena_free(&arena);
    }
    assert_int_equal(wrong, 0);
}

/* Without its numbers, label and bullet, every piece stands in a passage. */
static void every_sentence_is_cited_and_stands_in_the_passage_it_cites(void **state)
{
    struct arena arena = {0};
    const struct language *english = language_find(SLICE("en"));
    const char *question = "Who leads Lumen Board and when was it released?";
    struct list passages = demo_retrieve(&demo, &arena, english, question, 8);
    struct asked asked = {
        .message = slice_of(question), .language = english, .level = COMPLEXITY_MEDIUM};
    struct extract extract;
    (void)state;
    extractive_answer(extractive, &asked, &passages, &extract);
    assert_true(extract.found);
    for (size_t i = 0, from = 0; i < extract.count; from = extract.ends[i++]) {
        char piece[1024];
        snprintf(piece, sizeof piece, "%.*s", (int)(extract.ends[i] - from),
                 extract.text.ptr + from);
        char *mark = strrchr(piece, '[');
        assert_non_null(mark);
        size_t n = strtoul(mark + 1, NULL, 10);
        assert_in_range(n, 1, passages.count);
        struct slice text = ((struct passage *)passages.items)[n - 1].text;
        mark[-1] = '\0';
        char *quote = strstr(piece, "**: ");
        quote = quote ? quote + 4 : piece + strspn(piece, " \n-");
        assert_non_null(memmem(text.ptr, text.len, quote, strlen(quote)));
    }
    arena_free(&arena);
}

static void the_same_question_gives_the_same_bytes(void **state)
{
    struct arena arena = {0};
    size_t pieces;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i += 5) {
        struct slice once = answer(&arena, cases[i].question, cases[i].earlier, &pieces);
        answer(&arena, "List all projects with their technologies", NULL, &pieces);
        struct slice twice = answer(&arena, cases[i].question, cases[i].earlier, &pieces);
        assert_true(slice_equal(once, twice));
    }
    arena_free(&arena);
}

/* --- contexts as a retriever should not bring them, or hardly would --- */

static struct slice ask(const char *question, enum complexity level, const struct passage *passages,
                        size_t count)
{
    struct asked asked = {
        .message = slice_of(question), .language = language_find(SLICE("en")), .level = level};
    struct list list = {(void *)passages, count};
    struct extract extract;
    extractive_answer(extractive, &asked, &list, &extract);
    assert_true(text_valid(extract.text));
    return extract.text;
}

static void nothing_is_found_in_an_empty_context(void **state)
{
    static const struct passage empty = {.document_id = 1};
    (void)state;
    assert_true(slice_equal(ask("What is React?", COMPLEXITY_SIMPLE, NULL, 0), SLICE(NOTHING_EN)));
    assert_true(
        slice_equal(ask("What is React?", COMPLEXITY_SIMPLE, &empty, 1), SLICE(NOTHING_EN)));
    assert_true(slice_equal(ask("", COMPLEXITY_MEDIUM, &empty, 1), SLICE(NOTHING_EN)));
    assert_true(slice_equal(ask("???", COMPLEXITY_COMPLEX, &empty, 1), SLICE(NOTHING_EN)));
}

static void overlapping_passages_give_a_sentence_once(void **state)
{
    static const char text[] = "The valve opens at nine. The pump starts at ten. It stops at noon.";
    struct passage passages[2] = {
        {.document_id = 7, .start = 0, .end = 49, .text = {text, 49}, .score = 1},
        {.document_id = 7, .start = 25, .end = 66, .text = {text + 25, 41}, .score = 0.9},
    };
    (void)state;
    struct slice got = ask("When does the pump start?", COMPLEXITY_MEDIUM, passages, 2);
    char *first = memmem(got.ptr, got.len, "The pump starts", 15);
    assert_non_null(first);
    size_t rest = got.len - (size_t)(first + 15 - got.ptr);
    assert_null(memmem(first + 15, rest, "The pump starts", 15));
}

static void a_huge_line_is_cut_at_a_word(void **state)
{
    struct buffer line = {0};
    struct passage passage = {.document_id = 1, .title = SLICE("Log")};
    (void)state;
    buffer_append_text(&line, "the gasket");
    while (line.len < 16 << 20) buffer_append_text(&line, " número é");
    passage.text = buffer_slice(&line);
    struct slice got = ask("gasket", COMPLEXITY_SIMPLE, &passage, 1);
    assert_true(got.len < 600);
    assert_non_null(memmem(got.ptr, got.len, "the gasket", 10));
    assert_non_null(memmem(got.ptr, got.len, "… [1]", 7));
    buffer_free(&line);
}

static void any_bytes_give_valid_text(void **state)
{
    static const char alphabet[] = "ab gasket.?!\n\n- |#*`[]()1:¿é—\t";
    uint32_t random = 12345;
    (void)state;
    for (size_t round = 0; round < 300; round++) {
        struct passage passages[3];
        struct buffer text[3] = {{0}, {0}, {0}};
        for (size_t p = 0; p < 3; p++) {
            for (size_t n = 0; n < 200; n++) {
                random = random * 1664525u + 1013904223u;
                size_t at = (random >> 8) % (sizeof alphabet - 1);
                while ((alphabet[at] & 0xC0) == 0x80) at--;
                struct slice rest = {alphabet + at, sizeof alphabet - 1 - at};
                text_append(text_take(&rest), &text[p]);
            }
            passages[p] =
                (struct passage){.document_id = p / 2 + 1, .text = buffer_slice(&text[p])};
        }
        for (enum complexity level = 0; level < COMPLEXITY_COUNT; level++)
            ask("list gasket projects, compare ab and gasket", level, passages, 3);
        for (size_t p = 0; p < 3; p++) buffer_free(&text[p]);
    }
}

static void more_passages_than_are_read_do_no_harm(void **state)
{
    struct passage passages[100];
    (void)state;
    for (size_t i = 0; i < 100; i++)
        passages[i] = (struct passage){.document_id = i + 1,
                                       .title = SLICE("Pump"),
                                       .text = SLICE("A gasket seals the pump of this model.")};
    struct slice got = ask("List all gasket projects", COMPLEXITY_COMPREHENSIVE, passages, 100);
    assert_non_null(memmem(got.ptr, got.len, "[32]", 4));
    assert_null(memmem(got.ptr, got.len, "[33]", 4));
}

static int open_portfolio(void **state)
{
    (void)state;
    demo_load(&demo, TEST_DATA "/../../../deploy/demo");
    extractive = extractive_new();
    return demo.documents >= 12 ? 0 : -1;
}

static int close_portfolio(void **state)
{
    (void)state;
    extractive_destroy(&extractive);
    arena_free(&demo.arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_hold_what_was_asked_for),
        cmocka_unit_test(every_sentence_is_cited_and_stands_in_the_passage_it_cites),
        cmocka_unit_test(the_same_question_gives_the_same_bytes),
        cmocka_unit_test(nothing_is_found_in_an_empty_context),
        cmocka_unit_test(overlapping_passages_give_a_sentence_once),
        cmocka_unit_test(a_huge_line_is_cut_at_a_word),
        cmocka_unit_test(any_bytes_give_valid_text),
        cmocka_unit_test(more_passages_than_are_read_do_no_harm),
    };
    return cmocka_run_group_tests(tests, open_portfolio, close_portfolio);
}
