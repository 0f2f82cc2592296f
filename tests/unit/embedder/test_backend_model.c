/* The model's helper thread against a loop of its own. Needs the weights, as test_model.c does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "workers/embedder/backend.h"
#include "workers/embedder/model.h"

enum { TEXTS = 24, BATCHES = 4 };

struct worker {
    struct event_base *base;
    struct settings settings;
};

static struct worker worker;
static char model_dir[256];
static bool have_model;

struct event_base *worker_base(const struct worker *self)
{
    return self->base;
}

const struct settings *worker_settings(const struct worker *self)
{
    return &self->settings;
}

/* --- batches --- */

static const char passage[] =
    "The server keeps a fixed number of slots for superusers, so that an administrator can log in "
    "when all other connections are taken; a change needs a restart. El servidor guarda unas "
    "plazas "
    "para los superusuarios, de modo que un administrador puede entrar cuando las otras conexiones "
    "están ocupadas; un cambio exige reiniciar.";

struct test_batch {
    struct embed_batch batch;
    struct embed_item items[TEXTS];
    float vectors[TEXTS][MODEL_DIMENSIONS];
    unsigned ended; /* its turn among those that ended; 0: not yet */
    err_t error;
};

static unsigned ended;

static void on_done(struct embed_batch *batch, err_t error)
{
    struct test_batch *test = (struct test_batch *)batch;
    assert_int_equal(test->ended, 0);
    test->ended = ++ended;
    test->error = error;
}

static struct test_batch *batch_of(const char *text, size_t count, bool question)
{
    struct test_batch *test = xcalloc(1, sizeof *test);
    for (size_t i = 0; i < count; i++) {
        test->items[i] = (struct embed_item){.text = slice_of(text), .vector = test->vectors[i]};
        test->items[i].tokens = backend_model.tokens(NULL, &test->items[i]);
    }
    test->batch = (struct embed_batch){
        .items = test->items, .count = count, .question = question, .done = on_done};
    return test;
}

static void turn_until_ended(unsigned count)
{
    while (ended < count) assert_int_equal(event_base_loop(worker.base, EVLOOP_ONCE), 0);
}

/* --- opening --- */

static int find_model(void **state)
{
    const char *folder = getenv("MODEL_DIR");
    (void)state;
    snprintf(model_dir, sizeof model_dir, "%s", folder ? folder : TEST_DATA "/../../../var/model");
    have_model = access(model_dir, R_OK) == 0;
    if (!have_model) print_message("skipped: no model in %s\n", model_dir);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    worker.base = event_base_new();
    worker.settings.model_dir = model_dir;
    ended = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    event_base_free(worker.base);
    return 0;
}

static void *open_backend(void)
{
    void *context;
    assert_int_equal(backend_model.open(&worker, embedder_find(SLICE("model")), &context), OK);
    return context;
}

static void without_a_folder_it_is_unavailable_and_with_an_empty_one_invalid(void **state)
{
    char folder[] = "/tmp/millrace-model-XXXXXX";
    void *context;
    (void)state;
    worker.settings.model_dir = "";
    assert_int_equal(backend_model.open(&worker, embedder_find(SLICE("model")), &context),
                     ERR_EMBEDDER_UNAVAILABLE);
    assert_non_null(mkdtemp(folder));
    worker.settings.model_dir = folder;
    assert_int_equal(backend_model.open(&worker, embedder_find(SLICE("model")), &context),
                     ERR_MODEL_INVALID);
    rmdir(folder);
}

/* --- running --- */

