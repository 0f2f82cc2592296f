/* How long an extractive answer takes, from passages to pieces: p50 and p99 over many answers of
 * each shape, for 8 and 15 passages of 1,000 characters out of the demo portfolio.
 *
 *     bench_extractive [FOLDER]        FOLDER: deploy/demo */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/bench/samples.h"
#include "tests/unit/generator/demo_portfolio.h"
#include "workers/generator/extractive.h"

enum { ROUNDS = 2000, PASSAGE_BYTES = 1000, PASSAGES = 15 };

static const struct {
    const char *question, *language;
    enum complexity level;
    size_t passages;
    double target_us;
} cases[] = {
    {"When was Quillmark released?", "en", COMPLEXITY_SIMPLE, 3, 0},
    {"What React projects are there?", "en", COMPLEXITY_MEDIUM, 8, 100},
    {"How does Tidewatch warn people?", "en", COMPLEXITY_MEDIUM, 8, 100},
    {"¿Qué proyectos usan Python?", "es", COMPLEXITY_MEDIUM, 8, 100},
    {"What Raect projects are there?", "en", COMPLEXITY_MEDIUM, 8, 0},
    {"Compare React and Vue", "en", COMPLEXITY_COMPLEX, 10, 0},
    {"List all projects with their technologies", "en", COMPLEXITY_COMPREHENSIVE, 15, 300},
};

/* Passages of one size, each from another place of the portfolio. */
static struct list make_passages(struct demo_portfolio *demo, struct arena *arena)
{
    struct passage *passages = arena_alloc(arena, PASSAGES * sizeof *passages);
    for (size_t i = 0; i < PASSAGES; i++) {
        struct buffer text = {0};
        passages[i] = demo->chunks[i * 2 % demo->count];
        for (size_t n = i * 2; text.len < PASSAGE_BYTES; n++)
            buffer_append_slice(&text, demo->chunks[n % demo->count].text);
        text.len = text_cut(buffer_slice(&text), PASSAGE_BYTES);
        passages[i].text = arena_slice(arena, buffer_slice(&text));
        passages[i].score = 1.0 - 0.05 * (double)i;
        buffer_free(&text);
    }
    return (struct list){passages, PASSAGES};
}

static void measure(struct extractive *extractive, const struct list *passages, size_t number)
{
    struct samples samples = {0};
    struct extract extract;
    struct list list = {passages->items, cases[number].passages};
    struct asked asked = {.message = slice_of(cases[number].question),
                          .language = language_find(slice_of(cases[number].language)),
                          .level = cases[number].level};
    for (size_t i = 0; i < ROUNDS; i++) {
        uint64_t start = clock_ns();
        extractive_answer(extractive, &asked, &list, &extract);
        samples_add(&samples, clock_ns() - start);
    }
    printf("%-45s %3zu %8.1f %8.1f %8.0f\n", cases[number].question, list.count,
           (double)samples_quantile(&samples, 0.5) / 1000,
           (double)samples_quantile(&samples, 0.99) / 1000, cases[number].target_us);
    samples_free(&samples);
}

int main(int argc, char **argv)
{
    static struct demo_portfolio demo;
    struct arena arena = {0};
    demo_load(&demo, argc > 1 ? argv[1] : "deploy/demo");
    if (!demo.count) return fprintf(stderr, "no documents there\n"), 1;
    struct list passages = make_passages(&demo, &arena);
    struct extractive *extractive = extractive_new();
    printf("%-45s %3s %8s %8s %8s\n", "question", "n", "p50 us", "p99 us", "target");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) measure(extractive, &passages, i);
    extractive_destroy(&extractive);
    arena_free(&arena);
    arena_free(&demo.arena);
    return 0;
}
