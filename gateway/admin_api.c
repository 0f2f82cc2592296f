/* One table says for each kind of job how its request frame is made; the result is the kind's
 * record, written as JSON. */
#include "gateway/admin_api.h"

#include <stdlib.h>

#include "common/ids.h"
#include "gateway/admin_input.h"
#include "gateway/auth.h"
#include "gateway/call.h"
#include "gateway/directory.h"
#include "gateway/routes.h"
#include "proto/codec.h"

#define LIMIT_DEFAULT   100
#define LIMIT_MAX       1000
#define CALL_TIMEOUT_MS 30000

typedef err_t input_fn(struct admin_input *input, const json_t *value, struct buffer *frame,
                       struct json_problem *problem);

struct admin_call {
    struct call base; /* first */
    enum kind kind;
    struct http_target target;
    bool is_list;     /* an array was posted: {"data":[...]} is answered */
    bool brings_keys; /* of an agent: the generator seals them first */
};

/* What the ids of the path are. */
enum path_ids { NO_ID, OBJECT_ID, PORTFOLIO_ID, PORTFOLIO_AND_OBJECT_ID };

static const struct call_info {
    enum path_ids ids;
    input_fn *input; /* NULL: a select */
    bool paged;
    int status;
    bool bare;         /* the body may be empty: {} */
    enum kind forgets; /* of the object, what this gateway keeps in memory; 0: nothing */
} calls[KIND_COUNT] = {
    [KIND_CONVERSATION_GET] = {OBJECT_ID, NULL, false, 200},
    [KIND_AGENT_LIST] = {NO_ID, NULL, true, 200},
    [KIND_AGENT_GET] = {OBJECT_ID, NULL, false, 200},
    [KIND_AGENT_CREATE] = {NO_ID, admin_read_agent, false, 201},
    [KIND_AGENT_UPDATE] = {OBJECT_ID, admin_read_agent, false, 200, .forgets = KIND_AGENT_GET},
    [KIND_AGENT_INVALIDATE] = {OBJECT_ID, NULL, false, 200, .forgets = KIND_AGENT_GET},
    [KIND_AGENT_DELETE] = {OBJECT_ID, NULL, false, 204, .forgets = KIND_AGENT_GET},
    [KIND_PORTFOLIO_LIST] = {NO_ID, NULL, true, 200},
    [KIND_PORTFOLIO_GET] = {OBJECT_ID, NULL, false, 200},
    [KIND_PORTFOLIO_CREATE] = {NO_ID, admin_read_portfolio, false, 201},
    [KIND_PORTFOLIO_UPDATE] = {OBJECT_ID, admin_read_portfolio, false, 200,
                               .forgets = KIND_PORTFOLIO_GET},
    [KIND_PORTFOLIO_REEMBED] = {OBJECT_ID, admin_read_reembed, false, 200, .bare = true,
                                .forgets = KIND_PORTFOLIO_GET},
    [KIND_PORTFOLIO_INVALIDATE] = {OBJECT_ID, NULL, false, 200, .forgets = KIND_PORTFOLIO_GET},
    [KIND_PORTFOLIO_DELETE] = {OBJECT_ID, NULL, false, 204, .forgets = KIND_PORTFOLIO_GET},
    [KIND_DOCUMENT_LIST] = {PORTFOLIO_ID, NULL, true, 200},
    [KIND_DOCUMENT_GET] = {PORTFOLIO_AND_OBJECT_ID, NULL, false, 200},
    [KIND_DOCUMENT_PUT] = {PORTFOLIO_ID, admin_read_documents, false, 201},
    [KIND_DOCUMENT_UPDATE] = {PORTFOLIO_AND_OBJECT_ID, admin_read_documents, false, 200},
    [KIND_DOCUMENT_DELETE] = {PORTFOLIO_AND_OBJECT_ID, NULL, false, 204},
};

