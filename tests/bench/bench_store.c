/* What the store can do on this disk, with the floor beside it: the time of a bare write and fsync,
 * then turns recorded with 64 outstanding (group commit), with one outstanding, and HTML documents
 * ingested up to their committed chunks, four calls outstanding, alone and while turns are being
 * recorded.
 *
 *     bench_store [FOLDER]      FOLDER: where the file goes; default: a temporary one */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "proto/codec.h"
#include "tests/bench/samples.h"
#include "workers/retriever/store.h"

#define OUTSTANDING 64
#define TURNS       20000
#define SINGLE      1000
#define CHUNKS      4000 /* ingested, about */
#define FSYNCS      500

struct bench {
    struct event_base *base;
    struct store *store;
    const char *folder;
    size_t operations; /* begun so far: no id is used twice */
};

/* One call after another, each begun when the one before has come back. */
struct stream {
    struct bench *bench;
    struct store_call call;
    char op[32];
    uint64_t began_us;
    struct load *load;
};

struct load {
    struct bench *bench;
    enum kind kind;
    size_t begun, done, failed, count;
    uint64_t chunks;
    struct slice *requests; /* one each, or one for all */
    size_t request_count;
    struct samples times_us;
    struct stream streams[OUTSTANDING];
};

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* What is ingested: calls of so many documents, of so many sections, which are about as many
 * chunks.
 */
struct sets {
    const char *name;
    size_t documents, sections;
    bool chat; /* turns are recorded meanwhile */
};

static const struct sets all_sets[] = {
    {"HTML, calls of 1 document of 10 chunks", 1, 10, false},
    {"  the same beside turns", 1, 10, true},
    {"HTML, calls of 50 documents of 10 chunks", 50, 10, false},
    {"  the same beside turns", 50, 10, true},
    {"HTML, calls of 1 document of 500 chunks", 1, 500, false},
    {"  the same beside turns", 1, 500, true},
};

/* --- loads --- */

static void on_done(struct store_call *call);

static void begin(struct stream *stream)
{
    struct load *load = stream->load;
    if (load->begun == load->count) return;
    stream->call = (struct store_call){
        .kind = load->kind,
        .request = load->requests[load->begun++ % load->request_count],
        .done = on_done,
        .context = stream,
    };
    snprintf(stream->op, sizeof(stream->op), "bench-%zu", ++load->bench->operations);
    stream->call.op = slice_of(stream->op);
    stream->began_us = clock_us();
    store_call(load->bench->store, &stream->call);
}

static void count_chunks(struct load *load, const struct store_call *call)
{
    struct arena arena = {0};
    struct documents documents;
    if (!record_decode(documents_type(), buffer_slice(&call->result), &arena, &documents))
        for (size_t i = 0; i < documents.data.count; i++)
            load->chunks += ((struct document *)documents.data.items)[i].chunks;
    arena_free(&arena);
}

static void on_done(struct store_call *call)
{
    struct stream *stream = call->context;
    struct load *load = stream->load;
    samples_add(&load->times_us, clock_us() - stream->began_us);
    load->done++;
    load->failed += call->error != OK;
    if (!call->error && call->kind == KIND_DOCUMENT_PUT) count_chunks(load, call);
    store_call_free(call);
    begin(stream);
}

static void load_begin(struct load *load, size_t outstanding)
{
    for (size_t i = 0; i < outstanding; i++) {
        load->streams[i] = (struct stream){.load = load};
        begin(&load->streams[i]);
    }
}

static void load_wait(struct load *load)
{
    while (load->done < load->count) event_base_loop(load->bench->base, EVLOOP_ONCE);
}

static void load_print(const char *name, struct load *load, double amount, const char *unit,
                       double seconds, double cpu)
{
    printf("%-44s %9.0f %s/s   p50 %6.2f ms   p99 %6.2f ms   cpu %5.1f us each   failed %zu\n",
           name, amount / seconds, unit, (double)samples_quantile(&load->times_us, 0.5) / 1e3,
           (double)samples_quantile(&load->times_us, 0.99) / 1e3, cpu / amount * 1e6, load->failed);
}

