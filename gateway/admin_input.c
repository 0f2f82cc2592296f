#include "gateway/admin_input.h"

#include "common/language.h"
#include "common/providers.h"
#include "common/sealing.h"
#include "common/text.h"
#include "gateway/chat_request.h"
#include "proto/codec.h"

#define PROMPT_BYTES_MAX   32768
#define METADATA_BYTES_MAX 16384
#define URL_BYTES_MAX      2048
#define CONTEXT_TOKENS_MAX 1000000
#define FALLBACKS_MAX      8
#define KEY_BYTES_MAX      4096

/* --- what the members may hold --- */

struct text_rule {
    const char *name;
    size_t offset;
    size_t characters_max;
};

#define TEXT_RULE(record, member, max)                \
    {                                                 \
#member, offsetof(struct record, member), max \
    }
static const struct text_rule agent_texts[] = {
    TEXT_RULE(agent, name, NAME_CHARACTERS_MAX),
    TEXT_RULE(agent, model, NAME_CHARACTERS_MAX),
    TEXT_RULE(agent, base_url, URL_BYTES_MAX),
    TEXT_RULE(agent, system_prompt, PROMPT_BYTES_MAX),
};
static const struct text_rule fallback_texts[] = {
    TEXT_RULE(fallback, model, NAME_CHARACTERS_MAX),
    TEXT_RULE(fallback, base_url, URL_BYTES_MAX),
};
static const struct text_rule portfolio_texts[] = {
    TEXT_RULE(portfolio, name, NAME_CHARACTERS_MAX),
    TEXT_RULE(portfolio, embedder, NAME_CHARACTERS_MAX),
};
static const struct text_rule document_texts[] = {
    TEXT_RULE(document, title, 1000),
    TEXT_RULE(document, source, URL_BYTES_MAX),
    TEXT_RULE(document, metadata, METADATA_BYTES_MAX),
};
#undef TEXT_RULE

static err_t check_texts(const struct text_rule *rules, size_t count, const void *record,
                         struct json_problem *problem)
{
    for (size_t i = 0; i < count; i++) {
        const struct slice *text = (const struct slice *)((const char *)record + rules[i].offset);
        if (!text_valid(*text)) return ERR_INVALID_UTF8;
        if (text_length(*text) > rules[i].characters_max)
            return json_problem(problem, "%s is longer than %zu characters", rules[i].name,
                                rules[i].characters_max);
    }
    return OK;
}

/* Members that only the store sets are not taken from a client. */
static void ignore_members(const struct record_type *type, void *record, const char *const *names,
                           size_t count)
{
    for (size_t i = 0; i < type->count; i++)
        for (size_t n = 0; n < count; n++) {
            if (strcmp(type->fields[i].name, names[n])) continue;
            *(uint64_t *)record &= ~(UINT64_C(1) << i);
            memset((char *)record + type->fields[i].offset, 0, field_size(&type->fields[i]));
        }
}

static bool one_of(struct slice text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal(text, slice_of(words[i]))) return true;
    return false;
}

/* --- agents --- */

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~') return false;
    return true;
}

/* http or https and a host: no password (it would be shown), no query. Whether the address may be
 * asked is for the generator to say, which resolves it. */
static bool is_base_url(struct slice url)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (url.len <= len || memcmp(url.ptr, schemes[i], len) || url.ptr[len] == '/' ||
            url.ptr[len] == ':')
            continue;
        for (size_t at = len; at < url.len; at++)
            if (strchr("@?#\"<>\\^`{|}", url.ptr[at])) return false;
        return is_printable(url);
    }
    return false;
}

/* A key goes into a header. One that is sealed was not typed by its owner. */
static err_t check_key(struct slice key, struct json_problem *problem)
{
    if (key.len > KEY_BYTES_MAX)
        return json_problem(problem, "api_key is longer than %d characters", KEY_BYTES_MAX);
    if (!is_printable(key))
        return json_problem(problem, "api_key must be printable ASCII without spaces");
    return is_sealed(key) ? json_problem(problem, "api_key is not a provider's key") : OK;
}

