#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/buffer.h"
#include "workers/embedder/embedder.h"
#include "workers/embedder/hashing.h"

static void our_own_are_found_by_name_and_by_setting(void **state)
{
    static const char *const settings[] = {"hashing", "model"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const struct embedder_info *info = embedder_find(slice_of(settings[i]));
        assert_non_null(info);
        assert_ptr_equal(info, embedder_find(slice_of(info->name)));
        assert_true(info->vector_weight > 0 && info->vector_weight < 1);
        assert_null(info->model);
    }
    assert_int_equal(embedder_find(SLICE("hashing"))->dimensions, HASHING_DIMENSIONS);
}

static void a_providers_name_says_all_there_is_to_know(void **state)
{
    static const struct {
        const char *name, *provider, *model;
        size_t dimensions, native;
    } cases[] = {
        {"openai/text-embedding-3-small/1536", "openai", "text-embedding-3-small", 1536, 1536},
        {"openai/text-embedding-3-large/256", "openai", "text-embedding-3-large", 256, 3072},
        {"openai-compatible/BAAI/bge-m3/1024", "openai-compatible", "BAAI/bge-m3", 1024, 1024},
        {"openai-compatible/my-own/7", "openai-compatible", "my-own", 7, 0},
        {"mistral/mistral-embed/1024", "mistral", "mistral-embed", 1024, 1024},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct embedder_info *info = embedder_find(slice_of(cases[i].name));
        assert_non_null(info);
        assert_string_equal(info->name, cases[i].name);
        assert_string_equal(info->setting, cases[i].provider);
        assert_string_equal(info->model, cases[i].model);
        assert_int_equal(info->dimensions, cases[i].dimensions);
        assert_int_equal(info->native, cases[i].native);
        assert_true(info->vector_weight > 0 && info->vector_weight < 1);
        assert_ptr_equal(info, embedder_find(slice_of(cases[i].name)));
    }
}

static void other_names_are_unknown(void **state)
{
    static const char *const names[] = {"",
                                        "hash",
                                        "/",
                                        "//",
                                        "openai/",
                                        "openai/1536",
                                        "openai//1536",
                                        "openai/m/",
                                        "openai/m/0",
                                        "openai/m/01",
                                        "openai/m/4097",
                                        "openai/m/99999",
                                        "openai/m/-1",
                                        "openai/m/1e3",
                                        "openai/m/12 ",
                                        "openai/a b/12",
                                        "openai/a\nb/12",
                                        "openai/a,b/12",
                                        "anthropic/m/12",
                                        "OpenAI/m/12",
                                        "openai-compatible",
                                        "/m/12"};
    struct buffer longest = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) assert_null(embedder_find(slice_of(names[i])));
    buffer_append_text(&longest, "openai/");
    for (size_t i = 0; i < 300; i++) buffer_append_char(&longest, 'm');
    buffer_append_text(&longest, "/12");
    assert_null(embedder_find(buffer_slice(&longest)));
    buffer_free(&longest);
}

static void settings_mean_an_embedder_or_say_what_lacks(void **state)
{
    static const struct {
        const char *embedder, *model;
        uint64_t dimensions;
        const char *want; /* NULL: refused */
    } cases[] = {
        {"hashing", "", 0, "hashing-1"},
        {"hashing", "text-embedding-3-large", 12, "hashing-1"},
        {"model", "", 0, "use-multilingual-3"},
        {"openai", "", 0, "openai/text-embedding-3-small/1536"},
        {"openai", "", 512, "openai/text-embedding-3-small/512"},
        {"openai", "text-embedding-3-large", 0, "openai/text-embedding-3-large/3072"},
        {"openai", "text-embedding-9", 0, NULL},
        {"openai", "text-embedding-9", 64, "openai/text-embedding-9/64"},
        {"openai", "two words", 64, NULL},
        {"mistral", "", 0, "mistral/mistral-embed/1024"},
        {"openai-compatible", "", 64, NULL},
        {"openai-compatible", "nomic-embed-text", 0, "openai-compatible/nomic-embed-text/768"},
        {"abacus", "", 0, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct settings settings = {.embedder = cases[i].embedder,
                                          .embedding_model = cases[i].model,
                                          .embedding_dimensions = cases[i].dimensions};
        const struct embedder_info *info = NULL;
        err_t error = embedder_configured(&settings, &info);
        assert_int_equal(error, cases[i].want ? OK : ERR_BAD_SETTING);
        if (cases[i].want)
            assert_string_equal(info->name, cases[i].want);
        else
            assert_null(info);
    }
}

/* Names come from clients: what they make us remember is bounded. The last test, since it fills the
 * table. */
static void names_without_number_are_remembered_up_to_a_limit(void **state)
{
    char name[64];
    size_t known = 0;
    (void)state;
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "openai/model-%d/8", i);
        known += embedder_find(slice_of(name)) != NULL;
    }
    assert_in_range(known, 100, 1000);
    assert_non_null(embedder_find(SLICE("openai/model-0/8")));
    assert_non_null(embedder_find(SLICE("hashing-1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_are_found_by_name_and_by_setting),
        cmocka_unit_test(a_providers_name_says_all_there_is_to_know),
        cmocka_unit_test(other_names_are_unknown),
        cmocka_unit_test(settings_mean_an_embedder_or_say_what_lacks),
        cmocka_unit_test(names_without_number_are_remembered_up_to_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
