#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "deploy/cli/environment.h"

static char *const none[] = {NULL};

static const char *value_of(char *const *entries, const char *name)
{
    size_t len = strlen(name);
    for (; *entries; entries++)
        if (!strncmp(*entries, name, len) && (*entries)[len] == '=') return *entries + len + 1;
    return NULL;
}

static void each_variable_reaches_only_the_processes_that_read_it(void **state)
{
    static const struct {
        const char *name;
        unsigned want;
    } cases[] = {
        {"PATH", OF_ALL},
        {"LOG_LEVEL", OF_ALL},
        {"GATEWAYS", OF_WORKERS},
        {"HTTP_PORT", OF_GATEWAY},
        {"REDIS_URL", OF_GATEWAY},
        {"DATABASE_URL", OF_RETRIEVER},
        {"OPENAI_API_KEY", OF_GENERATOR | OF_EMBEDDER},
        {"OPENAI_BASE_URL", OF_GENERATOR | OF_EMBEDDER},
        {"MISTRAL_API_KEY", OF_GENERATOR | OF_EMBEDDER},
        {"ANTHROPIC_API_KEY", OF_GENERATOR},
        {"AGENT_KMS_KEY", OF_GENERATOR},
        {"AGENT_KMS_KEY_PREVIOUS", OF_GENERATOR},
        {"HTTPS_PROXY", OF_GENERATOR | OF_EMBEDDER},
        {"AWS_SECRET_ACCESS_KEY", 0},
        {"SSH_AUTH_SOCK", 0},
        {"LD_PRELOAD", 0},
        {"PATHOLOGY", 0},
        {"OPENAI_API_KEY_OF_ANOTHER", 0},
    };
    static const unsigned processes[] = {OF_GATEWAY, OF_EMBEDDER, OF_RETRIEVER, OF_GENERATOR};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char entry[64];
        snprintf(entry, sizeof(entry), "%s=x", cases[i].name);
        char *const all[] = {entry, NULL};
        for (size_t j = 0; j < ARRAY_LEN(processes); j++) {
            char **got = environment_for(processes[j], none, all);
            bool sees = value_of(got, cases[i].name);
            if (sees != !!(cases[i].want & processes[j]))
                fail_msg("%s in process %u: %d", cases[i].name, processes[j], sees);
            free(got);
        }
    }
}

static void what_the_supervisor_says_goes_before_what_it_was_told(void **state)
{
    char *const own[] = {"HTTP_PORT=9000", "DATABASE_URL=sqlite:own", NULL};
    char *const all[] = {"HTTP_PORT=1", "DATABASE_URL=sqlite:theirs", NULL};
    char **gateway = environment_for(OF_GATEWAY, own, all);
    char **retriever = environment_for(OF_RETRIEVER, own, all);
    (void)state;
    assert_string_equal(value_of(gateway, "HTTP_PORT"), "9000");
    assert_null(value_of(gateway, "DATABASE_URL"));
    assert_null(gateway[1]);
    assert_string_equal(value_of(retriever, "DATABASE_URL"), "sqlite:own");
    assert_null(retriever[1]);
    free(gateway);
    free(retriever);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_variable_reaches_only_the_processes_that_read_it),
        cmocka_unit_test(what_the_supervisor_says_goes_before_what_it_was_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
