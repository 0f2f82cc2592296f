#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/json_text.h"
#include "gateway/json_record.h"
#include "proto/records.h"

static err_t read_agent(const char *text, struct arena *arena, json_t **value, struct agent *agent,
                        struct json_problem *problem)
{
    err_t error = json_read(slice_of(text), value, problem);
    return error ? error : record_from_json(agent_type(), *value, arena, agent, problem);
}

static bool is_present(const struct agent *agent, const char *name)
{
    for (size_t i = 0; i < agent_type()->count; i++)
        if (!strcmp(agent_type()->fields[i].name, name)) return agent->present >> i & 1;
    return false;
}

static void members_that_are_given_are_present_and_others_are_not(void **state)
{
    struct arena arena = {0};
    struct json_problem problem;
    struct agent agent;
    json_t *value;
    (void)state;
    assert_int_equal(
        read_agent("{\"name\":\"\",\"temperature\":1,\"language\":null,\"model\":null,"
                   "\"semantic_cache\":false,\"fallbacks\":[{\"model\":\"m\"}],\"x\":1}",
                   &arena, &value, &agent, &problem),
        OK);
    static const char *const given[] = {"name", "temperature", "language", "semantic_cache",
                                        "fallbacks"};
    for (size_t i = 0; i < ARRAY_LEN(given); i++) assert_true(is_present(&agent, given[i]));
    assert_int_equal(__builtin_popcountll(agent.present), ARRAY_LEN(given));
    assert_true(agent.temperature == 1);
    assert_int_equal(agent.fallbacks.count, 1);
    assert_true(slice_equal(((struct fallback *)agent.fallbacks.items)->model, SLICE("m")));
    json_decref(value);
    arena_free(&arena);
}

static void a_wrong_type_names_its_member(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"{\"name\":1}", "name must be a string"},
        {"{\"top_k\":1.5}", "top_k must be a whole number, zero or more"},
        {"{\"top_k\":true}", "top_k must be a whole number, zero or more"},
        {"{\"temperature\":\"hot\"}", "temperature must be a number"},
        {"{\"semantic_cache\":\"yes\"}", "semantic_cache must be true or false"},
        {"{\"fallbacks\":{}}", "fallbacks must be an array of objects"},
        {"{\"fallbacks\":[1]}", "fallbacks[0] must be an object"},
        {"{\"fallbacks\":[{},{\"model\":[]}]}", "fallbacks[1].model must be a string"},
        {"7", "the body must be an object"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena = {0};
        struct json_problem problem;
        struct agent agent, zero = {0};
        json_t *value;
        assert_int_equal(read_agent(cases[i].text, &arena, &value, &agent, &problem),
                         ERR_INVALID_FIELD);
        assert_string_equal(problem.text, cases[i].want);
        assert_memory_equal(&agent, &zero, sizeof(agent));
        json_decref(value);
        arena_free(&arena);
    }
}

static void raw_json_passes_through_and_must_be_an_object(void **state)
{
    struct arena arena = {0};
    struct json_problem problem;
    struct document document;
    struct buffer out = {0};
    json_t *value;
    (void)state;
    assert_int_equal(
        json_read(SLICE("{\"metadata\":{\"a\":[1,\"é\"],\"b\":null}}"), &value, &problem), OK);
    assert_int_equal(record_from_json(document_type(), value, &arena, &document, &problem), OK);
    json_decref(value);
    assert_true(slice_equal(document.metadata, SLICE("{\"a\":[1,\"é\"],\"b\":null}")));
    record_to_json(document_type(), &document, &out);
    buffer_append_char(&out, '\0');
    assert_non_null(strstr(out.data, "\"metadata\":{\"a\":[1,\"é\"],\"b\":null},"));
    buffer_free(&out);
    assert_int_equal(json_read(SLICE("{\"metadata\":[]}"), &value, &problem), OK);
    assert_int_equal(record_from_json(document_type(), value, &arena, &document, &problem),
                     ERR_INVALID_FIELD);
    json_decref(value);
    arena_free(&arena);
}

static void every_field_is_written_but_what_is_for_writing_only(void **state)
{
    struct fallback fallback = {.model = SLICE("m"), .api_key = SLICE("sk-2"), .has_api_key = true};
    struct agent agent = {.id = 1,
                          .name = SLICE("a \"b\""),
                          .api_key = SLICE("sk-1"),
                          .temperature = 0.7,
                          .fallbacks = {&fallback, 1}};
    static const char want[] =
        "{\"id\":1,\"name\":\"a \\\"b\\\"\",\"provider\":\"\",\"model\":\"\",\"base_url\":\"\","
        "\"has_api_key\":false,\"system_prompt\":\"\",\"temperature\":0.7,\"language\":null,"
        "\"portfolio_id\":null,"
        "\"top_k\":null,\"max_context_tokens\":null,\"semantic_cache\":false,"
        "\"semantic_threshold\":null,\"fallbacks\":[{\"provider\":\"\",\"model\":\"m\","
        "\"base_url\":\"\",\"has_api_key\":true}],\"version\":0}";
    struct buffer out = {0};
    (void)state;
    record_to_json(agent_type(), &agent, &out);
    assert_int_equal(out.len, strlen(want));
    assert_memory_equal(out.data, want, out.len);
    buffer_free(&out);
    struct document document = {.content = SLICE("secret"), .title = SLICE("t")};
    record_to_json(document_type(), &document, &out);
    assert_null(memmem(out.data, out.len, "content", 7));
    assert_null(memmem(out.data, out.len, "secret", 6));
    buffer_free(&out);
}

static void numbers_are_short_and_read_back(void **state)
{
    static const struct {
        double number;
        const char *want;
    } cases[] = {
        {0, "0"},
        {1, "1"},
        {0.7, "0.7"},
        {0.7f, "0.7"},
        {-2.5, "-2.5"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e300, "1e+300"},
        {(double)0.81234556f, "0.81234556"},
        {__builtin_inf(), "null"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buffer out = {0};
        json_append_number(&out, cases[i].number);
        buffer_append_char(&out, '\0');
        assert_string_equal(out.data, cases[i].want);
        buffer_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_that_are_given_are_present_and_others_are_not),
        cmocka_unit_test(a_wrong_type_names_its_member),
        cmocka_unit_test(raw_json_passes_through_and_must_be_an_object),
        cmocka_unit_test(every_field_is_written_but_what_is_for_writing_only),
        cmocka_unit_test(numbers_are_short_and_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
