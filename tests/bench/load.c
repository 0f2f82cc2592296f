/* A load of questions on one gateway at 127.0.0.1, from one thread, each answer checked to be
 * whole.
 *
 *     bench_load closed --port 8000 --clients 64 --seconds 10 --questions FILE
 *     bench_load paced  --port 8000 --clients 64 --rate 100 --seconds 10 --questions FILE
 *     bench_load open   --port 8000 --clients 2000 --seconds 10 --questions FILE
 *
 *   closed   every client asks its next question as soon as it has its answer: throughput, and
 *            with one client the time of an undisturbed answer
 *   paced    questions are due at a steady rate whatever the answers do; a time counts from when
 *            its question was due, so that a stall is seen by everyone it would have kept waiting
 *   open     every client asks once and keeps its stream; `open N` is printed once N have a token
 *
 * With --model the questions are chat completions as OpenAI's clients send them, to that model.
 * With --length the answers' text must be scripted_text(--seed) of that many characters, to the
 * byte: no token is missing, doubled or out of order.
 *
 * The last line printed is JSON; times are in microseconds. Status 1 when any answer was not whole.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/bench/load_client.h"
#include "tests/bench/samples.h"
#include "tests/support/scripted_text.h"

#define SECOND_NS    UINT64_C(1000000000)
#define GRACE_NS     (5 * SECOND_NS) /* for answers still out when the time is over */
#define EVENTS_MAX   256
#define OPENING_MAX  64 /* streams that wait for their first token at once */
#define QUESTION_MAX 8192

struct options {
    uint64_t port, clients, seconds, count, rate, skip, portfolio, seed, length;
    const char *path, *questions, *get, *model;
    const char *header; /* one more line of the request */
    bool forget;        /* "store": false */
    bool stream;        /* of a chat completion */
};

struct load {
    struct options options;
    int epoll;
    struct client *clients;
    struct buffer requests; /* one after the other */
    size_t *ends;           /* where each ends */
    size_t request_count, requests_capacity;
    size_t asked, busy;
    uint64_t start_ns, stop_ns;       /* no question is asked after */
    struct samples first, total, gap; /* gap: between two tokens of a stream */
    struct buffer text;               /* that the answers must have */
    size_t whole, tokens, recorded, cached, opened, errors;
    const char *first_error;
};

/* --- the questions --- */

static void append_json(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') buffer_append_char(out, '\\');
        buffer_append_char(out, *text);
    }
}

static void write_body(const struct options *options, const char *question, struct buffer *body)
{
    buffer_append_text(body, "{\"message\":\"");
    append_json(body, question);
    buffer_append_char(body, '"');
    if (options->portfolio) buffer_printf(body, ",\"portfolio_id\":%lu", options->portfolio);
    if (options->forget) buffer_append_text(body, ",\"store\":false");
    buffer_append_char(body, '}');
}

static void write_completion(const struct options *options, const char *question,
                             struct buffer *body)
{
    buffer_append_text(body, "{\"model\":\"");
    append_json(body, options->model);
    buffer_append_text(body, "\",\"messages\":[{\"role\":\"user\",\"content\":\"");
    append_json(body, question);
    buffer_append_text(body, "\"}]");
    if (options->stream) buffer_append_text(body, ",\"stream\":true");
    buffer_append_char(body, '}');
}

static void load_add_request(struct load *load, const char *question)
{
    const struct options *options = &load->options;
    struct buffer body = {0};
    if (!options->get) (options->model ? write_completion : write_body)(options, question, &body);
    buffer_printf(&load->requests, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n",
                  options->get ? "GET" : "POST", options->get ? options->get : options->path);
    if (!options->get)
        buffer_printf(&load->requests, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                      body.len);
    if (options->header) buffer_printf(&load->requests, "%s\r\n", options->header);
    buffer_append_text(&load->requests, "\r\n");
    buffer_append_slice(&load->requests, buffer_slice(&body));
    buffer_free(&body);
    load->ends =
        xgrow(load->ends, &load->requests_capacity, load->request_count + 1, sizeof(size_t));
    load->ends[load->request_count++] = load->requests.len;
}

static bool load_read_questions(struct load *load)
{
    char line[QUESTION_MAX];
    if (load->options.get) {
        load_add_request(load, "");
        return true;
    }
    FILE *file = load->options.questions ? fopen(load->options.questions, "r") : stdin;
    if (!file) return false;
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (*line) load_add_request(load, line);
    }
    fclose(file);
    return load->request_count > 0;
}

static struct slice load_request(const struct load *load, size_t number)
{
    size_t i = (number + load->options.skip) % load->request_count;
    size_t start = i ? load->ends[i - 1] : 0;
    return (struct slice){load->requests.data + start, load->ends[i] - start};
}

/* --- asking and hearing --- */

