/* Answers that serve later questions: what is kept with a turn, who is given it, and when not. */
#include "store_fixture.h"

#include <math.h>

#include "common/hash.h"
#include "workers/retriever/semantic.h"

enum { HOUR_MS = 3600000, BYTES = 1 << 24 };

static uint64_t const passages[] = {11, 12, 13};

struct scene {
    struct fixture *f;
    struct semantic *semantic;
    uint64_t portfolio_id;
};

static int setup(void **state)
{
    struct scene *scene = xcalloc(1, sizeof(*scene));
    void *made;
    if (fixture_setup(&made)) return -1;
    scene->f = made;
    scene->semantic = semantic_new(scene->f->store, BYTES, HOUR_MS);
    scene->portfolio_id = make_portfolio(scene->f, "default");
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    void *f = scene->f;
    store_close(&scene->f->store);
    semantic_destroy(&scene->semantic);
    free(scene);
    return fixture_teardown(&f);
}

/* Letters by threes: near for texts that share many. */
static void embed(struct slice text, float *vector)
{
    double sum = 0;
    memset(vector, 0, DIMENSIONS * sizeof(*vector));
    for (size_t i = 0; i + 3 <= text.len; i++)
        vector[hash_fnv32((struct slice){text.ptr + i, 3}) % DIMENSIONS] += 1;
    for (size_t i = 0; i < DIMENSIONS; i++) sum += (double)vector[i] * (double)vector[i];
    for (size_t i = 0; i < DIMENSIONS; i++) vector[i] /= (float)sqrt(sum);
}

/* --- turns --- */

static struct turn turn_of(struct scene *scene, const char *question, const char *answer)
{
    return (struct turn){.agent_id = 1,
                         .portfolio_id = scene->portfolio_id,
                         .question = slice_of(question),
                         .answer = slice_of(answer),
                         .language = SLICE("en"),
                         .complexity = SLICE("simple"),
                         .top_k = 3,
                         .max_tokens = 2000,
                         .status = SLICE("completed"),
                         .finish_reason = SLICE("stop"),
                         .semantic = true,
                         .agent_version = 1,
                         .portfolio_version = portfolio_version(scene->f, scene->portfolio_id)};
}

static void encode_frames(const struct turn *turn, struct buffer *embedding, struct buffer *context)
{
    float vector[DIMENSIONS];
    struct passage found[ARRAY_LEN(passages)] = {0};
    embed(turn->question, vector);
    for (size_t i = 0; i < ARRAY_LEN(passages); i++) found[i].chunk_id = passages[i];
    struct embedding made = {.embedder = SLICE("hashing-1"),
                             .dimensions = DIMENSIONS,
                             .count = 1,
                             .vectors = {(const char *)vector, sizeof(vector)}};
    struct context retrieved = {.portfolio_id = turn->portfolio_id,
                                .portfolio_version = turn->portfolio_version,
                                .passages = {found, ARRAY_LEN(found)}};
    record_encode(embedding_type(), &made, embedding);
    record_encode(context_type(), &retrieved, context);
}

static void record(struct scene *scene, const struct turn *turn)
{
    struct made_call made = {0};
    struct buffer context = {0};
    encode_frames(turn, &made.embedding, &context);
    record_encode(turn_type(), turn, &made.request);
    made.call = (struct store_call){.kind = KIND_RECORD,
                                    .request = buffer_slice(&made.request),
                                    .embedding = buffer_slice(&made.embedding),
                                    .retrieved = buffer_slice(&context),
                                    .done = made_done,
                                    .context = &made};
    store_call(scene->f->store, &made.call);
    assert_int_equal(call_end(scene->f, &made, NULL, NULL), OK);
    buffer_free(&context);
}

/* --- questions --- */

struct asked {
    struct semantic_question question;
    float vector[DIMENSIONS];
    char answer[64], original[64];
    bool done;
};

static void on_done(struct semantic_question *question)
{
    struct asked *asked = question->context;
    struct ready_answer ready;
    asked->done = true;
    if (!question->found) return;
    assert_int_equal(record_decode(ready_answer_type(), question->ready, question->arena, &ready),
                     OK);
    snprintf(asked->answer, sizeof(asked->answer), "%.*s", (int)ready.answer.len, ready.answer.ptr);
    snprintf(asked->original, sizeof(asked->original), "%.*s", (int)question->original.len,
             question->original.ptr);
}