static uint64_t object_id(const struct admin_call *call)
{
    switch (calls[call->kind].ids) {
    case OBJECT_ID: return call->target.ids[0];
    case PORTFOLIO_AND_OBJECT_ID: return call->target.ids[1];
    default: return 0;
    }
}

static uint64_t portfolio_id(const struct admin_call *call)
{
    return calls[call->kind].ids >= PORTFOLIO_ID ? call->target.ids[0] : 0;
}

/* Before the exchange is over. */
static struct slice tenant(const struct admin_call *call)
{
    return call->target.caller->tenant;
}

/* --- the request frame --- */

/* A whole number of the query, or `fallback` when it is not there. */
static err_t read_query(const struct http_request *request, const char *name, uint64_t fallback,
                        uint64_t *number, struct json_problem *problem)
{
    const char *text = http_query(request, name);
    size_t digits = text ? strspn(text, "0123456789") : 0;
    if (!text) return *number = fallback, OK;
    if (!digits || text[digits] || digits > 18)
        return json_problem(problem, "%s must be a whole number", name);
    *number = strtoull(text, NULL, 10);
    return OK;
}

static err_t read_page(const struct http_request *request, struct select *select,
                       struct json_problem *problem)
{
    err_t error = read_query(request, "limit", LIMIT_DEFAULT, &select->limit, problem);
    if (!error) error = read_query(request, "after", 0, &select->after, problem);
    if (!error && !select->limit) error = json_problem(problem, "limit must be at least 1");
    select->limit = MIN(select->limit, (uint64_t)LIMIT_MAX);
    return error;
}

static err_t make_select(const struct admin_call *call, struct buffer *frame,
                         struct json_problem *problem)
{
    struct select select = {
        .tenant = tenant(call), .id = object_id(call), .portfolio_id = portfolio_id(call)};
    err_t error = calls[call->kind].paged ? read_page(call->base.http, &select, problem) : OK;
    if (!error) record_encode(select_type(), &select, frame);
    return error;
}

static err_t make_input(struct admin_call *call, struct buffer *frame, struct json_problem *problem)
{
    struct admin_input input = {
        .tenant = tenant(call),
        .id = object_id(call),
        .portfolio_id = portfolio_id(call),
        .document_bytes_max = call->base.gateway->settings->document_bytes_max,
    };
    struct slice body = http_body(call->base.http);
    if (!body.len && calls[call->kind].bare) body = SLICE("{}");
    json_t *value;
    err_t error = json_read(body, &value, problem);
    if (error) return error;
    error = calls[call->kind].input(&input, value, frame, problem);
    call->is_list = input.is_list;
    call->brings_keys = input.brings_keys;
    json_decref(value);
    return error;
}

/* --- the answer --- */

static bool any_indexing(const struct documents *documents)
{
    const struct document *items = documents->data.items;
    for (size_t i = 0; i < documents->data.count; i++)
        if (slice_equal(items[i].status, SLICE("indexing"))) return true;
    return false;
}

static bool is_rebuilt(const struct portfolio *portfolio)
{
    return !slice_equal(portfolio->embedder, portfolio->embedding.embedder);
}

/* 202: vectors follow in the background. */
static int status_of(const struct admin_call *call, const void *record)
{
    if (call->kind == KIND_PORTFOLIO_REEMBED && is_rebuilt(record)) return 202;
    bool documents = calls[call->kind].input == admin_read_documents;
    return documents && any_indexing(record) ? 202 : calls[call->kind].status;
}

/* An agent that names no provider is shown with the one that it has now. */
static void show_agent(const struct admin_call *call, struct agent *agent)
{
    struct slice serves = slice_of(lane_io_serves(call->base.gateway->lanes, POOL_GENERATE));
    const char *slash = serves.len ? memchr(serves.ptr, '/', serves.len) : NULL;
    size_t len = slash ? (size_t)(slash - serves.ptr) : serves.len;
    if (agent->provider.len) return;
    agent->provider = (struct slice){serves.ptr, len};
    if (slash && !agent->model.len) agent->model = (struct slice){slash + 1, serves.len - len - 1};
}

