#include "gateway/directory.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "gateway/last_known.h"
#include "proto/codec.h"

#define BUCKETS          1024
#define ENTRIES_MAX      8192
#define FETCH_TIMEOUT_MS 10000
/* With a last known config at hand nobody waits long for a store that does not answer, and it is
 * not asked again at every request. */
#define KNOWN_TIMEOUT_MS 300
#define RETRY_MS         1000

struct config {
    unsigned refs;
    struct arena arena;
    char *bytes; /* that the record points into */
    union {
        struct agent agent;
        struct portfolio portfolio;
    };
};

struct asker {
    STAILQ_ENTRY(asker) link;
    directory_cb *callback;
    void *context;
};

STAILQ_HEAD(askers, asker);

struct entry {
    LIST_ENTRY(entry) link;
    struct directory *directory;
    enum kind kind;
    uint64_t id;
    struct slice tenant;   /* owned */
    err_t error;           /* of the last fetch, while Redis is asked */
    struct config *config; /* NULL: nothing known */
    uint64_t fresh_until_ms;
    uint64_t version;          /* newest heard of */
    uint64_t embedder_version; /* in which a portfolio got another embedder, likewise */
    bool fetching;
    bool outdated; /* changed while it was fetched */
    struct askers askers;
};

LIST_HEAD(entries, entry);

struct directory {
    const struct settings *settings;
    struct lane_io *lanes;
    struct redis_link *redis;
    struct entries buckets[BUCKETS];
    size_t count;
};

/* --- configs --- */

const struct agent *config_agent(const struct config *config)
{
    return &config->agent;
}

const struct portfolio *config_portfolio(const struct config *config)
{
    return &config->portfolio;
}

static struct config *config_ref(struct config *config)
{
    config->refs++;
    return config;
}

void config_unref(struct config **config)
{
    struct config *old = *config;
    *config = NULL;
    if (!old || --old->refs) return;
    arena_free(&old->arena);
    free(old->bytes);
    free(old);
}

static err_t config_read(enum kind kind, struct slice result, struct config **config)
{
    struct config *read = xcalloc(1, sizeof(*read));
    read->refs = 1;
    read->bytes = xstrndup(result.ptr ? result.ptr : "", result.len);
    err_t error = record_decode(kind_info(kind)->result(), (struct slice){read->bytes, result.len},
                                &read->arena, &read->agent);
    if (error)
        config_unref(&read);
    else
        *config = read;
    return error;
}

static uint64_t config_version(enum kind kind, const struct config *config)
{
    return kind == KIND_AGENT_GET ? config->agent.version : config->portfolio.version;
}

/* --- entries --- */

static struct entries *bucket_of(const struct directory *directory, enum kind kind, uint64_t id)
{
    uint64_t hash = (id * 2 + (kind == KIND_AGENT_GET)) * UINT64_C(0x9E3779B97F4A7C15);
    return (struct entries *)&directory->buckets[hash >> 54];
}

/* The entries of one object: its owner's, and those of others who ask for it just now. */
static struct entry *entry_seek(struct entry *entry, enum kind kind, uint64_t id)
{
    while (entry && (entry->kind != kind || entry->id != id)) entry = LIST_NEXT(entry, link);
    return entry;
}

static struct entry *entry_first(const struct directory *directory, enum kind kind, uint64_t id)
{
    return entry_seek(LIST_FIRST(bucket_of(directory, kind, id)), kind, id);
}

static struct entry *entry_next(const struct entry *entry)
{
    return entry_seek(LIST_NEXT(entry, link), entry->kind, entry->id);
}

static struct entry *entry_find(const struct directory *directory, struct slice tenant,
                                enum kind kind, uint64_t id)
{
    struct entry *entry = entry_first(directory, kind, id);
    while (entry && !slice_equal(entry->tenant, tenant)) entry = entry_next(entry);
    return entry;
}

static void entry_free(struct entry *entry)
{
    LIST_REMOVE(entry, link);
    entry->directory->count--;
    config_unref(&entry->config);
    free((char *)entry->tenant.ptr);
    free(entry);
}

/* Makes room by dropping what nobody waits for; ids that do not exist must not fill the memory. */
static void make_room(struct directory *directory)
{
    for (size_t i = 0; i < BUCKETS && directory->count >= ENTRIES_MAX; i++) {
        struct entry *entry = LIST_FIRST(&directory->buckets[i]), *next;
        for (; entry; entry = next) {
            next = LIST_NEXT(entry, link);
            if (!entry->fetching) entry_free(entry);
        }
    }
}