static void a_question_overtakes_passages_and_both_get_their_vectors(void **state)
{
    (void)state;
    if (!have_model) skip();
    void *context = open_backend();
    struct test_batch *passages = batch_of(passage, TEXTS, false);
    struct test_batch *question = batch_of("How many slots are there?", 1, true);
    backend_model.run(context, &passages->batch);
    backend_model.run(context, &question->batch);
    turn_until_ended(2);
    assert_int_equal(question->ended, 1);
    assert_int_equal(question->error | passages->error, OK);
    for (size_t i = 1; i < TEXTS; i++)
        assert_memory_equal(passages->vectors[i], passages->vectors[0],
                            sizeof passages->vectors[0]);
    assert_true(question->vectors[0][0] != 0 && passages->vectors[0][0] != 0);
    backend_model.close(context);
    free(passages);
    free(question);
}

/* What a passage's vector has to be, from one pass over all of it. */
static void embed_whole(const char *text, float *vector)
{
    struct model *model;
    int32_t tokens[MODEL_TOKENS_MAX];
    struct buffer memory = {0};
    assert_int_equal(model_open(model_dir, &model), OK);
    struct slice whole =
        model_passage((struct slice){0}, (struct slice){0}, slice_of(text), &memory);
    model_run(model, &(struct model_text){tokens, model_cut(model, whole, tokens), vector}, 1);
    model_close(&model);
    buffer_free(&memory);
}

/* The slowest kernel takes longer for such a text than a pass may. */
static void a_text_of_several_passes_has_its_vector_whatever_comes_between(void **state)
{
    enum { LONG = 3, REPEATED = 8 };
    char text[REPEATED * sizeof passage] = "";
    float want[MODEL_DIMENSIONS];
    (void)state;
    if (!have_model) skip();
    assert_true(matrix_use("plain"));
    for (size_t i = 0; i < REPEATED; i++) strcat(text, passage);
    embed_whole(text, want);
    void *context = open_backend();
    struct test_batch *passages = batch_of(text, LONG, false);
    struct test_batch *question = batch_of("How many slots are there?", 1, true);
    backend_model.run(context, &passages->batch);
    backend_model.run(context, &question->batch);
    turn_until_ended(2);
    assert_int_equal(question->ended, 1);
    for (size_t i = 0; i < LONG; i++) assert_memory_equal(passages->vectors[i], want, sizeof want);
    backend_model.close(context);
    matrix_use(NULL);
    free(passages);
    free(question);
}

static void a_cancelled_batch_ends_as_cancelled_wherever_it_is(void **state)
{
    struct test_batch *batches[BATCHES];
    (void)state;
    if (!have_model) skip();
    void *context = open_backend();
    for (size_t i = 0; i < BATCHES; i++) {
        batches[i] = batch_of(passage, TEXTS, false);
        backend_model.run(context, &batches[i]->batch);
    }
    for (size_t i = 0; i + 1 < BATCHES; i++) backend_model.cancel(context, &batches[i]->batch);
    turn_until_ended(BATCHES);
    for (size_t i = 0; i < BATCHES; i++) {
        assert_int_equal(batches[i]->error, i + 1 < BATCHES ? ERR_CANCELLED : OK);
        free(batches[i]);
    }
    backend_model.close(context);
}

static void closing_drops_what_is_under_way(void **state)
{
    struct test_batch *batches[BATCHES];
    (void)state;
    if (!have_model) skip();
    void *context = open_backend();
    for (size_t i = 0; i < BATCHES; i++) {
        batches[i] = batch_of(passage, TEXTS, i % 2);
        backend_model.run(context, &batches[i]->batch);
    }
    backend_model.close(context);
    event_base_loop(worker.base, EVLOOP_NONBLOCK);
    assert_int_equal(ended, 0);
    for (size_t i = 0; i < BATCHES; i++) free(batches[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(without_a_folder_it_is_unavailable_and_with_an_empty_one_invalid),
        TEST(a_question_overtakes_passages_and_both_get_their_vectors),
        TEST(a_text_of_several_passes_has_its_vector_whatever_comes_between),
        TEST(a_cancelled_batch_ends_as_cancelled_wherever_it_is),
        TEST(closing_drops_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, find_model, NULL);
}