/* --- what is stored --- */

static struct slice encoded(const struct record_type *type, const void *record)
{
    struct buffer out = {0};
    record_encode(type, record, &out);
    return buffer_slice(&out);
}

static struct slice turn_request(void)
{
    char answer[600];
    struct citation citations[3];
    memset(answer, 'a', sizeof(answer));
    for (size_t i = 0; i < ARRAY_LEN(citations); i++)
        citations[i] = (struct citation){.n = i + 1,
                                         .document_id = 7,
                                         .title = SLICE("A document's title"),
                                         .heading = SLICE("Install > Linux"),
                                         .chunk_id = 1000 + i,
                                         .end = 900,
                                         .score = 0.5};
    struct turn turn = {.agent_id = 1,
                        .portfolio_id = 1,
                        .question = SLICE("How is the wheel of a mill set in motion?"),
                        .answer = {answer, sizeof(answer)},
                        .language = SLICE("en"),
                        .complexity = SLICE("medium"),
                        .status = SLICE("completed"),
                        .finish_reason = SLICE("stop"),
                        .citations = {citations, ARRAY_LEN(citations)},
                        .timings_ms = SLICE("{\"embed\":1,\"retrieve\":1,\"generate\":4}")};
    return encoded(turn_type(), &turn);
}

static void append_section(struct buffer *html, size_t document, size_t section)
{
    static const char *const words[] = {"water", "wheel", "stone", "grain",   "channel", "gate",
                                        "flour", "shaft", "gear",  "bearing", "power",   "river"};
    buffer_printf(html, "<h2>Part %zu of %zu</h2>\n<p>", section, document);
    for (size_t i = 0, seed = document * 31 + section; i < 150; i++)
        buffer_printf(html, "%s%s", words[(seed = seed * 1103515245 + 12345) / 65536 % 12],
                      i % 12 == 11 ? ". " : " ");
    buffer_append_text(html, "</p>\n");
}

static struct document made_document(struct arena *arena, size_t n, size_t sections)
{
    struct buffer html = {0};
    buffer_printf(&html, "<html><head><title>Document %zu</title></head><body>\n", n);
    for (size_t i = 0; i < sections; i++) append_section(&html, n, i);
    buffer_append_text(&html, "</body></html>\n");
    struct document document = {.content = arena_slice(arena, buffer_slice(&html)),
                                .format = SLICE("html"),
                                .source = slice_of(arena_printf(arena, "bench/%zu.html", n))};
    buffer_free(&html);
    return document;
}

/* A call with the documents from `first` on. */
static struct slice documents_request(const struct sets *sets, size_t first)
{
    struct arena arena = {0};
    struct document *documents = arena_alloc(&arena, sets->documents * sizeof(*documents));
    for (size_t i = 0; i < sets->documents; i++)
        documents[i] = made_document(&arena, first + i, sets->sections);
    struct put_documents put = {.portfolio_id = 1, .documents = {documents, sets->documents}};
    struct slice request = encoded(put_documents_type(), &put);
    arena_free(&arena);
    return request;
}

/* --- the measurements --- */

