#include "gateway/last_known.h"

#include "common/buffer.h"

#define TTL_S (7 * 24 * 3600)

/* "millrace:known:agent.get:7:default"; the tenant, which may have any letter, is last. */
static void write_key(const struct known_of *of, struct buffer *key)
{
    buffer_printf(key, "millrace:known:%s:%ju:", kind_info(of->kind)->name, (uintmax_t)of->id);
    buffer_append_slice(key, of->tenant);
}

void last_known_keep(struct redis_link *redis, const struct known_of *of, struct slice record)
{
    struct buffer key = {0};
    write_key(of, &key);
    redis_set(redis, buffer_slice(&key), record, TTL_S);
    buffer_free(&key);
}

void last_known_fetch(struct redis_link *redis, const struct known_of *of, redis_cb *callback,
                      void *context)
{
    struct buffer key = {0};
    write_key(of, &key);
    redis_get(redis, buffer_slice(&key), callback, context);
    buffer_free(&key);
}

void last_known_forget(struct redis_link *redis, const struct known_of *of)
{
    struct buffer key = {0};
    write_key(of, &key);
    redis_delete(redis, buffer_slice(&key));
    buffer_free(&key);
}
