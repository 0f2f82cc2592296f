/* Sealed keys given another form, beside a store that is open. */
#include "store_fixture.h"

#define OLD   "v1.00000000000000aa."
#define FRESH "v1.00000000000000bb."

struct resealed {
    size_t asked, tenants;
};

/* Every key of the old form becomes one of the fresh, its end stays. */
static bool reseal(void *context, struct slice tenant, struct slice sealed, struct buffer *fresh)
{
    struct resealed *resealed = context;
    size_t mark = strlen(OLD);
    resealed->asked++;
    resealed->tenants += slice_equal(tenant, SLICE("acme"));
    if (memcmp(sealed.ptr, OLD, mark)) return false;
    buffer_append_text(fresh, FRESH);
    buffer_append(fresh, sealed.ptr + mark, sealed.len - mark);
    return true;
}

static uint64_t make_agent(struct fixture *f, const char *tenant, struct slice key,
                           struct slice fallback_key)
{
    struct fallback fallbacks[] = {{.provider = SLICE("mistral"), .api_key = fallback_key},
                                   {.provider = SLICE("anthropic")}};
    struct put_agent put = {.tenant = slice_of(tenant),
                            .agent = {.name = SLICE("a"),
                                      .provider = SLICE("openai"),
                                      .api_key = key,
                                      .fallbacks = {fallbacks, ARRAY_LEN(fallbacks)}}};
    struct agent made;
    assert_int_equal(call(f, KIND_AGENT_CREATE, &put, &made), OK);
    return made.id;
}

static void every_key_of_many_agents_is_asked_for_and_what_changed_has_a_new_version(void **state)
{
    enum { AGENTS = 230 };
    struct fixture *f = *state;
    struct resealed resealed = {0};
    struct store_resealer resealer = {reseal, &resealed};
    uint64_t ids[AGENTS], agents = 0;
    for (size_t i = 0; i < AGENTS; i++)
        ids[i] = make_agent(f, "", SLICE(OLD "QUFB"), i % 2 ? SLICE(OLD "QkJC") : SLICE(""));
    uint64_t same = make_agent(f, "", SLICE(FRESH "QUFB"), SLICE(""));
    uint64_t theirs = make_agent(f, "acme", SLICE(""), SLICE(OLD "QkJC"));

    assert_int_equal(store_reseal(f->url, &resealer, &agents), OK);
    assert_int_equal(agents, AGENTS + 1);
    assert_int_equal(resealed.asked, AGENTS + AGENTS / 2 + 2);
    assert_int_equal(resealed.tenants, 1);
    for (size_t i = 0; i < AGENTS; i++) {
        struct agent got;
        assert_int_equal(call(f, KIND_AGENT_GET, &(struct select){.id = ids[i]}, &got), OK);
        assert_text(got.api_key, FRESH "QUFB");
        assert_text(((struct fallback *)got.fallbacks.items)->api_key, i % 2 ? FRESH "QkJC" : "");
        assert_int_equal(got.version, 2);
    }
    struct agent kept, other;
    assert_int_equal(call(f, KIND_AGENT_GET, &(struct select){.id = same}, &kept), OK);
    assert_int_equal(kept.version, 1);
    struct select select = {.id = theirs, .tenant = SLICE("acme")};
    assert_int_equal(call(f, KIND_AGENT_GET, &select, &other), OK);
    assert_text(((struct fallback *)other.fallbacks.items)->api_key, FRESH "QkJC");

    assert_int_equal(store_reseal(f->url, &resealer, &agents), OK);
    assert_int_equal(agents, 0);
}

static void the_new_versions_are_heard_by_an_open_store(void **state)
{
    struct fixture *f = *state;
    struct resealed resealed = {0};
    struct store_resealer resealer = {reseal, &resealed};
    uint64_t agents, id = make_agent(f, "", SLICE(OLD "QUFB"), SLICE(""));
    bool heard = false;
    assert_int_equal(store_reseal(f->url, &resealer, &agents), OK);
    for (uint64_t until = clock_ms() + WAIT_MS; !heard && clock_ms() < until;) {
        event_base_loop(f->base, EVLOOP_ONCE);
        for (size_t i = 0; i < f->heard.count; i++)
            heard |= f->heard.versions[i].id == id && f->heard.versions[i].version == 2;
    }
    assert_true(heard);
}

static void a_store_of_no_known_kind_is_refused(void **state)
{
    struct store_resealer resealer = {reseal, NULL};
    uint64_t agents;
    (void)state;
    assert_int_equal(store_reseal("mysql:x", &resealer, &agents), ERR_BAD_SETTING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            every_key_of_many_agents_is_asked_for_and_what_changed_has_a_new_version, fixture_setup,
            fixture_teardown),
        cmocka_unit_test_setup_teardown(the_new_versions_are_heard_by_an_open_store, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_store_of_no_known_kind_is_refused, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