static struct entry *entry_of(struct directory *directory, struct slice tenant, enum kind kind,
                              uint64_t id)
{
    struct entry *entry = entry_find(directory, tenant, kind, id);
    if (entry) return entry;
    make_room(directory);
    entry = xcalloc(1, sizeof(*entry));
    entry->directory = directory;
    entry->kind = kind;
    entry->id = id;
    entry->tenant = (struct slice){xstrndup(tenant.ptr, tenant.len), tenant.len};
    STAILQ_INIT(&entry->askers);
    LIST_INSERT_HEAD(bucket_of(directory, kind, id), entry, link);
    directory->count++;
    return entry;
}

static struct known_of known_of(const struct entry *entry)
{
    return (struct known_of){entry->kind, entry->id, entry->tenant};
}

static void count_lookup(const struct entry *entry, const char *result)
{
    metric_add(METRIC_DIRECTORY_LOOKUPS, 1, kind_info(entry->kind)->name, result);
}

/* --- fetching --- */

/* Each asker gets a reference of its own. The entry stays meanwhile: `fetching` is set. */
static void tell_askers(struct entry *entry, err_t error, struct config *config)
{
    struct askers askers;
    STAILQ_INIT(&askers);
    STAILQ_CONCAT(&askers, &entry->askers);
    while (!STAILQ_EMPTY(&askers)) {
        struct asker *asker = STAILQ_FIRST(&askers);
        STAILQ_REMOVE_HEAD(&askers, link);
        asker->callback(asker->context, error, error ? NULL : config_ref(config));
        free(asker);
    }
}

/* Takes the config. One that changed while it was on its way is told to those who asked before the
 * change, and asked for again by the next. */
static void entry_found(struct entry *entry, struct config *config)
{
    const struct settings *settings = entry->directory->settings;
    config_unref(&entry->config);
    entry->config = config;
    entry->version = MAX(entry->version, config_version(entry->kind, config));
    entry->fresh_until_ms = entry->outdated ? 0 : clock_ms() + settings->agent_config_ttl_ms;
    tell_askers(entry, OK, config);
}

static void entry_failed(struct entry *entry, err_t error)
{
    if (entry->config && error_category(error) != ERROR_CLIENT) {
        entry->fresh_until_ms = clock_ms() + RETRY_MS;
        count_lookup(entry, "stale");
        tell_askers(entry, OK, entry->config);
        return;
    }
    count_lookup(entry, "failed");
    tell_askers(entry, error, NULL);
}

static void entry_start(struct entry *entry);

/* For gateways that start while the store is away. */
static void entry_note(const struct entry *entry, err_t error, struct slice result)
{
    struct redis_link *redis = entry->directory->redis;
    const struct known_of of = known_of(entry);
    if (!error)
        last_known_keep(redis, &of, result);
    else if (error_category(error) == ERROR_CLIENT)
        last_known_forget(redis, &of);
}

static void entry_fetched(struct entry *entry, err_t error, struct slice result)
{
    struct config *config = NULL;
    entry->fetching = true; /* it must outlive what the askers do when told */
    if (!error) error = config_read(entry->kind, result, &config);
    entry_note(entry, error, result);
    if (error)
        entry_failed(entry, error);
    else
        entry_found(entry, config);
    entry->fetching = entry->outdated = false;
    if (!STAILQ_EMPTY(&entry->askers)) { /* asked while the others were told */
        entry_start(entry);
        return;
    }
    if (error && (!entry->config || error_category(error) == ERROR_CLIENT)) entry_free(entry);
}

/* What was changed meanwhile is not what was known. */
static void on_last_known(void *context, enum redis_outcome outcome, struct slice record)
{
    struct entry *entry = context;
    if (outcome == REDIS_HIT && !entry->outdated &&
        config_read(entry->kind, record, &entry->config) == OK)
        entry->version = MAX(entry->version, config_version(entry->kind, entry->config));
    entry_fetched(entry, entry->error, (struct slice){0});
}

/* Not fetched, through no fault of who asks. */
static void entry_ask_redis(struct entry *entry, err_t error)
{
    const struct known_of of = known_of(entry);
    entry->error = error;
    last_known_fetch(entry->directory->redis, &of, on_last_known, entry);
}

static void entry_answered(struct entry *entry, err_t error, struct slice result)
{
    if (error && !entry->config && error_category(error) != ERROR_CLIENT)
        entry_ask_redis(entry, error);
    else
        entry_fetched(entry, error, result);
}

