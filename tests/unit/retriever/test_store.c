/* Agents, portfolios, tenants, versions: what any backend of the store must do. */
#include "store_fixture.h"

static void a_new_store_has_the_assistant(void **state)
{
    struct agents agents;
    assert_int_equal(call(*state, KIND_AGENT_LIST, &(struct select){0}, &agents), OK);
    assert_int_equal(agents.data.count, 1);
    const struct agent *agent = agents.data.items;
    assert_int_equal(agent->id, 1);
    assert_text(agent->name, "Assistant");
    assert_text(agent->provider, "");
    assert_int_equal(agent->portfolio_id, 0);
}

static void an_agent_keeps_every_member(void **state)
{
    struct fixture *f = *state;
    struct fallback fallback = {.provider = SLICE("mistral"), .model = SLICE("small")};
    struct put_agent put = {.agent = {.name = SLICE("Ana"),
                                      .provider = SLICE("openai"),
                                      .model = SLICE("gpt"),
                                      .base_url = SLICE("http://h"),
                                      .system_prompt = SLICE("Be brief."),
                                      .temperature = 0.5,
                                      .language = SLICE("es"),
                                      .portfolio_id = make_portfolio(f, NULL),
                                      .top_k = 7,
                                      .max_context_tokens = 900,
                                      .semantic_cache = true,
                                      .semantic_threshold = 0.9,
                                      .fallbacks = {&fallback, 1}}};
    struct agent made, got;
    assert_int_equal(call(f, KIND_AGENT_CREATE, &put, &made), OK);
    assert_int_equal(made.version, 1);
    assert_int_equal(call(f, KIND_AGENT_GET, &(struct select){.id = made.id}, &got), OK);
    assert_text(got.name, "Ana");
    assert_text(got.model, "gpt");
    assert_text(got.base_url, "http://h");
    assert_text(got.system_prompt, "Be brief.");
    assert_text(got.language, "es");
    assert_true(got.temperature == 0.5 && got.semantic_threshold == 0.9 && got.semantic_cache);
    assert_int_equal(got.portfolio_id, put.agent.portfolio_id);
    assert_int_equal(got.top_k, 7);
    assert_int_equal(got.max_context_tokens, 900);
    assert_int_equal(got.fallbacks.count, 1);
    assert_text(((struct fallback *)got.fallbacks.items)->provider, "mistral");
}

static void an_update_changes_only_what_it_names(void **state)
{
    struct fixture *f = *state;
    struct put_agent put = {
        .agent = {.name = SLICE("Ana"), .provider = SLICE("openai"), .top_k = 3}};
    struct agent made, got;
    assert_int_equal(call(f, KIND_AGENT_CREATE, &put, &made), OK);
    /* top_k given as zero: its bit is set, and it becomes null again */
    struct put_agent change = {.id = made.id, .agent = {.model = SLICE("m")}};
    for (size_t i = 0; i < agent_type()->count; i++)
        if (!strcmp(agent_type()->fields[i].name, "top_k")) change.agent.present |= 1ull << i;
    assert_int_equal(call(f, KIND_AGENT_UPDATE, &change, &got), OK);
    assert_int_equal(got.version, 2);
    assert_text(got.name, "Ana");
    assert_text(got.provider, "openai");
    assert_text(got.model, "m");
    assert_int_equal(got.top_k, 0);
}

/* --- keys of providers --- */

#define KEY_1 SLICE("v1.0123456789abcdef.QUJD")
#define KEY_2 SLICE("v1.0123456789abcdef.REVG")

static uint64_t bit_of(const struct record_type *type, const char *name)
{
    for (size_t i = 0; i < type->count; i++)
        if (!strcmp(type->fields[i].name, name)) return UINT64_C(1) << i;
    fail_msg("no field %s", name);
    return 0;
}