static void load_fail(struct load *load, const char *why)
{
    if (!load->errors++) load->first_error = why;
}

static void load_ask(struct load *load, struct client *client, uint64_t due_ns)
{
    struct slice request = load_request(load, load->asked++);
    if (client_ask(client, (int)load->options.port, request, due_ns))
        load->busy++;
    else
        load_fail(load, "not connected");
}

static void load_count(struct load *load, const struct client *client)
{
    const struct answer *answer = &client->answer;
    uint64_t now = clock_ns();
    samples_add(&load->total, now - client->due_ns);
    if (client->first_ns) samples_add(&load->first, client->first_ns - client->due_ns);
    load->whole++;
    load->tokens += answer->tokens;
    load->recorded += answer->recorded;
    load->cached += answer->cached;
}

static void load_hear(struct load *load, struct client *client)
{
    uint64_t before_ns = client->last_ns;
    size_t tokens = client->answer.tokens;
    bool over = client_read(client);
    if (!before_ns && client->first_ns) load->opened++;
    if (before_ns && client->answer.tokens > tokens)
        samples_add(&load->gap, client->last_ns - before_ns);
    if (!over) return;
    load->busy--;
    const char *fault = answer_fault(&client->answer, load->options.get);
    if (fault)
        load_fail(load, fault);
    else
        load_count(load, client);
}

static void load_wait(struct load *load, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now = clock_ns(), ns = until_ns > now ? until_ns - now : 0;
    struct timespec timeout = {(time_t)(ns / SECOND_NS), (long)(ns % SECOND_NS)};
    int count = epoll_pwait2(load->epoll, events, EVENTS_MAX, &timeout, NULL);
    for (int i = 0; i < count; i++) load_hear(load, events[i].data.ptr);
}

static bool load_may_ask(const struct load *load)
{
    return (!load->options.count || load->asked < load->options.count) &&
           clock_ns() < load->stop_ns;
}

/* What is still out at the end gets a grace, then it is an error. */
static void load_drain(struct load *load)
{
    uint64_t until = clock_ns() + GRACE_NS;
    while (load->busy && clock_ns() < until) load_wait(load, until);
    for (; load->busy; load->busy--) load_fail(load, "no answer in time");
}

/* --- the modes --- */

static void run_closed(struct load *load)
{
    while (load_may_ask(load)) {
        for (size_t i = 0; i < load->options.clients && load_may_ask(load); i++)
            if (!load->clients[i].busy) load_ask(load, &load->clients[i], clock_ns());
        load_wait(load, load->stop_ns);
    }
    load_drain(load);
}

static struct client *load_idle(struct load *load)
{
    for (size_t i = 0; i < load->options.clients; i++)
        if (!load->clients[i].busy) return &load->clients[i];
    return NULL;
}

static void run_paced(struct load *load)
{
    uint64_t due = load->start_ns, step = SECOND_NS / load->options.rate;
    while (load_may_ask(load)) {
        struct client *client;
        while (due <= clock_ns() && (client = load_idle(load))) {
            load_ask(load, client, due);
            due += step;
        }
        load_wait(load, due > clock_ns() ? due : load->stop_ns);
    }
    load_drain(load);
}

static void run_open(struct load *load)
{
    size_t clients = load->options.clients;
    while (load->opened < clients && !load->errors && clock_ns() < load->stop_ns) {
        while (load->asked < clients && load->asked < load->opened + OPENING_MAX)
            load_ask(load, &load->clients[load->asked], clock_ns());
        load_wait(load, load->stop_ns);
    }
    printf("open %zu\n", load->opened);
    fflush(stdout);
    while (clock_ns() < load->stop_ns) load_wait(load, load->stop_ns);
    if (load->busy < clients) load_fail(load, "a stream ended early");
}

static const struct mode {
    const char *name;
    void (*run)(struct load *load);
} modes[] = {{"closed", run_closed}, {"paced", run_paced}, {"open", run_open}};

/* --- the program --- */

enum option_type { OPTION_NUMBER = 1, OPTION_TEXT, OPTION_FLAG };

#define AT(member) offsetof(struct options, member)
static const struct {
    const char *name;
    enum option_type type;
    size_t offset;
} option_table[] = {
    {"port", OPTION_NUMBER, AT(port)},           {"clients", OPTION_NUMBER, AT(clients)},
    {"seconds", OPTION_NUMBER, AT(seconds)},     {"count", OPTION_NUMBER, AT(count)},
    {"rate", OPTION_NUMBER, AT(rate)},           {"skip", OPTION_NUMBER, AT(skip)},
    {"portfolio", OPTION_NUMBER, AT(portfolio)}, {"path", OPTION_TEXT, AT(path)},
    {"questions", OPTION_TEXT, AT(questions)},   {"get", OPTION_TEXT, AT(get)},
    {"forget", OPTION_FLAG, AT(forget)},         {"model", OPTION_TEXT, AT(model)},
    {"stream", OPTION_FLAG, AT(stream)},         {"header", OPTION_TEXT, AT(header)},
    {"seed", OPTION_NUMBER, AT(seed)},           {"length", OPTION_NUMBER, AT(length)},
};

