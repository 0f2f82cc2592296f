#include "gateway/chat_request.h"

#include "common/text.h"

/* clang-format off */
#define CHAT_BODY_FIELDS(F, N, R, L) \
    F(TEXT, message) \
    N(U64,  conversation_id)
#define CHAT_OPTIONS_FIELDS(F, N, R, L) \
    N(U64,  portfolio_id) \
    N(TEXT, language) \
    N(U64,  top_k) \
    N(BOOL, store)
#define SEARCH_BODY_FIELDS(F, N, R, L) \
    F(TEXT, query) \
    N(TEXT, language) \
    N(U64,  top_k)
/* clang-format on */

RECORD_STRUCT(chat_body, CHAT_BODY_FIELDS)
RECORD_STRUCT(chat_options, CHAT_OPTIONS_FIELDS)
RECORD_STRUCT(search_body, SEARCH_BODY_FIELDS)
RECORD_TYPE(chat_body, CHAT_BODY_FIELDS)
RECORD_TYPE(chat_options, CHAT_OPTIONS_FIELDS)
RECORD_TYPE(search_body, SEARCH_BODY_FIELDS)

/* Whether the client gave a member with that value (null does not count). */
static bool was_given(const json_t *object, const char *name)
{
    const json_t *member = json_object_get(object, name);
    return member && !json_is_null(member);
}

err_t chat_message_check(struct slice message, size_t characters_max, struct json_problem *problem)
{
    if (!text_valid(message)) return ERR_INVALID_UTF8;
    if (!text_trim(message).len) return ERR_MESSAGE_EMPTY;
    size_t characters = text_length(message);
    if (characters <= characters_max) return OK;
    json_problem(problem, "the message has %zu characters, at most %zu are taken", characters,
                 characters_max);
    return ERR_MESSAGE_TOO_LONG;
}

static err_t check_language(struct slice code, const struct language **language,
                            struct json_problem *problem)
{
    *language = code.ptr ? language_find(code) : NULL;
    if (!code.ptr || *language) return OK;
    return json_problem(problem, "language is not a code known here, such as \"en\"");
}

static err_t check_top_k(const json_t *object, uint64_t top_k, struct json_problem *problem)
{
    if (!was_given(object, "top_k") || (top_k >= 1 && top_k <= TOP_K_MAX)) return OK;
    return json_problem(problem, "top_k must be between 1 and %d", TOP_K_MAX);
}

err_t chat_options_read(const json_t *object, struct arena *arena, struct chat_call *call,
                        struct json_problem *problem)
{
    struct chat_options options;
    const struct language *language = NULL;
    err_t error = record_from_json(chat_options_type(), object, arena, &options, problem);
    if (!error) error = check_language(options.language, &language, problem);
    if (!error) error = check_top_k(object, options.top_k, problem);
    if (!error && was_given(object, "portfolio_id") && !options.portfolio_id)
        error = ERR_PORTFOLIO_NOT_FOUND; /* ids start at 1 */
    if (error) return error;
    call->language = language;
    call->portfolio_id = options.portfolio_id;
    call->top_k = options.top_k;
    call->store = options.store || !was_given(object, "store");
    return OK;
}

static err_t read_chat(const json_t *object, size_t characters_max, struct arena *arena,
                       struct chat_call *call, struct json_problem *problem)
{
    struct chat_body body;
    struct chat_call read = {0};
    err_t error = record_from_json(chat_body_type(), object, arena, &body, problem);
    if (!error) error = chat_message_check(body.message, characters_max, problem);
    if (!error) error = chat_options_read(object, arena, &read, problem);
    if (!error && was_given(object, "conversation_id") && !body.conversation_id)
        error = ERR_CONVERSATION_NOT_FOUND;
    if (error) return error;
    read.message = arena_slice(arena, body.message);
    read.conversation_id = body.conversation_id;
    *call = read;
    return OK;
}

static err_t read_search(const json_t *object, size_t characters_max, struct arena *arena,
                         struct search_call *call, struct json_problem *problem)
{
    struct search_body body;
    struct search_call read = {0};
    err_t error = record_from_json(search_body_type(), object, arena, &body, problem);
    if (!error) error = chat_message_check(body.query, characters_max, problem);
    if (!error) error = check_language(body.language, &read.language, problem);
    if (!error) error = check_top_k(object, body.top_k, problem);
    if (error) return error;
    read.query = arena_slice(arena, body.query);
    read.top_k = body.top_k;
    *call = read;
    return OK;
}

err_t chat_call_read(struct slice body, size_t characters_max, struct arena *arena,
                     struct chat_call *call, struct json_problem *problem)
{
    json_t *object;
    err_t error = json_read(body, &object, problem);
    if (error) return error;
    error = read_chat(object, characters_max, arena, call, problem);
    json_decref(object);
    return error;
}

err_t search_call_read(struct slice body, size_t characters_max, struct arena *arena,
                       struct search_call *call, struct json_problem *problem)
{
    json_t *object;
    err_t error = json_read(body, &object, problem);
    if (error) return error;
    error = read_search(object, characters_max, arena, call, problem);
    json_decref(object);
    return error;
}
