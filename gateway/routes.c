#include "gateway/routes.h"

#include <stdio.h>

#include "gateway/admin_api.h"
#include "gateway/flags_api.h"
#include "gateway/openai_api.h"
#include "gateway/ops_api.h"
#include "gateway/request_flow.h"
#include "gateway/search_api.h"

#define ID_MAX INT64_MAX /* what the stores can hold */

/* clang-format off */
static const struct route routes[] = {
    /* method   path                                        handle                  scope        kind                       documents limited name */
    {"GET",    "/healthz",                                  ops_healthz,            SCOPE_NONE,  KIND_COUNT,                false,    false,  "healthz"},
    {"GET",    "/readyz",                                   ops_readyz,             SCOPE_NONE,  KIND_COUNT,                false,    false,  "readyz"},
    {"GET",    "/metrics",                                  ops_metrics,            SCOPE_ADMIN, KIND_COUNT,                false,    false,  "metrics"},
    {"GET",    "/api/ops/pools",                            ops_pools,              SCOPE_ADMIN, KIND_COUNT,                false,    false,  "ops.pools"},
    {"GET",    "/api/flags",                                flags_get,              SCOPE_ADMIN, KIND_COUNT,                false,    false,  "flags.get"},
    {"PUT",    "/api/flags",                                flags_put,              SCOPE_ADMIN, KIND_COUNT,                false,    false,  "flags.put"},
    {"POST",   "/api/agents/{id}/chat",                     chat_whole,             SCOPE_CHAT,  KIND_CHAT,                 false,    true,   "chat"},
    {"POST",   "/api/agents/{id}/chat/stream",              chat_stream,            SCOPE_CHAT,  KIND_CHAT,                 false,    true,   "chat.stream"},
    {"POST",   "/api/portfolios/{id}/search",               search_whole,           SCOPE_CHAT,  KIND_SEARCH,               false,    true,   "search"},
    {"GET",    "/api/conversations/{id}",                   admin_call,             SCOPE_CHAT,  KIND_CONVERSATION_GET,     false,    false,  "conversation.get"},
    {"GET",    "/api/agents",                               admin_call,             SCOPE_CHAT,  KIND_AGENT_LIST,           false,    false,  "agent.list"},
    {"POST",   "/api/agents",                               admin_call,             SCOPE_ADMIN, KIND_AGENT_CREATE,         false,    false,  "agent.create"},
    {"GET",    "/api/agents/{id}",                          admin_call,             SCOPE_CHAT,  KIND_AGENT_GET,            false,    false,  "agent.get"},
    {"PUT",    "/api/agents/{id}",                          admin_call,             SCOPE_ADMIN, KIND_AGENT_UPDATE,         false,    false,  "agent.update"},
    {"POST",   "/api/agents/{id}/invalidate",               admin_call,             SCOPE_ADMIN, KIND_AGENT_INVALIDATE,     false,    false,  "agent.invalidate"},
    {"DELETE", "/api/agents/{id}",                          admin_call,             SCOPE_ADMIN, KIND_AGENT_DELETE,         false,    false,  "agent.delete"},
    {"GET",    "/api/portfolios",                           admin_call,             SCOPE_CHAT,  KIND_PORTFOLIO_LIST,       false,    false,  "portfolio.list"},
    {"POST",   "/api/portfolios",                           admin_call,             SCOPE_ADMIN, KIND_PORTFOLIO_CREATE,     false,    false,  "portfolio.create"},
    {"GET",    "/api/portfolios/{id}",                      admin_call,             SCOPE_CHAT,  KIND_PORTFOLIO_GET,        false,    false,  "portfolio.get"},
    {"PUT",    "/api/portfolios/{id}",                      admin_call,             SCOPE_ADMIN, KIND_PORTFOLIO_UPDATE,     false,    false,  "portfolio.update"},
    {"POST",   "/api/portfolios/{id}/reembed",              admin_call,             SCOPE_ADMIN, KIND_PORTFOLIO_REEMBED,    false,    false,  "portfolio.reembed"},
    {"POST",   "/api/portfolios/{id}/invalidate",           admin_call,             SCOPE_ADMIN, KIND_PORTFOLIO_INVALIDATE, false,    false,  "portfolio.invalidate"},
    {"DELETE", "/api/portfolios/{id}",                      admin_call,             SCOPE_ADMIN, KIND_PORTFOLIO_DELETE,     false,    false,  "portfolio.delete"},
    {"GET",    "/api/portfolios/{id}/documents",            admin_call,             SCOPE_CHAT,  KIND_DOCUMENT_LIST,        false,    false,  "document.list"},
    {"POST",   "/api/portfolios/{id}/documents",            admin_call,             SCOPE_ADMIN, KIND_DOCUMENT_PUT,         true,     false,  "document.put"},
    {"GET",    "/api/portfolios/{id}/documents/{id}",       admin_call,             SCOPE_CHAT,  KIND_DOCUMENT_GET,         false,    false,  "document.get"},
    {"PUT",    "/api/portfolios/{id}/documents/{id}",       admin_call,             SCOPE_ADMIN, KIND_DOCUMENT_UPDATE,      true,     false,  "document.update"},
    {"DELETE", "/api/portfolios/{id}/documents/{id}",       admin_call,             SCOPE_ADMIN, KIND_DOCUMENT_DELETE,      false,    false,  "document.delete"},
    {"POST",   "/v1/chat/completions",                      chat_completions,       SCOPE_CHAT,  KIND_CHAT,                 false,    true,   "openai.chat"},
    {"GET",    "/v1/models",                                openai_models_list,     SCOPE_CHAT,  KIND_AGENT_LIST,           false,    true,   "openai.models"},
    {"GET",    "/v1/models/{name}",                         openai_models_get,      SCOPE_CHAT,  KIND_AGENT_GET,            false,    true,   "openai.model"},
    {"POST",   "/v1/embeddings",                            openai_embeddings_make, SCOPE_CHAT,  KIND_EMBED,                false,    true,   "openai.embeddings"},
};
/* clang-format on */

