#include "gateway/flags.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/json_record.h"

#define FLAGS_KEY       "millrace:flags"
#define FLAGS_CHANNEL   "millrace:flags"
#define FLAGS_BYTES_MAX 4096
#define LOOK_S          5 /* between two looks at Redis, for messages that were lost */

struct flags_store {
    const struct settings *settings;
    struct redis_link *redis;
    struct event *look;
    struct flags now;
};

/* --- as text --- */

static void flags_print(const struct flags *flags, struct buffer *out)
{
    record_to_json(flags_type(), flags, out);
}

static const struct flags all_on = {
    .streaming = true, .cache = true, .semantic_cache = true, .dynamic_context = true};

/* What is no set of switches is none; a switch that it does not know is on. */
static bool flags_parse(struct slice text, struct flags *flags)
{
    struct arena arena = {0};
    struct json_problem problem;
    struct flags said = {0};
    json_t *value;
    if (text.len > FLAGS_BYTES_MAX || json_read(text, &value, &problem)) return false;
    err_t error = record_from_json(flags_type(), value, &arena, &said, &problem);
    json_decref(value);
    arena_free(&arena);
    if (error || !said.changed_at) return false;
    *flags = all_on;
    record_merge(flags_type(), flags, &said);
    return true;
}

/* --- the file --- */

static bool file_write(const char *path, struct slice text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return false;
    bool written = write(fd, text.ptr, text.len) == (ssize_t)text.len && !fsync(fd);
    return !close(fd) && written;
}

/* Whole or not at all: written beside, then renamed. */
static void file_save(const struct flags_store *flags, struct slice text)
{
    char beside[4096];
    const char *path = flags->settings->flags_file;
    int len = snprintf(beside, sizeof(beside), "%s.%d", path, (int)getpid());
    if (!*path || len >= (int)sizeof(beside)) return;
    if (!file_write(beside, text) || rename(beside, path))
        log_warn("flags not saved: FLAGS_FILE=%s: %m", path);
}

static void file_load(const struct flags_store *flags, struct flags *kept)
{
    char text[FLAGS_BYTES_MAX];
    const char *path = flags->settings->flags_file;
    int fd = *path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    ssize_t len = read(fd, text, sizeof(text));
    close(fd);
    if (len <= 0 || !flags_parse((struct slice){text, (size_t)len}, kept))
        log_warn("FLAGS_FILE=%s holds no flags and is not used", path);
}

/* --- in force --- */

static void flags_tell(const struct flags *flags, const char *by)
{
    struct buffer text = {0};
    flags_print(flags, &text);
    log_info("flags by=%s now=%.*s", by, (int)text.len, text.data);
    buffer_free(&text);
}

static void flags_save(const struct flags_store *flags)
{
    struct buffer text = {0};
    flags_print(&flags->now, &text);
    file_save(flags, buffer_slice(&text));
    buffer_free(&text);
}

static void flags_send(const struct flags_store *flags)
{
    struct buffer text = {0};
    flags_print(&flags->now, &text);
    redis_set(flags->redis, SLICE(FLAGS_KEY), buffer_slice(&text), 0);
    redis_publish(flags->redis, FLAGS_CHANNEL, buffer_slice(&text));
    buffer_free(&text);
}

/* What somebody else says, if it is newer. */
static void flags_adopt(struct flags_store *flags, struct slice text)
{
    struct flags said = {0};
    if (!flags_parse(text, &said) || said.changed_at <= flags->now.changed_at) return;
    flags->now = said;
    flags_save(flags);
    flags_tell(&flags->now, "redis");
}

/* --- Redis --- */

static void on_value(void *context, enum redis_outcome outcome, struct slice value)
{
    struct flags_store *flags = context;
    struct flags said = {0};
    if (outcome == REDIS_AWAY) return;
    if (outcome == REDIS_HIT) flags_adopt(flags, value);
    bool older = !flags_parse(value, &said) || said.changed_at < flags->now.changed_at;
    if (older && flags->now.changed_at) flags_send(flags);
}

static void look_at_redis(struct flags_store *flags)
{
    redis_get(flags->redis, SLICE(FLAGS_KEY), on_value, flags);
}

static void on_message(void *context, struct slice message)
{
    if (message.len)
        flags_adopt(context, message);
    else
        look_at_redis(context);
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    look_at_redis(context);
}

/* --- what others call --- */

const struct flags *flags_now(const struct flags_store *flags)
{
    return &flags->now;
}

void flags_change(struct flags_store *flags, const struct flags *change, const char *by)
{
    uint64_t after = flags->now.changed_at + 1;
    record_merge(flags_type(), &flags->now, change);
    flags->now.changed_at = MAX((uint64_t)clock_wall_ms(), after);
    flags_tell(&flags->now, by);
    flags_save(flags);
    flags_send(flags);
}

struct flags_store *flags_new(struct event_base *base, const struct settings *settings,
                              struct redis_link *redis)
{
    const struct timeval interval = {.tv_sec = LOOK_S};
    struct flags_store *flags = xcalloc(1, sizeof(*flags));
    flags->settings = settings;
    flags->redis = redis;
    flags->now = all_on;
    file_load(flags, &flags->now);
    redis_subscribe(redis, FLAGS_CHANNEL, on_message, flags);
    flags->look = event_new(base, -1, EV_PERSIST, on_look, flags);
    event_add(flags->look, &interval);
    return flags;
}

void flags_destroy(struct flags_store **at)
{
    struct flags_store *flags = *at;
    *at = NULL;
    if (!flags) return;
    event_free(flags->look);
    free(flags);
}