static void on_end(void *context, const struct job_end *end)
{
    entry_answered(context, end->error, end->result);
}

static const struct job_handler fetch_handler = {.on_end = on_end};

static err_t entry_fetch(struct entry *entry)
{
    struct directory *directory = entry->directory;
    struct select select = {.tenant = entry->tenant, .id = entry->id};
    struct buffer frame = {0};
    uint64_t job;
    struct job_spec spec = {
        .kind = entry->kind,
        .body = body_new(),
        .timeout_ms = entry->config ? KNOWN_TIMEOUT_MS : FETCH_TIMEOUT_MS,
        .trace = "directory",
    };
    record_encode(select_type(), &select, &frame);
    body_set(spec.body, FRAME_REQUEST, buffer_slice(&frame));
    buffer_free(&frame);
    count_lookup(entry, "miss");
    return job_submit(directory->lanes, &spec, &fetch_handler, entry, &job);
}

static void entry_start(struct entry *entry)
{
    entry->fetching = true;
    err_t error = entry_fetch(entry);
    if (error) entry_answered(entry, error, (struct slice){0});
}

void directory_ask(struct directory *directory, struct slice tenant, enum kind kind, uint64_t id,
                   directory_cb *callback, void *context)
{
    struct entry *entry = entry_of(directory, tenant, kind, id);
    if (entry->config && clock_ms() < entry->fresh_until_ms) {
        count_lookup(entry, "hit");
        callback(context, OK, config_ref(entry->config));
        return;
    }
    struct asker *asker = xcalloc(1, sizeof(*asker));
    asker->callback = callback;
    asker->context = context;
    STAILQ_INSERT_TAIL(&entry->askers, asker, link);
    if (!entry->fetching) entry_start(entry);
}

/* --- changes --- */

uint64_t directory_version(const struct directory *directory, enum kind kind, uint64_t id)
{
    const struct entry *entry = entry_first(directory, kind, id);
    uint64_t newest = 0;
    for (; entry; entry = entry_next(entry)) newest = MAX(newest, entry->version);
    return newest;
}

static void entry_outdate(struct entry *entry)
{
    entry->fresh_until_ms = 0;
    entry->outdated = entry->fetching;
}

static void entry_changed(struct entry *entry, const struct version_of *version)
{
    bool embedder = slice_equal(version->kind, SLICE("embedder"));
    uint64_t *newest = embedder ? &entry->embedder_version : &entry->version;
    if (version->version <= *newest) return;
    *newest = version->version;
    if (embedder || entry->kind == KIND_AGENT_GET) entry_outdate(entry);
}

void directory_changed(struct directory *directory, const struct version_of *version)
{
    bool agent = slice_equal(version->kind, SLICE("agent"));
    enum kind kind = agent ? KIND_AGENT_GET : KIND_PORTFOLIO_GET;
    struct entry *entry = entry_first(directory, kind, version->id);
    for (; entry; entry = entry_next(entry)) entry_changed(entry, version);
}

void directory_forget(struct directory *directory, enum kind kind, uint64_t id)
{
    struct entry *entry = entry_first(directory, kind, id), *next;
    for (; entry; entry = next) {
        const struct known_of of = known_of(entry);
        next = entry_next(entry);
        last_known_forget(directory->redis, &of);
        entry_outdate(entry);
        if (!entry->fetching) entry_free(entry);
    }
}

struct directory *directory_new(const struct settings *settings, struct lane_io *lanes,
                                struct redis_link *redis)
{
    struct directory *directory = xcalloc(1, sizeof(*directory));
    directory->settings = settings;
    directory->lanes = lanes;
    directory->redis = redis;
    for (size_t i = 0; i < BUCKETS; i++) LIST_INIT(&directory->buckets[i]);
    return directory;
}

static void askers_free(struct askers *askers)
{
    while (!STAILQ_EMPTY(askers)) {
        struct asker *asker = STAILQ_FIRST(askers);
        STAILQ_REMOVE_HEAD(askers, link);
        free(asker);
    }
}

void directory_destroy(struct directory **directory)
{
    struct directory *old = *directory;
    if (!old) return;
    *directory = NULL;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (!LIST_EMPTY(&old->buckets[i])) {
            struct entry *entry = LIST_FIRST(&old->buckets[i]);
            askers_free(&entry->askers);
            entry_free(entry);
        }
    }
    free(old);
}