/* `of` is a fallback, or what an agent says of its own provider. */
static err_t check_provider(const struct fallback *of, struct json_problem *problem)
{
    if (of->provider.len && !provider_known(of->provider)) {
        json_problem(problem, "provider is one of " PROVIDER_NAMES);
        return ERR_PROVIDER_UNKNOWN;
    }
    if (of->base_url.len && !is_base_url(of->base_url))
        return json_problem(problem, "base_url must be http:// or https://, a host and a path");
    return check_key(of->api_key, problem);
}

static err_t check_providers(const struct agent *agent, struct json_problem *problem)
{
    const struct fallback *fallbacks = agent->fallbacks.items;
    struct fallback own = {
        .provider = agent->provider, .base_url = agent->base_url, .api_key = agent->api_key};
    err_t error = check_provider(&own, problem);
    if (agent->fallbacks.count > FALLBACKS_MAX)
        return json_problem(problem, "fallbacks are more than %d", FALLBACKS_MAX);
    for (size_t i = 0; i < agent->fallbacks.count && !error; i++) {
        error = check_texts(fallback_texts, ARRAY_LEN(fallback_texts), &fallbacks[i], problem);
        if (!error) error = check_provider(&fallbacks[i], problem);
    }
    return error;
}

static bool brings_keys(const struct agent *agent)
{
    const struct fallback *fallbacks = agent->fallbacks.items;
    bool brings = agent->api_key.len;
    for (size_t i = 0; i < agent->fallbacks.count; i++) brings |= fallbacks[i].api_key.len > 0;
    return brings;
}

static err_t check_numbers(const struct agent *agent, struct json_problem *problem)
{
    if (agent->temperature < 0 || agent->temperature > 2)
        return json_problem(problem, "temperature must be between 0 and 2");
    if (agent->top_k > TOP_K_MAX)
        return json_problem(problem, "top_k must be at most %d", TOP_K_MAX);
    if (agent->max_context_tokens > CONTEXT_TOKENS_MAX)
        return json_problem(problem, "max_context_tokens must be at most %d", CONTEXT_TOKENS_MAX);
    if (agent->semantic_threshold < 0 || agent->semantic_threshold > 1)
        return json_problem(problem, "semantic_threshold must be between 0 and 1");
    if (agent->language.len && !language_find(agent->language))
        return json_problem(problem, "language is not a code known here, such as \"en\"");
    return OK;
}

/* A new object needs its name; an update may leave it, not empty it. */
static err_t check_name(struct slice name, bool is_new, struct json_problem *problem)
{
    if (text_trim(name).len || (!is_new && !name.ptr)) return OK;
    return json_problem(problem, "name must not be empty");
}

err_t admin_read_agent(struct admin_input *input, const json_t *value, struct buffer *frame,
                       struct json_problem *problem)
{
    static const char *const ignored[] = {"id", "version", "has_api_key"};
    struct arena arena = {0};
    struct put_agent put = {.tenant = input->tenant, .id = input->id};
    err_t error = record_from_json(agent_type(), value, &arena, &put.agent, problem);
    if (!error) error = check_name(put.agent.name, !input->id, problem);
    if (!error) error = check_texts(agent_texts, ARRAY_LEN(agent_texts), &put.agent, problem);
    if (!error) error = check_providers(&put.agent, problem);
    if (!error) error = check_numbers(&put.agent, problem);
    if (!error) {
        ignore_members(agent_type(), &put.agent, ignored, ARRAY_LEN(ignored));
        input->brings_keys = brings_keys(&put.agent);
        record_encode(put_agent_type(), &put, frame);
    }
    arena_free(&arena);
    return error;
}

/* --- portfolios --- */

/* Of a portfolio no more than these members is the client's to say. */
static err_t write_portfolio(const struct admin_input *input, struct portfolio *given,
                             struct buffer *frame, struct json_problem *problem)
{
    static const char *const ignored[] = {"id", "version", "documents", "chunks", "embedding"};
    struct put_portfolio put = {.tenant = input->tenant, .id = input->id};
    err_t error = check_texts(portfolio_texts, ARRAY_LEN(portfolio_texts), given, problem);
    if (error) return error;
    ignore_members(portfolio_type(), given, ignored, ARRAY_LEN(ignored));
    put.portfolio = *given;
    record_encode(put_portfolio_type(), &put, frame);
    return OK;
}

