#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"
#include "workers/retriever/resident.h"
#include "workers/retriever/scan.h"
#include "workers/retriever/terms.h"

enum { DIMENSIONS = 70, HITS = 10 };

static void put(struct resident *resident, uint64_t id, uint64_t document, uint32_t position,
                const char *language, const char *text, const float *vector)
{
    struct buffer terms = {0};
    terms_encode(language_find(slice_of(language)), SLICE(""), SLICE(""), slice_of(text), &terms);
    struct resident_chunk chunk = {.id = id,
                                   .document_id = document,
                                   .position = position,
                                   .start = position * 100,
                                   .end = position * 100 + 120,
                                   .language = language,
                                   .terms = buffer_slice(&terms),
                                   .vector = vector};
    resident_put(resident, &chunk);
    buffer_free(&terms);
}

/* Real sentences, worded as documentation words them. */
static const struct {
    const char *language, *text;
} corpus[] = {
    {"en",
     "max_connections determines the maximum number of concurrent connections to the server."},
    {"en", "shared_buffers sets the amount of memory the database server uses for buffers."},
    {"en", "pg_terminate_backend ends the session of the backend process with that ID."},
    {"en", "VACUUM reclaims storage occupied by dead tuples of a table."},
    {"en", "Use --lock-wait-timeout to fail when a lock on a table is not granted in time."},
    {"en",
     "Logs the duration of each statement that ran at least the given number of milliseconds."},
    {"en", "Semaphores: one is needed for each allowed connection, and one for each worker."},
    {"es", "La orden rmdir borra los directorios vacíos que se le indican."},
    {"es", "Para instalar paquetes use apt-get con el nombre del paquete."},
    {"es", "El fichero sources.list contiene los repositorios de los que se instalan paquetes."},
    {"es", "chown cambia el usuario y el grupo propietarios de los ficheros."},
};

static struct resident *open_corpus(void)
{
    struct resident *resident = resident_new(0);
    for (size_t i = 0; i < ARRAY_LEN(corpus); i++)
        put(resident, i + 1, i + 1, 0, corpus[i].language, corpus[i].text, NULL);
    return resident;
}

static size_t ask(struct resident *resident, const char *text, struct resident_hit *hits)
{
    struct resident_query query = {.text = slice_of(text),
                                   .language = language_detect(slice_of(text), NULL),
                                   .top_k = HITS,
                                   .merge = true};
    return resident_search(resident, &query, hits);
}

/* Questions that taught something: each failed with a simpler search. */
static void a_question_finds_its_passage_however_it_is_worded(void **state)
{
    static const struct {
        const char *question;
        uint64_t want; /* the first hit */
    } cases[] = {
        {"max_connections", 1},
        {"What is the maximum number of connections?", 1},
        {"maxConnections", 1},
        {"max-connections", 1},
        {"shared bufers", 2},
        {"how much RAM for the cache?", 2}, /* no word in common */
        {"kick a session off", 3},          /* by its synonym */
        {"vaccum ded tuples", 4},
        {"--lock-wait-timeout", 4 + 1},
        {"lock wait timeout", 5},
        {"write slow queries to the log", 6},
        {"semafores per conection", 7},
        {"¿Cómo elimino una carpeta vacía?", 8}, /* elimino: borra; carpeta: directorio */
        {"instalacion de paquetes con apt get", 9},
        {"where is sources.list?", 10}, /* an identifier, asked in English */
        {"cambiar el dueño de un archivo", 11},
        {"CHOWN", 11},
    };
    struct resident *resident = open_corpus();
    struct resident_hit hits[HITS];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t count = ask(resident, cases[i].question, hits);
        if (!count || hits[0].chunk_id != cases[i].want)
            fail_msg("%s: got %lu", cases[i].question, count ? hits[0].chunk_id : 0);
    }
    resident_destroy(&resident);
}

static void a_question_of_nothing_finds_nothing(void **state)
{
    struct resident *resident = open_corpus(), *empty = resident_new(DIMENSIONS);
    struct resident_hit hits[HITS];
    (void)state;
    assert_int_equal(ask(resident, "", hits), 0);
    assert_int_equal(ask(resident, "what is the of?", hits), 0);
    assert_int_equal(ask(resident, "\xFF\xFE", hits), 0);
    assert_int_equal(ask(resident, "zzzzqqqqxxxx", hits), 0);
    assert_int_equal(ask(empty, "server", hits), 0);
    resident_destroy(&resident);
    resident_destroy(&empty);
}

static void a_long_question_of_unknown_words_takes_no_long_time(void **state)
{
    struct resident *resident = resident_new(0);
    struct resident_hit hits[HITS];
    struct buffer text = {0};
    (void)state;
    for (uint64_t id = 0; id < 300; id++) {
        text.len = 0;
        for (uint64_t i = 0; i < 100; i++) buffer_printf(&text, "word%lux ", id * 100 + i);
        buffer_append_char(&text, '\0');
        put(resident, id, id, 0, "en", text.data, NULL);
    }
    text.len = 0;
    for (uint64_t i = 0; i < 800; i++) buffer_printf(&text, "wort%luy ", i * 37);
    buffer_append_char(&text, '\0');
    uint64_t start_ms = clock_ms();
    for (size_t i = 0; i < 10; i++) ask(resident, text.data, hits);
    assert_true(clock_ms() - start_ms < 5000);
    resident_destroy(&resident);
    buffer_free(&text);
}