/* Takes what is before the next '/' off the front of *path, which starts with one. */
static struct slice take_segment(struct slice *path)
{
    struct slice segment = {path->ptr + 1, 0};
    while (segment.len + 1 < path->len && segment.ptr[segment.len] != '/') segment.len++;
    path->ptr += segment.len + 1;
    path->len -= segment.len + 1;
    return segment;
}

static bool read_id(struct slice text, uint64_t *id)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        if (number > ID_MAX / 10) return false;
        number = number * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *id = number;
    return text.len > 0 && number <= ID_MAX;
}

static bool path_matches(const char *pattern, struct slice path, uint64_t *ids)
{
    struct slice wanted = slice_of(pattern);
    while (wanted.len && path.len && *path.ptr == '/') {
        struct slice name = take_segment(&wanted), segment = take_segment(&path);
        if (slice_equal(name, SLICE("{id}"))) {
            if (!read_id(segment, ids++)) return false;
        } else if (slice_equal(name, SLICE("{name}"))) {
            if (!segment.len) return false;
        } else if (!slice_equal(name, segment)) {
            return false;
        }
    }
    return !wanted.len && !path.len;
}

static bool method_matches(const char *wanted, struct slice method)
{
    if (slice_equal(method, SLICE("HEAD"))) method = SLICE("GET");
    return slice_equal(slice_of(wanted), method);
}

static void add_allowed(char *allow, const char *method)
{
    size_t len = strlen(allow);
    snprintf(allow + len, ROUTE_ALLOW_SIZE - len, "%s%s", len ? ", " : "",
             strcmp(method, "GET") ? method : "GET, HEAD");
}

err_t route_find(struct slice method, struct slice path, struct http_target *target, char *allow)
{
    *allow = '\0';
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        struct http_target found = {&routes[i], {0}};
        if (!path_matches(routes[i].path, path, found.ids)) continue;
        if (method_matches(routes[i].method, method)) {
            *target = found;
            return OK;
        }
        add_allowed(allow, routes[i].method);
    }
    return *allow ? ERR_METHOD_NOT_ALLOWED : ERR_NOT_FOUND;
}

const struct route *route_at(size_t index)
{
    return index < ARRAY_LEN(routes) ? &routes[index] : NULL;
}