static void show_agents(const struct admin_call *call, void *record)
{
    const struct record_type *type = kind_info(call->kind)->result();
    const struct list *list = type == agents_type() ? &((struct agents *)record)->data : NULL;
    struct agent *items = list ? list->items : record;
    size_t count = list ? list->count : type == agent_type();
    for (size_t i = 0; i < count; i++) show_agent(call, &items[i]);
}

static void write_list_answer(const struct documents *documents, struct buffer *out)
{
    buffer_append_text(out, "{\"data\":");
    list_to_json(document_type(), &documents->data, out);
    buffer_append_char(out, '}');
}

/* Documents come as a list; one that was written alone is answered alone. */
static err_t write_answer(const struct admin_call *call, const void *record, struct buffer *out)
{
    const struct documents *documents = record;
    if (calls[call->kind].input != admin_read_documents) {
        record_to_json(kind_info(call->kind)->result(), record, out);
    } else if (call->is_list) {
        write_list_answer(documents, out);
    } else {
        if (!documents->data.count) return ERR_BAD_FRAME;
        record_to_json(document_type(), documents->data.items, out);
    }
    buffer_append_char(out, '\n');
    return OK;
}

static void reply(struct admin_call *call, struct slice result)
{
    const struct record_type *type = kind_info(call->kind)->result();
    struct arena arena = {0};
    struct buffer body = {0};
    void *record = arena_alloc(&arena, type->size);
    err_t error = record_decode(type, result, &arena, record);
    int status = error ? 0 : status_of(call, record);
    if (!error) show_agents(call, record);
    if (!error && status != 204) error = write_answer(call, record, &body);
    if (error)
        http_reply_error(call->base.http, error, NULL);
    else
        http_reply(call->base.http, status, status == 204 ? NULL : "application/json", &body);
    if (error) buffer_free(&body);
    arena_free(&arena);
}

/* What this gateway changed it must not answer from memory. */
static void forget_changed(const struct admin_call *call)
{
    enum kind forgets = calls[call->kind].forgets;
    if (forgets) directory_forget(call->base.gateway->directory, forgets, object_id(call));
}

static void on_end(struct call *base, const struct job_end *end)
{
    struct admin_call *call = (struct admin_call *)base;
    if (!end->error) forget_changed(call);
    if (!base->http) return;
    if (end->error)
        http_reply_error(base->http, end->error, end->message);
    else
        reply(call, end->result);
}

static err_t submit(struct admin_call *call, struct slice frame)
{
    char op[ID_SIZE];
    struct job_spec spec = {
        .kind = call->kind,
        .body = body_new(),
        .timeout_ms = CALL_TIMEOUT_MS,
        .affinity = portfolio_id(call),
    };
    id_ordered(op);
    if (kind_info(call->kind)->writes) spec.op = op;
    if (calls[call->kind].input == admin_read_agent && !call->brings_keys) spec.stages = "R";
    body_set(spec.body, FRAME_REQUEST, frame);
    return call_submit(&call->base, &spec);
}

void admin_call(struct gateway *gateway, struct http_request *request)
{
    struct admin_call *call = xcalloc(1, sizeof(*call));
    struct json_problem problem = {""};
    struct buffer frame = {0};
    call_open(&call->base, gateway, request);
    call->base.on_end = on_end;
    call->target = *http_target(request);
    call->kind = call->target.route->kind;
    call->base.goes_on = kind_info(call->kind)->writes;
    err_t error = calls[call->kind].input ? make_input(call, &frame, &problem)
                                          : make_select(call, &frame, &problem);
    if (!error) error = submit(call, buffer_slice(&frame));
    if (error) http_reply_error(request, error, *problem.text ? problem.text : NULL);
    buffer_free(&frame);
}