static void usage(void)
{
    fprintf(stderr,
            "usage: bench_load closed|paced|open --port N [--clients N] [--seconds N] [--count N]\n"
            "    [--rate N] [--path PATH] [--questions FILE] [--skip N] [--portfolio N]\n"
            "    [--forget] (answers are not recorded) [--get PATH] (any 200 will do)\n"
            "    [--model NAME [--stream]] (chat completions) [--header LINE]\n"
            "    [--seed N --length N] (the text must be this)\n");
    exit(2);
}

static void option_set(struct options *options, const char *name, const char *value)
{
    for (size_t i = 0; i < ARRAY_LEN(option_table); i++) {
        void *at = (char *)options + option_table[i].offset;
        if (strcmp(option_table[i].name, name)) continue;
        switch (option_table[i].type) {
        case OPTION_NUMBER: *(uint64_t *)at = strtoull(value, NULL, 10); return;
        case OPTION_TEXT: *(const char **)at = value; return;
        case OPTION_FLAG: *(bool *)at = true; return;
        }
    }
}

static void options_read(struct options *options, int argc, char **argv)
{
    struct option known[ARRAY_LEN(option_table) + 1] = {0};
    int index, letter;
    for (size_t i = 0; i < ARRAY_LEN(option_table); i++)
        known[i] = (struct option){
            option_table[i].name,
            option_table[i].type == OPTION_FLAG ? no_argument : required_argument, NULL, 0};
    while ((letter = getopt_long(argc, argv, "", known, &index)) != -1) {
        if (letter) usage();
        option_set(options, known[index].name, optarg);
    }
    if (!options->port || !options->clients || !options->rate || !options->seconds) usage();
}

static void print_quantiles(const char *name, struct samples *samples)
{
    static const struct {
        const char *name;
        double share;
    } quantiles[] = {{"p50", 0.5}, {"p99", 0.99}, {"max", 1}};
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
        printf("\"%s_%s_us\": %.1f, ", name, quantiles[i].name,
               (double)samples_quantile(samples, quantiles[i].share) / 1000);
}

static void load_print(struct load *load, uint64_t ns)
{
    printf("{\"answers\": %zu, \"per_s\": %.1f, ", load->whole,
           (double)load->whole * (double)SECOND_NS / (double)ns);
    print_quantiles("first", &load->first);
    print_quantiles("total", &load->total);
    print_quantiles("gap", &load->gap);
    printf("\"tokens\": %zu, \"recorded\": %zu, \"cached\": %zu, \"opened\": %zu, ", load->tokens,
           load->recorded, load->cached, load->opened);
    printf("\"errors\": %zu, \"first_error\": \"%s\"}\n", load->errors,
           load->first_error ? load->first_error : "");
}

static const struct mode *mode_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (!strcmp(modes[i].name, name)) return &modes[i];
    usage();
    return NULL;
}

static void load_close(struct load *load)
{
    for (size_t i = 0; i < load->options.clients; i++) {
        client_close(&load->clients[i]);
        answer_free(&load->clients[i].answer);
    }
    free(load->clients);
    buffer_free(&load->requests);
    free(load->ends);
    samples_free(&load->first);
    samples_free(&load->total);
    samples_free(&load->gap);
    buffer_free(&load->text);
    close(load->epoll);
}

int main(int argc, char **argv)
{
    if (argc < 2) usage();
    const struct mode *mode = mode_find(argv[1]);
    struct load load = {.options = {.clients = 1, .seconds = 60, .rate = 100},
                        .epoll = epoll_create1(EPOLL_CLOEXEC)};
    load.options.path = "/api/agents/1/chat/stream";
    options_read(&load.options, argc - 1, argv + 1);
    if (!load_read_questions(&load)) {
        fprintf(stderr, "bench_load: no questions\n");
        return 2;
    }
    load.clients = xcalloc(load.options.clients, sizeof(*load.clients));
    scripted_text(load.options.seed, 0, load.options.length, &load.text);
    for (size_t i = 0; i < load.options.clients; i++) {
        client_init(&load.clients[i], load.epoll);
        load.clients[i].answer.want = buffer_slice(&load.text);
    }
    load.start_ns = clock_ns();
    load.stop_ns = load.start_ns + load.options.seconds * SECOND_NS;
    mode->run(&load);
    uint64_t ns = clock_ns() - load.start_ns;
    load_print(&load, ns);
    int status = load.errors > 0;
    load_close(&load);
    return status;
}
