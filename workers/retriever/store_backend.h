/* What a database must offer to be a store: one table of functions a backend. */
#ifndef MILLRACE_RETRIEVER_STORE_BACKEND_H
#define MILLRACE_RETRIEVER_STORE_BACKEND_H

#include "workers/retriever/store.h"

/* `rest` is the URL without its scheme. */
struct store_backend {
    err_t (*open)(struct event_base *base, const struct store_options *options, const char *rest,
                  struct store **store);
    void (*close)(struct store *store);
    err_t (*migrate)(const char *rest, unsigned *from, unsigned *to);
    err_t (*reseal)(const char *rest, const struct store_resealer *resealer, uint64_t *agents);
    void (*call)(struct store *store, struct store_call *call);
    void (*refresh)(struct store *store, struct store_refresh *refresh);
    void (*search)(struct store *store, struct store_search *search); /* NULL: it never has to */
    void (*passages)(struct store *store, struct store_passages *passages);
};

/* A backend's own struct starts with this. */
struct store {
    const struct store_backend *backend;
};

extern const struct store_backend store_sqlite, store_postgres;

#endif
