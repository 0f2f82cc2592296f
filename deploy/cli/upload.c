#include "deploy/cli/upload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/settings.h"
#include "deploy/cli/cli.h"
#include "deploy/cli/content.h"

#define TRANSFERS        8
#define TRANSFER_BYTES   (32 * MIB) /* on the way at once, unless one file alone is larger */
#define TRIES            6
#define RETRY_MS         250
#define AWAIT_MS         100
#define AWAIT_MAX_MS     1000
#define AWAIT_GIVE_UP_MS 120000
#define PAGE             1000

struct transfer {
    const struct file *file; /* NULL: free */
    char *body;
    size_t body_len;
    struct buffer received;
    CURL *easy; /* NULL: waits for `again_ms` */
    unsigned tries;
    uint64_t again_ms;
};

struct uploads {
    struct client *client;
    CURLM *multi;
    const struct file_list *files;
    size_t next;
    char path[64];
    struct transfer transfers[TRANSFERS];
    size_t busy;
    uint64_t bytes_busy, bytes_done;
    struct tally *tally;
};

static void transfer_send(struct uploads *u, struct transfer *t)
{
    t->received.len = 0;
    t->tries++;
    t->easy = client_post(u->client, u->path, (struct slice){t->body, t->body_len});
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, client_collect);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, &t->received);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_multi_add_handle(u->multi, t->easy);
}

static void transfer_end(struct uploads *u, struct transfer *t)
{
    u->busy--;
    u->bytes_busy -= t->file->bytes;
    u->bytes_done += t->file->bytes;
    free(t->body);
    buffer_free(&t->received);
    *t = (struct transfer){0};
}

static char *document_json(const struct file *file, struct slice text)
{
    json_t *document = json_pack("{s:s, s:s, s:s%}", "source", file->source, "format",
                                 content_format(file->path), "content", text.ptr, text.len);
    char *json = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    return json;
}

/* Starts a file on its way, or notes why it has none to go. */
static void upload_start(struct uploads *u, const struct file *file, struct transfer *t)
{
    struct buffer text = {0};
    char clash[512];
    bool failed = true;
    const char *why = NULL;
    if (file->clash) {
        snprintf(clash, sizeof(clash),
                 "its source \"%s\" is that of %s too: load the folder above both", file->source,
                 file->clash);
        why = clash;
    } else {
        why = content_read(file->path, &text, &failed);
    }
    char *body = why ? NULL : document_json(file, buffer_slice(&text));
    buffer_free(&text);
    if (!why && !body) {
        why = "its name is not valid UTF-8";
        failed = true;
    }
    if (why) {
        tally_trouble(failed ? &u->tally->failed : &u->tally->skipped, file, why);
        u->bytes_done += file->bytes;
        return;
    }
    *t = (struct transfer){.file = file, .body = body, .body_len = strlen(body)};
    u->busy++;
    u->bytes_busy += file->bytes;
    transfer_send(u, t);
}

static void upload_fill(struct uploads *u)
{
    for (size_t i = 0; i < TRANSFERS; i++) {
        struct transfer *t = &u->transfers[i];
        if (t->file && !t->easy && clock_ms() >= t->again_ms) transfer_send(u, t);
        while (!t->file && u->next < u->files->count) {
            const struct file *file = &u->files->items[u->next];
            if (u->busy && u->bytes_busy + file->bytes > TRANSFER_BYTES) return;
            u->next++;
            upload_start(u, file, t);
        }
    }
}

/* The server has the document. */
static void note_stored(struct uploads *u, const struct file *file, const json_t *document)
{
    const char *status = json_string_value(json_object_get(document, "status"));
    const char *error = json_string_value(json_object_get(document, "error"));
    if (json_is_true(json_object_get(document, "unchanged"))) {
        u->tally->unchanged++;
    } else if (status && !strcmp(status, "failed")) {
        tally_trouble(&u->tally->failed, file, error ? error : "failed");
        return;
    } else {
        u->tally->stored++;
        u->tally->chunks += (uint64_t)json_integer_value(json_object_get(document, "chunks"));
    }
    if (status && !strcmp(status, "indexing"))
        tally_wait(u->tally, (uint64_t)json_integer_value(json_object_get(document, "id")), file);
}

static void upload_finish(struct uploads *u, struct transfer *t, CURLcode outcome)
{
    struct reply reply;
    bool good = client_reply(u->client, t->easy, outcome, buffer_slice(&t->received), &reply);
    curl_multi_remove_handle(u->multi, t->easy);
    curl_easy_cleanup(t->easy);
    t->easy = NULL;
    if (!good && reply.retryable && t->tries < TRIES) {
        uint64_t pause = reply.retry_after_s > 0 ? (uint64_t)reply.retry_after_s * 1000
                                                 : (uint64_t)RETRY_MS << t->tries;
        t->again_ms = clock_ms() + pause;
        return;
    }
    if (good)
        note_stored(u, t->file, reply.json);
    else
        tally_trouble(&u->tally->failed, t->file, reply.error);
    reply_free(&reply);
    transfer_end(u, t);
}