static void measure_fsync(const struct bench *bench)
{
    struct samples times = {0};
    char path[256], page[4096] = {0};
    snprintf(path, sizeof(path), "%s/floor", bench->folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    for (int i = 0; i < FSYNCS; i++) {
        uint64_t began_us = clock_us();
        if (write(fd, page, sizeof(page)) < 0 || fdatasync(fd)) break;
        samples_add(&times, clock_us() - began_us);
    }
    close(fd);
    unlink(path);
    printf("%-44s p50 %.3f ms   p99 %.3f ms\n", "floor: write 4 KiB and fdatasync",
           (double)samples_quantile(&times, 0.5) / 1e3,
           (double)samples_quantile(&times, 0.99) / 1e3);
    samples_free(&times);
}

static void measure_turns(struct bench *bench, const char *name, size_t count, size_t outstanding)
{
    struct slice request = turn_request();
    struct load load = {.bench = bench,
                        .kind = KIND_RECORD,
                        .count = count,
                        .requests = &request,
                        .request_count = 1};
    double cpu = cpu_seconds();
    uint64_t began_us = clock_us();
    load_begin(&load, outstanding);
    load_wait(&load);
    load_print(name, &load, (double)count, "turns", (double)(clock_us() - began_us) / 1e6,
               cpu_seconds() - cpu);
    samples_free(&load.times_us);
    free((char *)request.ptr);
}

static uint64_t make_portfolio(struct bench *bench)
{
    struct put_portfolio put = {.portfolio = {.name = SLICE("bench")}};
    struct slice request = encoded(put_portfolio_type(), &put);
    struct load load = {.bench = bench,
                        .kind = KIND_PORTFOLIO_CREATE,
                        .count = 1,
                        .requests = &request,
                        .request_count = 1};
    load_begin(&load, 1);
    load_wait(&load);
    samples_free(&load.times_us);
    free((char *)request.ptr);
    return 1;
}

static void measure_ingestion(struct bench *bench, const struct sets *sets, size_t first)
{
    size_t count = CHUNKS / (sets->documents * sets->sections);
    struct slice *requests = xcalloc(count, sizeof(*requests)), turn = turn_request();
    for (size_t i = 0; i < count; i++)
        requests[i] = documents_request(sets, first + i * sets->documents);
    bool chat = sets->chat;
    struct load load = {.bench = bench,
                        .kind = KIND_DOCUMENT_PUT,
                        .count = count,
                        .requests = requests,
                        .request_count = count};
    struct load turns = {.bench = bench,
                         .kind = KIND_RECORD,
                         .count = chat ? SIZE_MAX : 0,
                         .requests = &turn,
                         .request_count = 1};
    double cpu = cpu_seconds();
    uint64_t began_us = clock_us();
    load_begin(&load, 4);
    load_begin(&turns, chat ? 1 : 0);
    load_wait(&load);
    load_print(sets->name, &load, (double)load.chunks, "chunks",
               (double)(clock_us() - began_us) / 1e6, cpu_seconds() - cpu);
    turns.count = turns.begun;
    load_wait(&turns);
    if (chat)
        printf("%-44s p50 %.2f ms   p99 %.2f ms   (%zu turns)\n", "  a turn recorded meanwhile",
               (double)samples_quantile(&turns.times_us, 0.5) / 1e3,
               (double)samples_quantile(&turns.times_us, 0.99) / 1e3, turns.done);
    for (size_t i = 0; i < count; i++) free((char *)requests[i].ptr);
    free(requests);
    free((char *)turn.ptr);
    samples_free(&load.times_us);
    samples_free(&turns.times_us);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info, (void)type, (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    char folder[256] = "/tmp/millrace-bench-XXXXXX", url[300];
    struct bench bench = {.base = event_base_new(), .folder = folder};
    log_open("bench_store", "warn");
    if (argc > 1) snprintf(folder, sizeof(folder), "%s/millrace-bench-XXXXXX", argv[1]);
    if (!mkdtemp(folder)) return 1;
    const char *server = getenv("MILLRACE_TEST_STORE");
    snprintf(url, sizeof(url), "sqlite:%s/store.db", folder);
    struct store_options options = {.url = server ? server : url,
                                    .embedder = "hashing",
                                    .history_messages_max = 20,
                                    .document_bytes_max = 1 << 24,
                                    .connections_max = 6};
    if (store_open(bench.base, &options, &bench.store)) return 1;
    make_portfolio(&bench);
    measure_fsync(&bench);
    measure_turns(&bench, "turns, 64 outstanding", TURNS, OUTSTANDING);
    measure_turns(&bench, "turns, 1 outstanding", SINGLE, 1);
    for (size_t i = 0; i < ARRAY_LEN(all_sets); i++)
        measure_ingestion(&bench, &all_sets[i], 1 + i * CHUNKS);
    measure_fsync(&bench);
    store_close(&bench.store);
    event_base_free(bench.base);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
