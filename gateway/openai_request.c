#include "gateway/openai_request.h"

#include "common/text.h"
#include "proto/history.h"

#define MODEL_PREFIX    SLICE("agent-")
#define ID_DIGITS_MAX   18
#define MODEL_SHOWN_MAX 60 /* bytes of a name that is not known */

/* clang-format off */
#define STREAM_OPTIONS_FIELDS(F, N, R, L) \
    F(BOOL, include_usage)
#define QUESTION_BODY_FIELDS(F, N, R, L) \
    F(TEXT, model) \
    F(BOOL, stream) \
    R(stream_options, stream_options) \
    F(BOOL, sources)
#define TEXTS_BODY_FIELDS(F, N, R, L) \
    F(TEXT, model) \
    F(TEXT, encoding_format) \
    F(U64,  dimensions)
/* clang-format on */

RECORD_STRUCT(stream_options, STREAM_OPTIONS_FIELDS)
RECORD_STRUCT(question_body, QUESTION_BODY_FIELDS)
RECORD_STRUCT(texts_body, TEXTS_BODY_FIELDS)
RECORD_TYPE(stream_options, STREAM_OPTIONS_FIELDS)
RECORD_TYPE(question_body, QUESTION_BODY_FIELDS)
RECORD_TYPE(texts_body, TEXTS_BODY_FIELDS)

static bool is_word(const json_t *value, const char *word)
{
    return json_is_string(value) && !strcmp(json_string_value(value), word);
}

static struct slice text_of(const json_t *value)
{
    return (struct slice){json_string_value(value), json_string_length(value)};
}

/* --- the model --- */

err_t openai_agent_of(struct slice model, uint64_t *id)
{
    struct slice prefix = MODEL_PREFIX;
    uint64_t number = 0;
    if (model.len <= prefix.len || model.len > prefix.len + ID_DIGITS_MAX ||
        memcmp(model.ptr, prefix.ptr, prefix.len) != 0)
        return ERR_AGENT_NOT_FOUND;
    for (size_t i = prefix.len; i < model.len; i++) {
        if (model.ptr[i] < '0' || model.ptr[i] > '9') return ERR_AGENT_NOT_FOUND;
        number = number * 10 + (uint64_t)(model.ptr[i] - '0');
    }
    *id = number;
    return OK;
}

static err_t read_model(struct slice model, uint64_t *id, struct json_problem *problem)
{
    if (!model.len) return json_problem(problem, "model is missing: an agent's, such as agent-1");
    err_t error = openai_agent_of(model, id);
    if (error)
        json_problem(problem, "there is no model \"%.*s\": an agent's is called agent-1",
                     (int)text_cut(model, MODEL_SHOWN_MAX), model.ptr);
    return error;
}

/* --- what cannot be done --- */

static bool is_one(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) == 1;
}

static bool forces_no_tool(const json_t *value)
{
    return is_word(value, "auto") || is_word(value, "none");
}

static bool is_text_format(const json_t *value)
{
    return is_word(json_object_get(value, "type"), "text");
}

static const struct {
    const char *member;
    bool (*is_bearable)(const json_t *value);
    const char *problem;
} demands[] = {
    {"n", is_one, "n must be 1: there is one answer to a question"},
    {"tool_choice", forces_no_tool, "tool_choice must be \"auto\" or \"none\": no tool is called"},
    {"response_format", is_text_format, "response_format must be of type \"text\""},
};

static err_t check_demands(const json_t *object, struct json_problem *problem)
{
    for (size_t i = 0; i < ARRAY_LEN(demands); i++) {
        const json_t *value = json_object_get(object, demands[i].member);
        if (value && !json_is_null(value) && !demands[i].is_bearable(value))
            return json_problem(problem, "%s", demands[i].problem);
    }
    return OK;
}

/* --- messages --- */

static const struct {
    const char *name, *known_as;
} roles[] = {
    {"system", "system"},
    {"developer", "system"},
    {"user", "user"},
    {"assistant", "assistant"},
};

static struct slice role_of(const json_t *message)
{
    const json_t *role = json_object_get(message, "role");
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (is_word(role, roles[i].name)) return slice_of(roles[i].known_as);
    return (struct slice){0};
}

