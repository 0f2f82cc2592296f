/* Finds the backend that a URL names and hands every call on to it. */
#include "workers/retriever/store.h"

#include "common/log.h"
#include "workers/retriever/store_backend.h"

static const struct {
    const char *scheme;
    const struct store_backend *backend;
} schemes[] = {
    {"sqlite:", &store_sqlite},
    {"postgresql:", &store_postgres},
    {"postgres:", &store_postgres},
    {"postgresql+asyncpg:", &store_postgres},
};

/* The backend of a URL, and what follows its scheme. The URL may hold a password: only its scheme
 * is logged. */
static const struct store_backend *backend_of(const char *url, const char **rest)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i].scheme);
        *rest = url + len;
        if (!strncmp(url, schemes[i].scheme, len) && **rest) return schemes[i].backend;
    }
    log_error("DATABASE_URL names no store that this program knows; known: sqlite:PATH,"
              " postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE");
    return NULL;
}

err_t store_open(struct event_base *base, const struct store_options *options, struct store **store)
{
    const char *rest;
    const struct store_backend *backend = backend_of(options->url, &rest);
    return backend ? backend->open(base, options, rest, store) : ERR_BAD_SETTING;
}

err_t store_migrate(const char *url, unsigned *from, unsigned *to)
{
    const char *rest;
    const struct store_backend *backend = backend_of(url, &rest);
    return backend ? backend->migrate(rest, from, to) : ERR_BAD_SETTING;
}

err_t store_reseal(const char *url, const struct store_resealer *resealer, uint64_t *agents)
{
    const char *rest;
    const struct store_backend *backend = backend_of(url, &rest);
    return backend ? backend->reseal(rest, resealer, agents) : ERR_BAD_SETTING;
}

void store_close(struct store **store)
{
    if (*store) (*store)->backend->close(*store);
    *store = NULL;
}

void store_call(struct store *store, struct store_call *call)
{
    store->backend->call(store, call);
}

void store_call_free(struct store_call *call)
{
    buffer_free(&call->result);
    buffer_free(&call->passages);
}

void store_refresh(struct store *store, struct store_refresh *refresh)
{
    store->backend->refresh(store, refresh);
}

void store_search(struct store *store, struct store_search *search)
{
    store->backend->search(store, search);
}

void store_passages(struct store *store, struct store_passages *passages)
{
    store->backend->passages(store, passages);
}