/* A question as the search asks it, of the agent and portfolio as they are. */
static struct asked ask(struct scene *scene, const char *text)
{
    struct asked asked = {0};
    asked.question = (struct semantic_question){
        .place = {.tenant = SLICE("default"),
                  .agent_id = 1,
                  .agent_version = 1,
                  .portfolio_id = scene->portfolio_id,
                  .portfolio_version = portfolio_version(scene->f, scene->portfolio_id),
                  .language = SLICE("en")},
        .language = language_find(SLICE("en")),
        .text = slice_of(text),
        .complexity = SLICE("simple"),
        .top_k = 3,
        .max_tokens = 2000,
        .embedder = SLICE("hashing-1"),
        .dimensions = DIMENSIONS,
        .threshold = 0.4,
        .passages = passages,
        .passage_count = ARRAY_LEN(passages),
        .done = on_done,
    };
    return asked;
}

static bool is_answered_by(struct scene *scene, struct semantic *semantic, struct asked *asked)
{
    embed(asked->question.text, asked->vector);
    asked->question.vector = asked->vector;
    asked->question.arena = &scene->f->arena;
    asked->question.context = asked;
    semantic_find(semantic, &asked->question);
    fixture_wait(scene->f, &asked->done);
    return asked->question.found;
}

static bool is_answered(struct scene *scene, struct asked asked)
{
    return is_answered_by(scene, scene->semantic, &asked);
}

static const char question[] = "How do I reset my password?",
                  again[] = "How can I reset the password?";

/* --- tests --- */

static void a_question_that_means_the_same_has_the_earlier_answer(void **state)
{
    struct scene *scene = *state;
    struct turn turn = turn_of(scene, question, "With the link [1].");
    struct citation citation = {.n = 1, .title = SLICE("Accounts")};
    turn.citations = (struct list){&citation, 1};
    struct asked asked = ask(scene, again);
    assert_false(is_answered(scene, asked));
    record(scene, &turn);
    assert_true(is_answered_by(scene, scene->semantic, &asked));
    assert_string_equal(asked.answer, "With the link [1].");
    assert_string_equal(asked.original, question);
    assert_true(asked.question.similarity >= 0.4 && asked.question.similarity <= 1);
    assert_int_equal(semantic_count(scene->semantic), 1);
}

static void another_process_has_it_too(void **state)
{
    struct scene *scene = *state;
    struct store *store;
    struct turn turn = turn_of(scene, question, "So.");
    record(scene, &turn);
    assert_int_equal(fixture_open(scene->f, &store), OK);
    struct semantic *other = semantic_new(store, BYTES, HOUR_MS);
    struct asked asked = ask(scene, again);
    assert_true(is_answered_by(scene, other, &asked));
    store_close(&store);
    semantic_destroy(&other);
}

/* Each question differs from the one that was answered in one thing. */
static void nothing_outside_of_its_place_is_ever_given(void **state)
{
    static uint64_t const other_passages[] = {11, 13, 12};
    struct scene *scene = *state;
    struct turn turn = turn_of(scene, question, "So.");
    record(scene, &turn);
    struct asked cases[12];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) cases[i] = ask(scene, question);
    cases[0].question.place.tenant = SLICE("other");
    cases[1].question.place.agent_id = 2;
    cases[2].question.place.agent_version = 2;
    cases[3].question.place.portfolio_id++;
    cases[4].question.place.portfolio_version++;
    cases[5].question.place.language = SLICE("es");
    cases[6].question.complexity = SLICE("medium");
    cases[7].question.top_k = 8;
    cases[8].question.max_tokens = 4000;
    cases[9].question.passages = other_passages;
    cases[10].question.embedder = SLICE("use-multilingual-3");
    cases[11].question.text = SLICE("How do I reset my laptop?");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (is_answered(scene, cases[i])) fail_msg("case %zu", i);
    assert_true(is_answered(scene, ask(scene, question)));
}

static void a_threshold_above_the_similarity_refuses(void **state)
{
    struct scene *scene = *state;
    struct turn turn = turn_of(scene, "How do I delete a user?", "So.");
    struct asked near = ask(scene, "How can I remove a user?"), far = near;
    record(scene, &turn);
    near.question.threshold = 0.1;
    far.question.threshold = 0.999;
    assert_true(is_answered(scene, near));
    assert_false(is_answered(scene, far));
}