/* Parts of text, one a paragraph. */
static err_t read_parts(const json_t *parts, size_t index, struct arena *arena,
                        struct slice *content, struct json_problem *problem)
{
    struct buffer text = {0};
    err_t error = OK;
    for (size_t i = 0; i < json_array_size(parts) && !error; i++) {
        const json_t *part = json_array_get(parts, i);
        const json_t *said = json_object_get(part, "text");
        if (!is_word(json_object_get(part, "type"), "text") || !json_is_string(said)) {
            error = json_problem(problem, "messages[%zu].content[%zu] must be of type \"text\"",
                                 index, i);
            break;
        }
        if (i) buffer_append_char(&text, '\n');
        buffer_append_slice(&text, text_of(said));
    }
    if (!error) *content = arena_slice(arena, buffer_slice(&text));
    buffer_free(&text);
    return error;
}

/* An assistant's message that did nothing but call a tool has no content. */
static err_t read_content(const json_t *message, size_t index, struct arena *arena,
                          struct chat_message *read, struct json_problem *problem)
{
    const json_t *content = json_object_get(message, "content");
    bool absent = !content || json_is_null(content);
    if (json_is_array(content)) return read_parts(content, index, arena, &read->content, problem);
    if (json_is_string(content)) {
        read->content = arena_slice(arena, text_of(content));
        return OK;
    }
    if (absent && slice_equal(read->role, SLICE("assistant"))) return OK;
    return json_problem(problem, "messages[%zu].content must be a string or an array of parts",
                        index);
}

static err_t read_message(const json_t *message, size_t index, struct arena *arena,
                          struct chat_message *read, struct json_problem *problem)
{
    read->role = role_of(message);
    if (!read->role.ptr)
        return json_problem(
            problem, "messages[%zu].role must be system, developer, user or assistant", index);
    return read_content(message, index, arena, read, problem);
}

static bool is_said_by(const struct chat_message *message, const char *role)
{
    return slice_equal(message->role, slice_of(role));
}

/* The question is the last message that is not a system's. */
static err_t find_question(const struct list *messages, size_t *question,
                           struct json_problem *problem)
{
    const struct chat_message *message = messages->items;
    size_t at = messages->count;
    while (at && is_said_by(&message[at - 1], "system")) at--;
    if (!at || !is_said_by(&message[at - 1], "user"))
        return json_problem(problem, "the last of the messages must be the user's");
    *question = at - 1;
    return OK;
}

/* Leaves out the oldest of what was said, and what says nothing. */
static void keep_newest(const struct list *messages, size_t question, size_t max,
                        struct list *history)
{
    struct chat_message *message = messages->items, *kept = history->items;
    for (size_t i = messages->count; i-- > 0;) {
        bool system = is_said_by(&message[i], "system");
        if (i == question || !text_trim(message[i].content).len || (!system && !max)) continue;
        if (!system) max--;
        history->count++;
        kept[messages->count - history->count] = message[i];
    }
    history->items = kept + messages->count - history->count;
}

static void make_history(const struct list *messages, size_t question, size_t max,
                         struct arena *arena, struct history *history)
{
    char digest[SHA256_HEX + 1];
    history->messages.items = arena_alloc(arena, messages->count * sizeof(struct chat_message));
    keep_newest(messages, question, max, &history->messages);
    history_digest(&history->messages, digest);
    history->digest = arena_slice(arena, (struct slice){digest, SHA256_HEX});
}

static err_t read_messages(const json_t *array, const struct openai_limits *limits,
                           struct arena *arena, struct openai_question *question,
                           struct json_problem *problem)
{
    size_t at = 0, count = json_array_size(array);
    if (!count) return json_problem(problem, "messages must be an array of at least one message");
    struct chat_message *messages = arena_alloc(arena, count * sizeof(*messages));
    struct list list = {messages, count};
    for (size_t i = 0; i < count; i++) {
        err_t error = read_message(json_array_get(array, i), i, arena, &messages[i], problem);
        if (error) return error;
    }
    err_t error = find_question(&list, &at, problem);
    if (!error) error = chat_message_check(messages[at].content, limits->characters_max, problem);
    if (error) return error;
    question->call.message = messages[at].content;
    make_history(&list, at, limits->history_max, arena, &question->history);
    return OK;
}

