/* Who is asked: what the agent says, what the environment adds, and which key goes where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/log.h"
#include "workers/generator/targets.h"

#define KMS_KEY   "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
#define OTHER_KEY "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
#define OPENAI    "https://api.openai.test/v1"
#define OLLAMA    "http://127.0.0.1:11434/v1"

static struct settings environment(void)
{
    return (struct settings){
        .agent_kms_key = KMS_KEY,
        .agent_kms_key_previous = "",
        .anthropic_api_key = "",
        .anthropic_base_url = "https://api.anthropic.test",
        .default_model = "",
        .mistral_api_key = "",
        .mistral_base_url = "https://api.mistral.test/v1/",
        .openai_api_key = "",
        .openai_base_url = OPENAI,
    };
}

static struct chat_request asked_of(const char *provider)
{
    return (struct chat_request){.tenant = SLICE("default"),
                                 .agent = {.id = 7, .provider = slice_of(provider)}};
}

static struct slice sealed(const char *key, const char *secret, struct arena *arena)
{
    struct sealer *sealer = NULL;
    struct buffer text = {0};
    assert_int_equal(sealer_new(key, "", &sealer), OK);
    assert_int_equal(seal(sealer, SLICE("default"), slice_of(secret), &text), OK);
    struct slice copy = arena_slice(arena, buffer_slice(&text));
    buffer_free(&text);
    sealer_destroy(&sealer);
    return copy;
}

static err_t targets_with(const struct settings *settings, const struct chat_request *request,
                          struct arena *arena, struct target **list, size_t *count)
{
    struct targets *targets = NULL;
    struct target *found = NULL;
    assert_int_equal(targets_new(settings, &targets), OK);
    err_t error = targets_of(targets, request, arena, &found, count);
    if (!error) *list = found;
    for (size_t i = 0; !error && i < *count; i++) { /* it must not lie in `targets`' own memory */
        found[i].model = arena_slice(arena, found[i].model);
        found[i].base_url = arena_slice(arena, found[i].base_url);
        found[i].key = arena_slice(arena, found[i].key);
    }
    targets_destroy(&targets);
    return error;
}

static void assert_target(const struct target *target, const char *provider, const char *model,
                          const char *base_url, const char *key)
{
    assert_string_equal(target->provider, provider);
    assert_true(slice_equal(target->model, slice_of(model)));
    assert_true(slice_equal(target->base_url, slice_of(base_url)));
    assert_true(slice_equal(target->key, slice_of(key)));
}

static void an_agent_without_a_provider_has_the_first_whose_key_is_there(void **state)
{
    static const struct {
        const char *openai, *mistral, *anthropic, *model, *name;
    } table[] = {
        {"", "", "", "", "extractive"},
        {"", "", "", "gpt-x", "extractive"},
        {"o", "m", "a", "", "openai/gpt-4o-mini"},
        {"", "m", "a", "", "mistral/mistral-small-latest"},
        {"", "", "a", "", "anthropic/claude-haiku-4-5"},
        {"o", "", "", "gpt-x", "openai/gpt-x"},
        {"", "m", "", "big", "mistral/big"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct settings settings = environment();
        struct targets *targets = NULL;
        struct target *list = NULL;
        struct arena arena = {0};
        struct chat_request request = asked_of("");
        size_t count = 0;
        settings.openai_api_key = table[i].openai;
        settings.mistral_api_key = table[i].mistral;
        settings.anthropic_api_key = table[i].anthropic;
        settings.default_model = table[i].model;
        assert_int_equal(targets_new(&settings, &targets), OK);
        assert_string_equal(targets_default(targets), table[i].name);
        assert_int_equal(targets_of(targets, &request, &arena, &list, &count), OK);
        assert_int_equal(count, 1);
        const char *author = list->model.len ? arena_printf(&arena, "%s/%.*s", list->provider,
                                                            (int)list->model.len, list->model.ptr)
                                             : list->provider;
        assert_string_equal(author, table[i].name);
        targets_destroy(&targets);
        arena_free(&arena);
    }
}

static void what_the_agent_names_is_taken_and_the_environment_fills_the_rest(void **state)
{
    static const struct {
        const char *provider, *model, *base_url; /* the agent's */
        const char *want_model, *want_url, *want_key;
        err_t want;
    } table[] = {
        {"extractive", "", "", "", "", "", OK},
        {"openai", "", "", "gpt-4o-mini", OPENAI, "o", OK},
        {"openai", "gpt-4o", "", "gpt-4o", OPENAI, "o", OK},
        {"openai", "", OPENAI "/", "gpt-4o-mini", OPENAI, "o", OK},
        {"mistral", "", "", "", "", "", ERR_PROVIDER_AUTH},
        {"anthropic", "", "", "claude-haiku-4-5", "https://api.anthropic.test", "a", OK},
        {"openai-compatible", "llama3", OLLAMA, "llama3", OLLAMA, "", OK},
        {"openai-compatible", "llama3", "", "", "", "", ERR_PROVIDER_ADDRESS},
        {"openai-compatible", "", OLLAMA, "", "", "", ERR_PROVIDER_MODEL},
        {"gemini", "", "", "", "", "", ERR_PROVIDER_UNKNOWN},
    };
    struct settings settings = environment();
    (void)state;
    settings.openai_api_key = "o";
    settings.anthropic_api_key = "a";
    settings.default_model = "of-the-default-alone";
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct arena arena = {0};
        struct target *list = NULL;
        struct chat_request request = asked_of(table[i].provider);
        size_t count = 0;
        request.agent.model = slice_of(table[i].model);
        request.agent.base_url = slice_of(table[i].base_url);
        assert_int_equal(targets_with(&settings, &request, &arena, &list, &count), table[i].want);
        if (!table[i].want)
            assert_target(list, table[i].provider, table[i].want_model, table[i].want_url,
                          table[i].want_key);
        arena_free(&arena);
    }
}