/* What was changed meanwhile, what was cut short, what was itself cached. */
static void what_is_not_a_whole_answer_of_the_newest_content_is_not_kept(void **state)
{
    struct scene *scene = *state;
    struct turn turns[7];
    for (size_t i = 0; i < ARRAY_LEN(turns); i++) turns[i] = turn_of(scene, question, "So.");
    turns[0].semantic = false;
    turns[1].status = SLICE("cancelled");
    turns[2].finish_reason = SLICE("length");
    turns[3].cached = SLICE("semantic");
    turns[4].answer = SLICE("");
    turns[5].agent_version = 7;
    turns[6].portfolio_version--;
    for (size_t i = 0; i < ARRAY_LEN(turns); i++) {
        record(scene, &turns[i]);
        if (is_answered(scene, ask(scene, question))) fail_msg("turn %zu", i);
    }
}

static void a_turn_with_broken_frames_is_recorded_and_serves_nobody(void **state)
{
    struct scene *scene = *state;
    struct recorded recorded;
    struct turn turn = turn_of(scene, question, "So.");
    assert_int_equal(call(scene->f, KIND_RECORD, &turn, &recorded), OK);
    assert_true(recorded.message_id > 0);
    assert_false(is_answered(scene, ask(scene, question)));
}

static void a_changed_document_ends_what_was_kept(void **state)
{
    struct scene *scene = *state;
    struct document document;
    struct turn turn = turn_of(scene, question, "So.");
    record(scene, &turn);
    assert_true(is_answered(scene, ask(scene, question)));
    assert_int_equal(put_document(scene->f, scene->portfolio_id, "s", "Something new.", &document),
                     OK);
    assert_false(is_answered(scene, ask(scene, question)));
    assert_int_equal(semantic_count(scene->semantic), 0); /* the outdated place is given up */
}

static void an_answer_is_over_after_its_time(void **state)
{
    struct scene *scene = *state;
    struct semantic *brief = semantic_new(scene->f->store, BYTES, 1);
    struct turn turn = turn_of(scene, question, "So.");
    record(scene, &turn);
    uint64_t until = clock_ms() + 3;
    while (clock_ms() < until) continue;
    struct asked asked = ask(scene, question);
    assert_false(is_answered_by(scene, brief, &asked));
    semantic_destroy(&brief);
}

static void memory_is_bounded_and_the_newest_stay(void **state)
{
    enum { TURNS = 60, BOUND = 20000 };
    struct scene *scene = *state;
    struct semantic *small = semantic_new(scene->f->store, BOUND, HOUR_MS);
    char text[64];
    for (int i = 0; i < TURNS; i++) {
        snprintf(text, sizeof(text), "What is page %d about?", i);
        struct turn turn = turn_of(scene, text, "A page, and then some more about it.");
        record(scene, &turn);
        struct asked asked = ask(scene, text);
        assert_true(is_answered_by(scene, small, &asked));
        assert_true(semantic_bytes(small) <= BOUND);
    }
    assert_true(semantic_count(small) < TURNS);
    semantic_destroy(&small);
}

static void more_than_a_page_of_answers_is_read_by_and_by(void **state)
{
    enum { TURNS = 300 };
    struct scene *scene = *state;
    char text[64];
    for (int i = 0; i < TURNS; i++) {
        snprintf(text, sizeof(text), "What is page %d about?", i);
        struct turn turn = turn_of(scene, text, "A page.");
        record(scene, &turn);
    }
    assert_false(is_answered(scene, ask(scene, text)));
    assert_true(is_answered(scene, ask(scene, text)));
    assert_int_equal(semantic_count(scene->semantic), TURNS);
}

#define SEMANTIC_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEMANTIC_TEST(a_question_that_means_the_same_has_the_earlier_answer),
        SEMANTIC_TEST(another_process_has_it_too),
        SEMANTIC_TEST(nothing_outside_of_its_place_is_ever_given),
        SEMANTIC_TEST(a_threshold_above_the_similarity_refuses),
        SEMANTIC_TEST(what_is_not_a_whole_answer_of_the_newest_content_is_not_kept),
        SEMANTIC_TEST(a_turn_with_broken_frames_is_recorded_and_serves_nobody),
        SEMANTIC_TEST(a_changed_document_ends_what_was_kept),
        SEMANTIC_TEST(an_answer_is_over_after_its_time),
        SEMANTIC_TEST(memory_is_bounded_and_the_newest_stay),
        SEMANTIC_TEST(more_than_a_page_of_answers_is_read_by_and_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