static err_t read_question(const json_t *object, const struct openai_limits *limits,
                           struct arena *arena, struct openai_question *question,
                           struct json_problem *problem)
{
    struct question_body body;
    struct openai_question read = {0};
    err_t error = record_from_json(question_body_type(), object, arena, &body, problem);
    if (!error) error = read_model(body.model, &read.agent_id, problem);
    if (!error) error = check_demands(object, problem);
    if (!error) error = chat_options_read(object, arena, &read.call, problem);
    if (!error)
        error = read_messages(json_object_get(object, "messages"), limits, arena, &read, problem);
    if (error) return error;
    read.stream = body.stream;
    read.include_usage = body.stream_options.include_usage;
    read.sources = body.sources || !json_is_boolean(json_object_get(object, "sources"));
    *question = read;
    return OK;
}

err_t openai_question_read(struct slice body, const struct openai_limits *limits,
                           struct arena *arena, struct openai_question *question,
                           struct json_problem *problem)
{
    json_t *object;
    err_t error = json_read(body, &object, problem);
    if (error) return error;
    error = read_question(object, limits, arena, question, problem);
    json_decref(object);
    return error;
}

/* --- embeddings --- */

static err_t read_text(const json_t *value, const struct openai_limits *limits, struct arena *arena,
                       struct embed_text *text, struct json_problem *problem)
{
    if (!json_is_string(value))
        return json_problem(problem, "input must be a string or an array of strings");
    text->text = arena_slice(arena, text_of(value));
    if (!text_trim(text->text).len) return json_problem(problem, "a text of input is empty");
    if (text_length(text->text) > limits->characters_max)
        return json_problem(problem, "a text of input is longer than %zu characters",
                            limits->characters_max);
    return OK;
}

static err_t read_input(const json_t *input, const struct openai_limits *limits,
                        struct arena *arena, struct list *texts, struct json_problem *problem)
{
    size_t count = json_is_array(input) ? json_array_size(input) : 1;
    if (count < 1 || count > OPENAI_TEXTS_MAX)
        return json_problem(problem, "input must have 1 to %d texts", OPENAI_TEXTS_MAX);
    struct embed_text *text = arena_alloc(arena, count * sizeof(*text));
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_is_array(input) ? json_array_get(input, i) : input;
        err_t error = read_text(value, limits, arena, &text[i], problem);
        if (error) return error;
    }
    *texts = (struct list){text, count};
    return OK;
}

static err_t check_encoding(struct slice encoding, bool *base64, struct json_problem *problem)
{
    *base64 = slice_equal(encoding, SLICE("base64"));
    if (!encoding.len || *base64 || slice_equal(encoding, SLICE("float"))) return OK;
    return json_problem(problem, "encoding_format must be \"float\" or \"base64\"");
}

static err_t read_texts(const json_t *object, const struct openai_limits *limits,
                        struct arena *arena, struct openai_texts *texts,
                        struct json_problem *problem)
{
    struct texts_body body;
    struct openai_texts read = {0};
    err_t error = record_from_json(texts_body_type(), object, arena, &body, problem);
    if (!error && !body.model.len) error = json_problem(problem, "model is missing");
    if (!error) error = check_encoding(body.encoding_format, &read.base64, problem);
    if (!error)
        error = read_input(json_object_get(object, "input"), limits, arena, &read.texts, problem);
    if (error) return error;
    read.model = arena_slice(arena, body.model);
    read.dimensions = body.dimensions;
    *texts = read;
    return OK;
}

err_t openai_texts_read(struct slice body, const struct openai_limits *limits, struct arena *arena,
                        struct openai_texts *texts, struct json_problem *problem)
{
    json_t *object;
    err_t error = json_read(body, &object, problem);
    if (error) return error;
    error = read_texts(object, limits, arena, texts, problem);
    json_decref(object);
    return error;
}