static void a_key_of_the_environment_goes_to_no_address_that_an_agent_names(void **state)
{
    static const char *const providers[] = {"openai", "mistral", "anthropic", "openai-compatible"};
    struct settings settings = environment();
    (void)state;
    settings.openai_api_key = settings.mistral_api_key = settings.anthropic_api_key = "secret";
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        struct arena arena = {0};
        struct target *list = NULL;
        struct chat_request request = asked_of(providers[i]);
        size_t count = 0;
        request.agent.model = SLICE("m");
        request.agent.base_url = SLICE("http://evil.test/v1");
        assert_int_equal(targets_with(&settings, &request, &arena, &list, &count), OK);
        assert_int_equal(list->key.len, 0);
        arena_free(&arena);
    }
}

static void the_agents_own_key_goes_before_the_environments(void **state)
{
    struct settings settings = environment();
    struct arena arena = {0};
    struct target *list = NULL;
    struct chat_request request = asked_of("openai");
    size_t count = 0;
    (void)state;
    settings.openai_api_key = "of the environment";
    request.agent.api_key = sealed(KMS_KEY, "sk-own", &arena);
    assert_int_equal(targets_with(&settings, &request, &arena, &list, &count), OK);
    assert_target(list, "openai", "gpt-4o-mini", OPENAI, "sk-own");
    arena_free(&arena);
}

static void a_key_that_does_not_open_is_an_error_and_no_reason_to_use_another(void **state)
{
    static const struct {
        const char *kms, *previous;
        err_t want;
    } table[] = {
        {OTHER_KEY, "", ERR_KMS_KEY_WRONG},
        {"", "", ERR_KMS_KEY_MISSING},
        {OTHER_KEY, KMS_KEY, OK},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct settings settings = environment();
        struct arena arena = {0};
        struct target *list = NULL;
        struct chat_request request = asked_of("openai");
        size_t count = 0;
        settings.openai_api_key = "of the environment";
        settings.agent_kms_key = table[i].kms;
        settings.agent_kms_key_previous = table[i].previous;
        request.agent.api_key = sealed(KMS_KEY, "sk-own", &arena);
        assert_int_equal(targets_with(&settings, &request, &arena, &list, &count), table[i].want);
        arena_free(&arena);
    }
}

static void an_agent_whose_own_provider_cannot_be_asked_has_its_fallbacks(void **state)
{
    struct settings settings = environment();
    struct arena arena = {0};
    struct target *list = NULL;
    struct chat_request request = asked_of("openai"); /* no key anywhere */
    struct fallback fallbacks[] = {{.provider = SLICE("mistral")},
                                   {.provider = SLICE("extractive")}};
    size_t count = 0;
    (void)state;
    request.agent.fallbacks = (struct list){fallbacks, 1};
    assert_int_equal(targets_with(&settings, &request, &arena, &list, &count), ERR_PROVIDER_AUTH);
    request.agent.fallbacks.count = 2;
    assert_int_equal(targets_with(&settings, &request, &arena, &list, &count), OK);
    assert_int_equal(count, 1);
    assert_string_equal(list->provider, "extractive");
    arena_free(&arena);
}