static void equal_scores_go_by_chunk_id_whatever_came_first(void **state)
{
    static const uint64_t ids[] = {9, 3, 7, 1, 5};
    struct resident *resident = resident_new(0);
    struct resident_hit hits[HITS];
    struct resident_query query = {
        .text = SLICE("mill"), .language = language_find(SLICE("en")), .top_k = HITS};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        put(resident, ids[i], ids[i], 0, "en", "the mill by the river", NULL);
    assert_int_equal(resident_search(resident, &query, hits), 5);
    for (size_t i = 0; i < 5; i++) assert_int_equal(hits[i].chunk_id, 1 + 2 * i);
    resident_destroy(&resident);
}

static void near_duplicates_are_dropped_but_not_other_numbers(void **state)
{
    struct resident *resident = resident_new(0);
    struct resident_hit hits[HITS];
    (void)state;
    put(resident, 1, 1, 0, "en", "the mill wheel turns in the water", NULL);
    put(resident, 2, 2, 0, "en", "The mill wheel turns in the water!", NULL);
    put(resident, 3, 3, 0, "en", "the mill wheel turns in the water of 1850", NULL);
    put(resident, 4, 4, 0, "en", "the mill wheel turns in the water of 1851", NULL);
    assert_int_equal(ask(resident, "mill wheel", hits), 3);
    assert_int_equal(hits[0].chunk_id, 1);
    resident_destroy(&resident);
}

static void neighbours_are_merged_up_to_three_and_the_list_refilled(void **state)
{
    struct resident *resident = resident_new(0);
    struct resident_hit hits[HITS];
    char text[64];
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        static const char *const others[] = {"alpha", "beta", "gamma", "delta", "epsilon"};
        snprintf(text, sizeof text, "the mill wheel %s", others[i]);
        put(resident, i + 1, 1, i, "en", text, NULL);
    }
    put(resident, 6, 2, 0, "en", "a wheel and quite a lot of other words here", NULL);
    put(resident, 7, 3, 1, "en", "another wheel with yet more words around it", NULL);
    assert_int_equal(ask(resident, "mill wheel", hits), 4);
    assert_int_equal(hits[0].last - hits[0].first, 2);
    assert_int_equal(hits[0].end - hits[0].start, 320);
    assert_int_equal(hits[1].last - hits[1].first, 1);
    assert_true(hits[0].score >= hits[1].score && hits[1].score > hits[2].score);
    resident_destroy(&resident);
}

/* --- vectors --- */

static uint32_t random_state = 99;

static float next_float(void)
{
    random_state = random_state * 1664525 + 1013904223;
    return (float)(int32_t)random_state / 2147483648.0f;
}

static void make_vector(float *vector)
{
    for (size_t i = 0; i < DIMENSIONS; i++) vector[i] = next_float();
}

static void check_same(const struct resident_hit *a, const struct resident_hit *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(a[i].chunk_id, b[i].chunk_id);
        assert_true(a[i].score == b[i].score && a[i].vector == b[i].vector &&
                    a[i].bm25 == b[i].bm25);
    }
}

static struct resident_query vector_query(const float *vector)
{
    return (struct resident_query){.text = SLICE("max connections of the server"),
                                   .language = language_find(SLICE("en")),
                                   .vector = vector,
                                   .vector_weight = 0.5,
                                   .top_k = HITS};
}

static void every_instruction_set_gives_the_same_hits(void **state)
{
    struct resident *resident = resident_new(DIMENSIONS);
    struct resident_hit plain[HITS], hits[HITS];
    float vector[DIMENSIONS];
    const char *name;
    (void)state;
    for (uint64_t id = 0; id < 1000; id++) {
        make_vector(vector);
        put(resident, id, id, 0, "en", corpus[id % 7].text, id % 10 ? vector : NULL);
    }
    for (size_t n = 0; n < 20; n++) {
        make_vector(vector);
        struct resident_query query = vector_query(vector);
        scan_use("plain");
        assert_int_equal(resident_search(resident, &query, plain), HITS);
        for (size_t v = 0; (name = scan_variant(v)); v++) {
            scan_use(name);
            assert_int_equal(resident_search(resident, &query, hits), HITS);
            check_same(plain, hits, HITS);
        }
    }
    scan_use(NULL);
    resident_destroy(&resident);
}

