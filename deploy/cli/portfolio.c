#include "deploy/cli/portfolio.h"

#include <inttypes.h>
#include <stdio.h>

#include "deploy/cli/cli.h"

static bool find_by_id(struct client *client, const char *which, uint64_t *id)
{
    char path[64];
    struct reply reply;
    if (!parse_whole("portfolio", which, 1, INT64_MAX, id)) return false;
    snprintf(path, sizeof(path), "/api/portfolios/%" PRIu64, *id);
    bool found = client_call(client, "GET", path, NULL, &reply);
    if (!found) complain("portfolio %s: %s", which, reply.error);
    reply_free(&reply);
    return found;
}

/* The id of the one with that name on a page of the list, or 0. */
static uint64_t id_on_page(const json_t *page, const char *name)
{
    size_t index;
    const json_t *portfolio;
    json_array_foreach(page, index, portfolio)
    {
        const char *known = json_string_value(json_object_get(portfolio, "name"));
        if (known && !strcmp(known, name))
            return (uint64_t)json_integer_value(json_object_get(portfolio, "id"));
    }
    return 0;
}

/* False when the server could not be asked; *id is 0 where no portfolio has the name. */
static bool find_by_name(struct client *client, const char *name, uint64_t *id)
{
    json_int_t after = 0;
    *id = 0;
    do {
        char path[96];
        struct reply reply;
        snprintf(path, sizeof(path), "/api/portfolios?limit=1000&after=%" JSON_INTEGER_FORMAT,
                 after);
        if (!client_call(client, "GET", path, NULL, &reply)) {
            complain("%s", reply.error);
            return false;
        }
        *id = id_on_page(json_object_get(reply.json, "data"), name);
        after = json_integer_value(json_object_get(reply.json, "next"));
        reply_free(&reply);
    } while (!*id && after);
    return true;
}

static bool make(struct client *client, const char *name, uint64_t *id)
{
    struct reply reply;
    json_t *portfolio = json_pack("{s:s}", "name", name);
    bool made = client_call(client, "POST", "/api/portfolios", portfolio, &reply);
    if (made)
        *id = (uint64_t)json_integer_value(json_object_get(reply.json, "id"));
    else
        complain("cannot make the portfolio \"%s\": %s", name, reply.error);
    json_decref(portfolio);
    reply_free(&reply);
    return made;
}

bool portfolio_find(struct client *client, const char *which, bool create, uint64_t *id)
{
    if (*which && which[strspn(which, "0123456789")] == '\0') return find_by_id(client, which, id);
    if (!find_by_name(client, which, id)) return false;
    if (*id) return true;
    if (create) return make(client, which, id);
    complain("there is no portfolio \"%s\" (ingest --create makes one)", which);
    return false;
}