static void upload_turn(struct uploads *u)
{
    int running, left;
    curl_multi_perform(u->multi, &running);
    for (CURLMsg *message; (message = curl_multi_info_read(u->multi, &left));) {
        struct transfer *t = NULL;
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode outcome = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        upload_finish(u, t, outcome);
    }
}

void upload_files(struct client *client, uint64_t portfolio, const struct file_list *files,
                  struct tally *tally, struct progress *progress)
{
    struct uploads u = {.client = client, .files = files, .tally = tally};
    snprintf(u.path, sizeof(u.path), "/api/portfolios/%" PRIu64 "/documents", portfolio);
    u.multi = curl_multi_init();
    upload_fill(&u);
    while (u.busy || u.next < files->count) {
        upload_turn(&u);
        upload_fill(&u);
        progress_show(progress, tally_done(tally), u.bytes_done);
        if (u.busy) curl_multi_poll(u.multi, NULL, 0, 50, NULL);
    }
    curl_multi_cleanup(u.multi);
    progress_end(progress, tally_done(tally), u.bytes_done);
}

/* --- waiting for the vectors --- */

static int by_id(const void *a, const void *b)
{
    const struct waiting *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

/* What a page of documents tells about those that are waited for, both in the order of ids. Returns
 * how many of `waiting` lie on the page; the ones still to wait for go to kept[*kept_count]. One
 * that is not there any more has been deleted or replaced, and is waited for no longer. */
static size_t sift_page(struct tally *tally, const struct waiting *waiting, size_t count,
                        const json_t *page, bool last, struct waiting *kept, size_t *kept_count)
{
    size_t taken = 0;
    size_t index;
    const json_t *document;
    json_array_foreach(page, index, document)
    {
        uint64_t id = (uint64_t)json_integer_value(json_object_get(document, "id"));
        const char *status = json_string_value(json_object_get(document, "status"));
        const char *error = json_string_value(json_object_get(document, "error"));
        while (taken < count && waiting[taken].id < id) taken++;
        if (taken == count || waiting[taken].id != id) continue;
        if (status && !strcmp(status, "indexing")) kept[(*kept_count)++] = waiting[taken];
        if (status && !strcmp(status, "failed")) {
            tally->stored--;
            tally_trouble(&tally->failed, waiting[taken].file, error ? error : "failed");
        }
        taken++;
    }
    return last ? count : taken;
}

/* One look at all that are waited for. */
static bool await_once(struct client *client, uint64_t portfolio, struct tally *tally)
{
    size_t at = 0, kept = 0;
    while (at < tally->waiting_count) {
        char path[128];
        struct reply reply;
        snprintf(path, sizeof(path),
                 "/api/portfolios/%" PRIu64 "/documents?limit=%d&after=%" PRIu64, portfolio, PAGE,
                 tally->waiting[at].id - 1);
        if (!client_call(client, "GET", path, NULL, &reply)) {
            complain("cannot see how far the documents are: %s", reply.error);
            return false;
        }
        const json_t *page = json_object_get(reply.json, "data");
        bool last = !json_is_integer(json_object_get(reply.json, "next")) || !json_array_size(page);
        at += sift_page(tally, tally->waiting + at, tally->waiting_count - at, page, last,
                        tally->waiting, &kept);
        reply_free(&reply);
    }
    tally->waiting_count = kept;
    return true;
}

bool upload_await(struct client *client, uint64_t portfolio, struct tally *tally,
                  struct progress *progress)
{
    size_t total = tally->waiting_count, left = total;
    uint64_t pause = AWAIT_MS, moved_ms = clock_ms();
    if (total) qsort(tally->waiting, total, sizeof(*tally->waiting), by_id);
    while (tally->waiting_count) {
        if (!await_once(client, portfolio, tally)) return false;
        if (tally->waiting_count != left) moved_ms = clock_ms();
        left = tally->waiting_count;
        if (clock_ms() - moved_ms > AWAIT_GIVE_UP_MS) {
            complain("%zu documents still wait for vectors, and none came in %d s: is an embedder "
                     "running? They can be found by their words meanwhile",
                     left, AWAIT_GIVE_UP_MS / 1000);
            return false;
        }
        progress_show(progress, total - tally->waiting_count, 0);
        if (tally->waiting_count) usleep((useconds_t)pause * 1000);
        pause = MIN(pause * 3 / 2, (uint64_t)AWAIT_MAX_MS);
    }
    if (total) progress_end(progress, total, 0);
    return true;
}