err_t admin_read_portfolio(struct admin_input *input, const json_t *value, struct buffer *frame,
                           struct json_problem *problem)
{
    struct arena arena = {0};
    struct portfolio given;
    err_t error = record_from_json(portfolio_type(), value, &arena, &given, problem);
    if (!error) error = check_name(given.name, !input->id, problem);
    if (!error) error = write_portfolio(input, &given, frame, problem);
    arena_free(&arena);
    return error;
}

err_t admin_read_reembed(struct admin_input *input, const json_t *value, struct buffer *frame,
                         struct json_problem *problem)
{
    struct arena arena = {0};
    struct portfolio given;
    err_t error = record_from_json(portfolio_type(), value, &arena, &given, problem);
    struct portfolio wanted = {.embedder = given.embedder};
    if (!error) error = write_portfolio(input, &wanted, frame, problem);
    arena_free(&arena);
    return error;
}

/* --- documents --- */

static err_t check_content(const struct admin_input *input, const struct document *document)
{
    bool kept = input->id && !document->content.ptr; /* an update of other members */
    if (!kept && !text_trim(document->content).len) return ERR_DOCUMENT_EMPTY;
    return document->content.len > input->document_bytes_max ? ERR_DOCUMENT_TOO_LARGE : OK;
}

static err_t check_document(const struct admin_input *input, struct document *document,
                            struct json_problem *problem)
{
    static const char *const formats[] = {"text", "markdown", "html"};
    static const char *const ignored[] = {"id",    "portfolio_id", "status",  "chunks",
                                          "bytes", "error",        "version", "unchanged"};
    err_t error = check_content(input, document);
    if (error) return error;
    if (document->format.ptr && !one_of(document->format, formats, ARRAY_LEN(formats)))
        return json_problem(problem, "format must be \"text\", \"markdown\" or \"html\"");
    error = check_texts(document_texts, ARRAY_LEN(document_texts), document, problem);
    ignore_members(document_type(), document, ignored, ARRAY_LEN(ignored));
    document->id = input->id;
    return error;
}

/* In an array the message says which one. */
static void say_which(bool is_list, size_t index, err_t error, struct json_problem *problem)
{
    struct json_problem one = *problem;
    if (is_list)
        json_problem(problem, "document %zu: %.120s", index,
                     *one.text ? one.text : error_text(error));
}

static err_t check_documents(const struct admin_input *input, struct list *documents,
                             struct json_problem *problem)
{
    struct document *items = documents->items;
    if (documents->count > DOCUMENTS_MAX)
        return json_problem(problem, "more than %d documents in one call", DOCUMENTS_MAX);
    for (size_t i = 0; i < documents->count; i++) {
        err_t error = check_document(input, &items[i], problem);
        if (!error) continue;
        say_which(input->is_list, i, error, problem);
        return error;
    }
    return OK;
}

/* One object is read as an array of one. */
static err_t read_documents(const json_t *value, struct arena *arena, struct list *documents,
                            struct json_problem *problem)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    struct document *items = arena_alloc(arena, MAX(count, (size_t)1) * sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        err_t error = record_from_json(document_type(), item, arena, &items[i], problem);
        if (!error) continue;
        say_which(json_is_array(value), i, error, problem);
        return error;
    }
    *documents = (struct list){items, count};
    return OK;
}

err_t admin_read_documents(struct admin_input *input, const json_t *value, struct buffer *frame,
                           struct json_problem *problem)
{
    struct arena arena = {0};
    struct put_documents put = {.tenant = input->tenant, .portfolio_id = input->portfolio_id};
    input->is_list = json_is_array(value);
    err_t error = OK;
    if (input->is_list && input->id)
        error = json_problem(problem, "one document is updated at a time");
    if (!error) error = read_documents(value, &arena, &put.documents, problem);
    if (!error) error = check_documents(input, &put.documents, problem);
    if (!error) record_encode(put_documents_type(), &put, frame);
    arena_free(&arena);
    return error;
}