static void a_key_is_kept_as_long_as_its_provider_and_address(void **state)
{
    static const struct {
        const char *what;
        struct agent change;
        const char *gives[3]; /* members that are given though they are empty */
        bool keeps;
        const char *want_model, *want_url;
    } table[] = {
        {"another member", {.name = {"b", 1}}, {0}, true, "m", "http://h"},
        {"another model", {.model = {"n", 1}}, {0}, true, "n", "http://h"},
        {"the same provider", {.provider = {"openai", 6}}, {0}, true, "m", "http://h"},
        {"another provider", {.provider = {"mistral", 7}}, {0}, false, "", ""},
        {"another provider with its model",
         {.provider = {"mistral", 7}, .model = {"n", 1}},
         {0},
         false,
         "n",
         ""},
        {"no provider", {0}, {"provider"}, false, "", ""},
        {"another address", {.base_url = {"http://i", 8}}, {0}, false, "m", "http://i"},
        {"no address", {0}, {"base_url"}, false, "m", ""},
        {"no key", {0}, {"api_key"}, false, "m", "http://h"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct put_agent put = {.agent = {.name = SLICE("a"),
                                          .provider = SLICE("openai"),
                                          .model = SLICE("m"),
                                          .base_url = SLICE("http://h"),
                                          .api_key = KEY_1}};
        struct agent made, got;
        assert_int_equal(call(*state, KIND_AGENT_CREATE, &put, &made), OK);
        assert_true(made.has_api_key);
        struct put_agent change = {.id = made.id, .agent = table[i].change};
        for (size_t g = 0; g < ARRAY_LEN(table[i].gives) && table[i].gives[g]; g++)
            change.agent.present |= bit_of(agent_type(), table[i].gives[g]);
        assert_int_equal(call(*state, KIND_AGENT_UPDATE, &change, NULL), OK);
        assert_int_equal(call(*state, KIND_AGENT_GET, &(struct select){.id = made.id}, &got), OK);
        if (got.has_api_key != table[i].keeps) print_error("%s\n", table[i].what);
        assert_int_equal(got.has_api_key, table[i].keeps);
        assert_true(slice_equal(got.api_key, table[i].keeps ? KEY_1 : SLICE("")));
        assert_text(got.model, table[i].want_model);
        assert_text(got.base_url, table[i].want_url);
    }
}

static void
fallbacks_that_are_given_anew_keep_the_keys_of_the_same_provider_and_address(void **state)
{
    struct fallback kept[] = {
        {.provider = SLICE("openai"), .model = SLICE("a"), .api_key = KEY_1},
        {.provider = SLICE("openai"), .model = SLICE("b"), .api_key = KEY_2},
        {.provider = SLICE("mistral"), .api_key = KEY_1},
    };
    struct fallback given[] = {
        {.provider = SLICE("mistral"), .model = SLICE("another")},
        {.provider = SLICE("openai"), .model = SLICE("b")},
        {.provider = SLICE("openai"), .model = SLICE("b"), .base_url = SLICE("http://h")},
        {.provider = SLICE("anthropic")},
        {.provider = SLICE("openai"), .present = bit_of(fallback_type(), "api_key")},
    };
    const struct slice want[] = {KEY_1, KEY_2, SLICE(""), SLICE(""), SLICE("")};
    struct put_agent put = {.agent = {.name = SLICE("a"), .fallbacks = {kept, ARRAY_LEN(kept)}}};
    struct agent made, got;
    assert_int_equal(call(*state, KIND_AGENT_CREATE, &put, &made), OK);
    struct put_agent change = {.id = made.id, .agent = {.fallbacks = {given, ARRAY_LEN(given)}}};
    assert_int_equal(call(*state, KIND_AGENT_UPDATE, &change, &got), OK);
    const struct fallback *fallbacks = got.fallbacks.items;
    assert_int_equal(got.fallbacks.count, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(slice_equal(fallbacks[i].api_key, want[i]));
        assert_int_equal(fallbacks[i].has_api_key, want[i].len > 0);
    }
}

static void wrong_agents_are_refused(void **state)
{
    static const struct {
        struct agent agent;
        err_t want;
    } table[] = {
        {{.name = {"a", 1}, .provider = {"telepathy", 9}}, ERR_PROVIDER_UNKNOWN},
        {{.name = {"a", 1}, .api_key = {"sk-1", 4}}, ERR_INVALID_FIELD}, /* of nobody */
        {{.name = {"a", 1}, .provider = {"openai", 6}, .api_key = {"sk-1", 4}},
         ERR_KMS_KEY_MISSING},
        {{.name = {"a", 1}, .base_url = {"http://h", 8}}, ERR_INVALID_FIELD},
        {{.name = {"a", 1}, .provider = {"openai-compatible", 17}, .model = {"m", 1}},
         ERR_INVALID_FIELD},
        {{.name = {"a", 1}, .provider = {"openai-compatible", 17}, .base_url = {"http://h", 8}},
         ERR_INVALID_FIELD},
        {{.name = {"", 0}}, ERR_INVALID_FIELD},
        {{.name = {"a", 1}, .portfolio_id = 999}, ERR_PORTFOLIO_NOT_FOUND},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct put_agent put = {.agent = table[i].agent};
        assert_int_equal(call(*state, KIND_AGENT_CREATE, &put, NULL), table[i].want);
    }
    struct fallback fallback = {.provider = SLICE("openai"), .api_key = SLICE("sk")};
    struct put_agent put = {.agent = {.name = SLICE("a"), .fallbacks = {&fallback, 1}}};
    assert_int_equal(call(*state, KIND_AGENT_CREATE, &put, NULL), ERR_KMS_KEY_MISSING);
    struct agents agents;
    assert_int_equal(call(*state, KIND_AGENT_LIST, &(struct select){0}, &agents), OK);
    assert_int_equal(agents.data.count, 1);
}

static void lists_come_in_pages(void **state)
{
    struct fixture *f = *state;
    struct portfolios page;
    uint64_t seen = 0, after = 0;
    for (int i = 0; i < 5; i++) make_portfolio(f, NULL);
    for (int turn = 0; turn < 3; turn++) {
        struct select select = {.limit = 2, .after = after};
        assert_int_equal(call(f, KIND_PORTFOLIO_LIST, &select, &page), OK);
        seen += page.data.count;
        after = page.next;
        assert_int_equal(page.next != 0, turn < 2);
    }
    assert_int_equal(seen, 5);
}

static void portfolios_take_the_default_embedder_and_refuse_unknown_ones(void **state)
{
    struct portfolio made;
    struct put_portfolio put = {.portfolio = {.name = SLICE("p")}};
    assert_int_equal(call(*state, KIND_PORTFOLIO_CREATE, &put, &made), OK);
    assert_text(made.embedder, "hashing-1");
    put.portfolio.embedder = SLICE("telepathy");
    assert_int_equal(call(*state, KIND_PORTFOLIO_CREATE, &put, &made), ERR_INVALID_FIELD);
}

static void another_tenants_objects_are_not_found(void **state)
{
    struct fixture *f = *state;
    struct slice other = SLICE("other");
    uint64_t id = make_portfolio(f, "mine");
    struct document document = {.content = SLICE("Some words of mine."), .source = SLICE("s")};
    struct put_documents put = {
        .tenant = SLICE("mine"), .portfolio_id = id, .documents = {&document, 1}};
    struct documents made;
    assert_int_equal(call(f, KIND_DOCUMENT_PUT, &put, &made), OK);
    uint64_t document_id = ((struct document *)made.data.items)->id;
    struct recorded recorded;
    struct turn turn = {.tenant = SLICE("mine"), .question = SLICE("q")};
    assert_int_equal(call(f, KIND_RECORD, &turn, &recorded), OK);
    const struct {
        enum kind kind;
        struct select select;
        err_t want;
    } table[] = {
        {KIND_AGENT_GET, {.id = 1}, ERR_AGENT_NOT_FOUND},
        {KIND_AGENT_DELETE, {.id = 1}, ERR_AGENT_NOT_FOUND},
        {KIND_PORTFOLIO_GET, {.id = id}, ERR_PORTFOLIO_NOT_FOUND},
        {KIND_PORTFOLIO_DELETE, {.id = id}, ERR_PORTFOLIO_NOT_FOUND},
        {KIND_DOCUMENT_LIST, {.portfolio_id = id}, ERR_PORTFOLIO_NOT_FOUND},
        {KIND_DOCUMENT_GET, {.id = document_id}, ERR_DOCUMENT_NOT_FOUND},
        {KIND_DOCUMENT_DELETE, {.id = document_id, .portfolio_id = id}, ERR_PORTFOLIO_NOT_FOUND},
        {KIND_HISTORY, {.id = recorded.conversation_id}, ERR_CONVERSATION_NOT_FOUND},
        {KIND_CONVERSATION_GET, {.id = recorded.conversation_id}, ERR_CONVERSATION_NOT_FOUND},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct select select = table[i].select;
        select.tenant = other;
        assert_int_equal(call(f, table[i].kind, &select, NULL), table[i].want);
    }
    put.tenant = other;
    assert_int_equal(call(f, KIND_DOCUMENT_PUT, &put, NULL), ERR_PORTFOLIO_NOT_FOUND);
    turn = (struct turn){.tenant = other, .conversation_id = recorded.conversation_id};
    assert_int_equal(call(f, KIND_RECORD, &turn, NULL), ERR_CONVERSATION_NOT_FOUND);
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    loaded->refresh.tenant = other;
    assert_int_equal(refresh_on(f, f->store, loaded, id), ERR_PORTFOLIO_NOT_FOUND);
    free(loaded);
    struct agents agents;
    assert_int_equal(call(f, KIND_AGENT_LIST, &(struct select){.tenant = other}, &agents), OK);
    assert_int_equal(agents.data.count, 0);
}

static void a_write_delivered_twice_is_done_once(void **state)
{
    struct fixture *f = *state;
    struct put_portfolio put = {.portfolio = {.name = SLICE("p")}};
    struct portfolio first, second;
    struct portfolios all;
    assert_int_equal(call_on(f, f->store, KIND_PORTFOLIO_CREATE, "op-1", &put, &first), OK);
    assert_int_equal(call_on(f, f->store, KIND_PORTFOLIO_CREATE, "op-1", &put, &second), OK);
    assert_int_equal(first.id, second.id);
    assert_int_equal(call(f, KIND_PORTFOLIO_LIST, &(struct select){0}, &all), OK);
    assert_int_equal(all.data.count, 1);
}

static void a_write_that_failed_is_tried_again(void **state)
{
    struct fixture *f = *state;
    struct put_agent put = {.agent = {.name = SLICE("a"), .portfolio_id = 1}};
    assert_int_equal(call_on(f, f->store, KIND_AGENT_CREATE, "op", &put, NULL),
                     ERR_PORTFOLIO_NOT_FOUND);
    assert_int_equal(make_portfolio(f, NULL), 1);
    assert_int_equal(call_on(f, f->store, KIND_AGENT_CREATE, "op", &put, NULL), OK);
}

static void deleting_a_portfolio_takes_its_documents_and_frees_its_agents(void **state)
{
    struct fixture *f = *state;
    uint64_t id = make_portfolio(f, NULL);
    struct document document;
    struct agent agent, after;
    assert_int_equal(put_document(f, id, "s", "Some words.", &document), OK);
    struct put_agent put = {.agent = {.name = SLICE("a"), .portfolio_id = id}};
    assert_int_equal(call(f, KIND_AGENT_CREATE, &put, &agent), OK);
    assert_int_equal(call(f, KIND_PORTFOLIO_DELETE, &(struct select){.id = id}, NULL), OK);
    assert_int_equal(call(f, KIND_DOCUMENT_GET, &(struct select){.id = document.id}, NULL),
                     ERR_DOCUMENT_NOT_FOUND);
    assert_int_equal(call(f, KIND_AGENT_GET, &(struct select){.id = agent.id}, &after), OK);
    assert_int_equal(after.portfolio_id, 0);
    assert_int_equal(after.version, agent.version + 1);
    assert_true(make_portfolio(f, NULL) > id); /* ids are never given twice */
}

static bool heard_of(const struct heard *heard, const char *kind, uint64_t id, uint64_t version)
{
    for (size_t i = 0; i < heard->count; i++)
        if (slice_equal(heard->versions[i].kind, slice_of(kind)) && heard->versions[i].id == id &&
            heard->versions[i].version == version)
            return true;
    return false;
}

static void versions_that_another_handle_changes_are_announced_within_50_ms(void **state)
{
    struct fixture *f = *state;
    struct fixture other = *f;
    memset(&other.heard, 0, sizeof(other.heard));
    assert_int_equal(fixture_open(&other, &other.store), OK);
    uint64_t id = make_portfolio(f, NULL), since = clock_ms();
    while (!heard_of(&other.heard, "portfolio", id, 1) && clock_ms() < since + 1000)
        event_base_loop(f->base, EVLOOP_ONCE);
    assert_true(heard_of(&other.heard, "portfolio", id, 1));
    assert_true(clock_ms() - since < 50 + 150); /* a busy machine adds to it */
    store_close(&other.store);
}

static void a_migrated_store_is_not_migrated_again(void **state)
{
    struct fixture *f = *state;
    unsigned from = 9, to = 9;
    char url[160];
    assert_int_equal(store_migrate(f->url, &from, &to), OK);
    assert_int_equal(from, to);
    snprintf(url, sizeof(url), "sqlite:%s/other/new.db", f->folder);
    assert_int_equal(store_migrate(url, &from, &to), OK);
    assert_int_equal(from, 0);
    assert_true(to > 0);
}

static void urls_of_no_store_are_refused(void **state)
{
    static const char *const urls[] = {"", "sqlite:", "sqlite", "mysql://h/d", "postgresql:", "/tmp/x.db"};
    struct fixture *f = *state;
    struct store *store = NULL;
    log_open("test", "error");
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct store_options options = {.url = urls[i], .embedder = "hashing"};
        assert_int_equal(store_open(f->base, &options, &store), ERR_BAD_SETTING);
        assert_null(store);
    }
}

