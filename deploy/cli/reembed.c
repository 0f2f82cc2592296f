/* millrace reembed: gives portfolios the vectors of another embedder. The server does the work, in
 * the background and through any restart; this starts it and shows how far it is. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "deploy/cli/cli.h"
#include "deploy/cli/portfolio.h"
#include "deploy/cli/progress.h"

#define POLL_MS    200
#define GIVE_UP_MS 60000 /* without a single new vector */
#define PAGE       1000

struct reembed_options {
    const char *url, *embedder;
    bool all, no_wait, quiet;
};

struct chosen {
    uint64_t *ids;
    size_t count, capacity;
};

static const char usage[] =
    "usage: millrace reembed [--embedder NAME] [--no-wait] [--quiet] [--url URL] PORTFOLIO|--all\n"
    "\n"
    "Makes the vectors of a portfolio, given by id or name, anew with another embedder: the one "
    "that\n"
    "new portfolios get (EMBEDDER), or NAME. The old vectors answer until the new ones are all "
    "there.\n"
    "A portfolio that has them already is left as it is, but documents that failed are tried "
    "again.\n"
    "\n"
    "  --all      every portfolio\n"
    "  --no-wait  do not wait for the end; it goes on by itself, as it does after Ctrl-C\n"
    "  --quiet    say only what failed\n";

static const struct option flags[] = {
    {"all", no_argument, NULL, 'a'},
    {"embedder", required_argument, NULL, 'e'},
    {"no-wait", no_argument, NULL, 'w'},
    {"quiet", no_argument, NULL, 'q'},
    {"url", required_argument, NULL, 'u'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static bool read_options(int argc, char **argv, struct reembed_options *options)
{
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (flag) {
        case 'a': options->all = true; break;
        case 'e': options->embedder = optarg; break;
        case 'w': options->no_wait = true; break;
        case 'q': options->quiet = true; break;
        case 'u': options->url = optarg; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    if (argc - optind == !options->all) return true;
    complain("give one portfolio, or --all (--help tells more)");
    return false;
}

/* --- which --- */

static void choose(struct chosen *chosen, uint64_t id)
{
    chosen->ids = xgrow(chosen->ids, &chosen->capacity, chosen->count + 1, sizeof(*chosen->ids));
    chosen->ids[chosen->count++] = id;
}

static bool choose_all(struct client *client, struct chosen *chosen)
{
    json_int_t after = 0;
    do {
        char path[96];
        struct reply reply;
        size_t index;
        const json_t *portfolio;
        snprintf(path, sizeof(path), "/api/portfolios?limit=%d&after=%" JSON_INTEGER_FORMAT, PAGE,
                 after);
        if (!client_call(client, "GET", path, NULL, &reply)) {
            complain("cannot list the portfolios: %s", reply.error);
            return false;
        }
        json_array_foreach(json_object_get(reply.json, "data"), index, portfolio)
            choose(chosen, (uint64_t)json_integer_value(json_object_get(portfolio, "id")));
        after = json_integer_value(json_object_get(reply.json, "next"));
        reply_free(&reply);
    } while (after);
    return true;
}

static bool choose_one(struct client *client, const char *which, struct chosen *chosen)
{
    uint64_t id;
    if (!portfolio_find(client, which, false, &id)) return false;
    choose(chosen, id);
    return true;
}

/* --- one portfolio --- */

static bool start(struct client *client, uint64_t id, const char *embedder)
{
    char path[64];
    struct reply reply;
    json_t *body = embedder ? json_pack("{s:s}", "embedder", embedder) : json_object();
    snprintf(path, sizeof(path), "/api/portfolios/%" PRIu64 "/reembed", id);
    bool started = client_call(client, "POST", path, body, &reply);
    if (!started) complain("portfolio %" PRIu64 ": %s", id, reply.error);
    json_decref(body);
    reply_free(&reply);
    return started;
}

/* How far a portfolio's vectors are. */
struct state {
    char what[300]; /* for the line that shows it */
    size_t done, total;
    bool over;
    char error[64]; /* of an embedder that fails; "" */
};

static size_t number(const json_t *object, const char *name)
{
    return (size_t)json_integer_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value ? value : "";
}

static bool ask_state(struct client *client, uint64_t id, struct state *state)
{
    char path[64];
    struct reply reply;
    snprintf(path, sizeof(path), "/api/portfolios/%" PRIu64, id);
    bool known = client_call(client, "GET", path, NULL, &reply);
    const json_t *embedding = json_object_get(reply.json, "embedding");
    *state = (struct state){.done = number(embedding, "done"), .total = number(embedding, "total")};
    state->over = state->done == state->total &&
                  !strcmp(text(reply.json, "embedder"), text(embedding, "embedder"));
    snprintf(state->what, sizeof(state->what), "%s, %s", text(reply.json, "name"),
             text(embedding, "embedder"));
    snprintf(state->error, sizeof(state->error), "%s", text(embedding, "error"));
    if (!known) complain("portfolio %" PRIu64 ": %s", id, reply.error);
    reply_free(&reply);
    return known;
}

static bool give_up(uint64_t id, const struct state *state)
{
    complain("portfolio %" PRIu64 ": no new vector in %d s%s%s. It goes on by itself as soon as "
             "that is possible; the old vectors answer meanwhile",
             id, GIVE_UP_MS / 1000, *state->error ? ": " : "", state->error);
    return false;
}

static bool await(struct client *client, uint64_t id, bool quiet)
{
    struct state state;
    if (!ask_state(client, id, &state)) return false;
    if (state.over) {
        if (!quiet) printf("%s: all %zu chunks have their vectors\n", state.what, state.total);
        return true;
    }
    char what[sizeof(state.what)];
    memcpy(what, state.what, sizeof(what));
    struct progress progress = progress_begin(what, state.total, 0, quiet);
    progress.unit = "chunks";
    uint64_t moved_ms = clock_ms();
    for (size_t before = state.done; !state.over; before = state.done) {
        progress_show(&progress, state.done, 0);
        usleep(POLL_MS * 1000);
        if (!ask_state(client, id, &state)) return false;
        if (state.done != before) moved_ms = clock_ms();
        if (clock_ms() - moved_ms > GIVE_UP_MS) return give_up(id, &state);
        progress.total = state.total;
    }
    progress_end(&progress, state.done, 0);
    return true;
}

static bool reembed(struct client *client, const struct chosen *chosen,
                    const struct reembed_options *options)
{
    bool through = true;
    for (size_t i = 0; i < chosen->count; i++)
        through = start(client, chosen->ids[i], options->embedder) && through;
    for (size_t i = 0; through && !options->no_wait && i < chosen->count; i++)
        through = await(client, chosen->ids[i], options->quiet);
    return through;
}

int reembed_main(int argc, char **argv)
{
    struct reembed_options options = {0};
    struct chosen chosen = {0};
    if (!read_options(argc, argv, &options)) return EXIT_USAGE;
    struct client *client = client_new(options.url);
    bool through =
        (options.all ? choose_all(client, &chosen) : choose_one(client, argv[optind], &chosen)) &&
        reembed(client, &chosen, &options);
    free(chosen.ids);
    client_destroy(&client);
    return through ? 0 : 1;
}
