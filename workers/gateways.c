#include "workers/gateways.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/resolver.h"

#define RESOLVE_INTERVAL_MS 2000

/* One host:port of the setting. */
struct entry {
    struct gateways *gateways;
    unsigned port;
    struct resolver *resolver;
    struct gateway_address *found; /* by the last look-up that worked */
    size_t count, capacity;
    bool asked; /* and answered, at least once */
};

struct gateways {
    gateways_fn *on_change;
    void *context;
    struct entry **entries;
    size_t count, capacity;
    struct event *timer;
    struct gateway_address told[GATEWAYS_MAX];
    size_t told_count;
};

/* --- what was found --- */

static int compare(const void *a, const void *b)
{
    const struct gateway_address *x = a, *y = b;
    int order = strcmp(x->host, y->host);
    return order ? order : (x->port > y->port) - (x->port < y->port);
}

/* All entries' addresses, sorted, each once. */
static size_t collect(const struct gateways *gateways, struct gateway_address *found)
{
    size_t count = 0, unique = 0;
    for (size_t i = 0; i < gateways->count; i++) {
        const struct entry *entry = gateways->entries[i];
        for (size_t k = 0; k < entry->count && count < GATEWAYS_MAX; k++)
            found[count++] = entry->found[k];
    }
    qsort(found, count, sizeof(*found), compare);
    for (size_t i = 0; i < count; i++)
        if (!unique || compare(&found[unique - 1], &found[i])) found[unique++] = found[i];
    return unique;
}

/* Not before each entry has had its answer: what is missing would count as gone. */
static bool is_known(const struct gateways *gateways)
{
    size_t asked = 0;
    for (size_t i = 0; i < gateways->count; i++) asked += gateways->entries[i]->asked;
    return asked == gateways->count;
}

static void tell_change(struct gateways *gateways)
{
    struct gateway_address found[GATEWAYS_MAX] = {0};
    size_t count = collect(gateways, found);
    bool same =
        count == gateways->told_count && !memcmp(found, gateways->told, count * sizeof(*found));
    if (same) return;
    memcpy(gateways->told, found, sizeof(found));
    gateways->told_count = count;
    gateways->on_change(gateways->context, found, count);
}

static void on_addresses(void *context, const struct resolver_address *addresses, size_t count)
{
    struct entry *entry = context;
    entry->asked = true;
    entry->count = 0;
    entry->found = xgrow(entry->found, &entry->capacity, count, sizeof(*entry->found));
    for (size_t i = 0; i < count; i++) {
        struct gateway_address *found = &entry->found[entry->count++];
        *found = (struct gateway_address){.port = entry->port};
        snprintf(found->host, sizeof(found->host), "%.15s", addresses[i].text); /* AF_INET */
    }
    if (is_known(entry->gateways)) tell_change(entry->gateways);
}

static void ask_all(evutil_socket_t fd, short what, void *context)
{
    struct gateways *gateways = context;
    (void)fd, (void)what;
    for (size_t i = 0; i < gateways->count; i++) resolver_ask(gateways->entries[i]->resolver);
}

/* --- the setting --- */

static err_t entry_parse(struct gateways *gateways, struct event_base *base, struct slice text)
{
    char *end;
    const char *colon = memrchr(text.ptr, ':', text.len);
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (!colon || colon == text.ptr || end != text.ptr + text.len || !port || port > 65532) {
        fprintf(stderr, "setting GATEWAYS: \"%.*s\" is not host:port\n", (int)text.len, text.ptr);
        return ERR_BAD_SETTING;
    }
    struct entry *entry = xcalloc(1, sizeof(*entry));
    char *host = xstrndup(text.ptr, (size_t)(colon - text.ptr));
    entry->gateways = gateways;
    entry->port = (unsigned)port;
    entry->resolver = resolver_new(base, host, AF_INET, on_addresses, entry);
    free(host);
    gateways->entries = xgrow(gateways->entries, &gateways->capacity, gateways->count + 1,
                              sizeof(*gateways->entries));
    gateways->entries[gateways->count++] = entry;
    return OK;
}

static err_t parse(struct gateways *gateways, struct event_base *base, const char *list)
{
    while (*list) {
        size_t len = strcspn(list, ",");
        if (len && entry_parse(gateways, base, (struct slice){list, len})) return ERR_BAD_SETTING;
        list += len + (list[len] == ',');
    }
    return gateways->count ? OK : ERR_BAD_SETTING;
}

err_t gateways_new(struct event_base *base, const char *list, gateways_fn *on_change, void *context,
                   struct gateways **out)
{
    const struct timeval interval = clock_timeval_ms(RESOLVE_INTERVAL_MS);
    struct gateways *gateways = xcalloc(1, sizeof(*gateways));
    gateways->on_change = on_change;
    gateways->context = context;
    gateways->timer = event_new(base, -1, EV_PERSIST, ask_all, gateways);
    if (parse(gateways, base, list) || event_add(gateways->timer, &interval)) {
        gateways_destroy(&gateways);
        return ERR_BAD_SETTING;
    }
    ask_all(-1, 0, gateways);
    *out = gateways;
    return OK;
}

void gateways_destroy(struct gateways **at)
{
    struct gateways *gateways = *at;
    *at = NULL;
    if (!gateways) return;
    event_free(gateways->timer);
    for (size_t i = 0; i < gateways->count; i++) {
        struct entry *entry = gateways->entries[i];
        resolver_destroy(&entry->resolver);
        free(entry->found);
        free(entry);
    }
    free(gateways->entries);
    free(gateways);
}