static void kinds_that_are_not_the_stores_are_refused(void **state)
{
    assert_int_equal(call(*state, KIND_CHAT, &(struct chat_request){0}, NULL), ERR_UNKNOWN_KIND);
}

static void requests_that_cannot_be_decoded_are_refused(void **state)
{
    static const enum kind kinds[] = {KIND_AGENT_GET, KIND_RECORD, KIND_DOCUMENT_PUT, KIND_INDEX};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct made_call made = {0};
        made.call = (struct store_call){
            .kind = kinds[i], .request = SLICE("\x93junk"), .done = made_done, .context = &made};
        store_call(f->store, &made.call);
        assert_int_equal(call_end(f, &made, NULL, NULL), ERR_BAD_FRAME);
    }
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_new_store_has_the_assistant),
        STORE_TEST(an_agent_keeps_every_member),
        STORE_TEST(an_update_changes_only_what_it_names),
        STORE_TEST(a_key_is_kept_as_long_as_its_provider_and_address),
        STORE_TEST(fallbacks_that_are_given_anew_keep_the_keys_of_the_same_provider_and_address),
        STORE_TEST(wrong_agents_are_refused),
        STORE_TEST(lists_come_in_pages),
        STORE_TEST(portfolios_take_the_default_embedder_and_refuse_unknown_ones),
        STORE_TEST(another_tenants_objects_are_not_found),
        STORE_TEST(a_write_delivered_twice_is_done_once),
        STORE_TEST(a_write_that_failed_is_tried_again),
        STORE_TEST(deleting_a_portfolio_takes_its_documents_and_frees_its_agents),
        STORE_TEST(versions_that_another_handle_changes_are_announced_within_50_ms),
        STORE_TEST(a_migrated_store_is_not_migrated_again),
        STORE_TEST(urls_of_no_store_are_refused),
        STORE_TEST(kinds_that_are_not_the_stores_are_refused),
        STORE_TEST(requests_that_cannot_be_decoded_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