static void fallbacks_follow_in_turn_and_those_that_cannot_be_asked_are_left_out(void **state)
{
    struct settings settings = environment();
    struct arena arena = {0};
    struct target *list = NULL;
    struct chat_request request = asked_of("openai");
    struct fallback fallbacks[] = {
        {.provider = SLICE("openai"), .model = SLICE("gpt-small")},
        {.provider = SLICE("mistral")}, /* no key anywhere */
        {.provider = SLICE("anthropic"), .api_key = sealed(OTHER_KEY, "x", &arena)},
        {.provider = SLICE("openai"), .base_url = SLICE(OLLAMA), .model = SLICE("llama3")},
        {.provider = SLICE("openai"),
         .model = SLICE("b"),
         .api_key = sealed(KMS_KEY, "sk-2", &arena)},
        {.provider = SLICE("extractive")},
    };
    size_t count = 0;
    (void)state;
    request.agent.api_key = sealed(KMS_KEY, "sk-own", &arena);
    request.agent.fallbacks = (struct list){fallbacks, ARRAY_LEN(fallbacks)};
    assert_int_equal(targets_with(&settings, &request, &arena, &list, &count), OK);
    assert_int_equal(count, 5);
    assert_target(&list[0], "openai", "gpt-4o-mini", OPENAI, "sk-own");
    assert_target(&list[1], "openai", "gpt-small", OPENAI, "sk-own"); /* the agent's account */
    assert_target(&list[2], "openai", "llama3", OLLAMA, "");          /* not at another address */
    assert_target(&list[3], "openai", "b", OPENAI, "sk-2");
    assert_target(&list[4], "extractive", "", "", "");
    arena_free(&arena);
}

static void a_breaker_is_of_provider_address_and_key_whatever_the_model(void **state)
{
    struct settings settings = environment();
    struct arena arena = {0};
    struct target *list = NULL;
    struct chat_request request = asked_of("openai");
    struct fallback fallbacks[] = {
        {.provider = SLICE("openai"), .model = SLICE("another")},
        {.provider = SLICE("openai"), .api_key = sealed(KMS_KEY, "sk-2", &arena)},
        {.provider = SLICE("openai"), .base_url = SLICE(OLLAMA)},
        {.provider = SLICE("openai-compatible"), .model = SLICE("m"), .base_url = SLICE(OLLAMA)},
    };
    size_t count = 0;
    (void)state;
    settings.openai_api_key = "o";
    request.agent.fallbacks = (struct list){fallbacks, ARRAY_LEN(fallbacks)};
    assert_int_equal(targets_with(&settings, &request, &arena, &list, &count), OK);
    assert_int_equal(count, 5);
    assert_true(list[0].breaker_id == list[1].breaker_id);
    for (size_t i = 1; i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            assert_true(list[i].breaker_id != list[j].breaker_id);
    arena_free(&arena);
}

static void a_wrong_kms_key_is_refused_at_start(void **state)
{
    struct settings settings = environment();
    struct targets *targets = NULL;
    (void)state;
    settings.agent_kms_key = "no key";
    assert_int_equal(targets_new(&settings, &targets), ERR_BAD_SETTING);
    assert_null(targets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_agent_without_a_provider_has_the_first_whose_key_is_there),
        cmocka_unit_test(what_the_agent_names_is_taken_and_the_environment_fills_the_rest),
        cmocka_unit_test(a_key_of_the_environment_goes_to_no_address_that_an_agent_names),
        cmocka_unit_test(the_agents_own_key_goes_before_the_environments),
        cmocka_unit_test(a_key_that_does_not_open_is_an_error_and_no_reason_to_use_another),
        cmocka_unit_test(an_agent_whose_own_provider_cannot_be_asked_has_its_fallbacks),
        cmocka_unit_test(fallbacks_follow_in_turn_and_those_that_cannot_be_asked_are_left_out),
        cmocka_unit_test(a_breaker_is_of_provider_address_and_key_whatever_the_model),
        cmocka_unit_test(a_wrong_kms_key_is_refused_at_start),
    };
    log_open("test", "error");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