static void the_nearest_vector_is_first_and_those_without_one_are_left_out(void **state)
{
    struct resident *resident = resident_new(DIMENSIONS);
    struct resident_hit hits[HITS];
    float vectors[5][DIMENSIONS];
    (void)state;
    for (uint64_t id = 0; id < 5; id++) {
        make_vector(vectors[id]);
        put(resident, id, id, 0, "en", "", id == 4 ? NULL : vectors[id]);
    }
    struct resident_query query = vector_query(vectors[2]);
    assert_int_equal(resident_search(resident, &query, hits), 4);
    assert_int_equal(hits[0].chunk_id, 2);
    assert_true(hits[0].vector == 1 && hits[0].bm25 == 0 && hits[0].score == 0.5f);
    assert_true(resident_set_vector(resident, 4, vectors[2]));
    assert_true(resident_set_vector(resident, 2, NULL));
    assert_false(resident_set_vector(resident, 77, vectors[2]));
    assert_int_equal(resident_search(resident, &query, hits), 4);
    assert_int_equal(hits[0].chunk_id, 4);
    resident_destroy(&resident);
}

/* Whole numbers, the largest of them 127: stored as they are. */
static void make_whole_vector(float *vector)
{
    for (size_t i = 0; i < DIMENSIONS; i++) vector[i] = (float)(int)(127 * next_float());
    vector[0] = 127;
}

static double dot_of(const float *a, const float *b)
{
    double dot = 0;
    for (size_t i = 0; i < DIMENSIONS; i++) dot += (double)a[i] * b[i];
    return dot;
}

/* How many of the vectors are nearer than the one at `id`. */
static size_t rank_of(float (*vectors)[DIMENSIONS], size_t count, const float *question, size_t id)
{
    double dot = dot_of(question, vectors[id]);
    size_t rank = 0;
    for (size_t i = 0; i < count; i++) rank += dot_of(question, vectors[i]) > dot;
    return rank;
}

/* Though the question is quantised, too. */
static void the_nearest_vectors_come_in_their_exact_order(void **state)
{
    enum { COUNT = 1000 };
    static float vectors[COUNT][DIMENSIONS];
    struct resident *resident = resident_new(DIMENSIONS);
    struct resident_hit hits[HITS];
    float question[DIMENSIONS];
    (void)state;
    for (uint64_t id = 0; id < COUNT; id++) {
        make_whole_vector(vectors[id]);
        put(resident, id, id, 0, "en", "", vectors[id]);
    }
    for (size_t n = 0; n < 20; n++) {
        make_vector(question);
        struct resident_query query = vector_query(question);
        assert_int_equal(resident_search(resident, &query, hits), HITS);
        for (size_t i = 0; i < HITS; i++)
            assert_int_equal(rank_of(vectors, COUNT, question, hits[i].chunk_id), i);
    }
    resident_destroy(&resident);
}

/* Whatever was put, replaced and removed before, the hits are those of a fresh portfolio. */
static void history_leaves_no_trace(void **state)
{
    enum { IDS = 60 };
    struct resident *lived = resident_new(DIMENSIONS);
    int held[IDS];
    float vectors[IDS][DIMENSIONS], wanted[DIMENSIONS];
    (void)state;
    memset(held, -1, sizeof held);
    for (size_t i = 0; i < IDS; i++) make_vector(vectors[i]);
    for (size_t step = 0; step < 2000; step++) {
        uint32_t id = random_state >> 16, text = random_state >> 8;
        id %= IDS, text %= ARRAY_LEN(corpus);
        bool removes = next_float() > 0.5f;
        if (removes)
            resident_remove(lived, id);
        else
            put(lived, id, id / 4, id % 4, corpus[text].language, corpus[text].text, vectors[id]);
        held[id] = removes ? -1 : (int)text;
    }
    struct resident *fresh = resident_new(DIMENSIONS);
    for (uint32_t id = 0; id < IDS; id++)
        if (held[id] >= 0)
            put(fresh, id, id / 4, id % 4, corpus[held[id]].language, corpus[held[id]].text,
                vectors[id]);
    assert_int_equal(resident_count(lived), resident_count(fresh));
    for (size_t n = 0; n < 20; n++) {
        struct resident_hit a[HITS], b[HITS];
        make_vector(wanted);
        struct resident_query query = vector_query(wanted);
        query.merge = n % 2;
        size_t count = resident_search(lived, &query, a);
        assert_int_equal(resident_search(fresh, &query, b), count);
        check_same(a, b, count);
    }
    assert_true(resident_bytes(lived) > IDS * DIMENSIONS);
    resident_destroy(&lived);
    resident_destroy(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_finds_its_passage_however_it_is_worded),
        cmocka_unit_test(a_question_of_nothing_finds_nothing),
        cmocka_unit_test(a_long_question_of_unknown_words_takes_no_long_time),
        cmocka_unit_test(equal_scores_go_by_chunk_id_whatever_came_first),
        cmocka_unit_test(near_duplicates_are_dropped_but_not_other_numbers),
        cmocka_unit_test(neighbours_are_merged_up_to_three_and_the_list_refilled),
        cmocka_unit_test(every_instruction_set_gives_the_same_hits),
        cmocka_unit_test(the_nearest_vector_is_first_and_those_without_one_are_left_out),
        cmocka_unit_test(the_nearest_vectors_come_in_their_exact_order),
        cmocka_unit_test(history_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
