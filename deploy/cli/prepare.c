/* millrace prepare: waits until a server is ready, then gives an empty one the demo: a portfolio of
 * that name, which agent 1 answers from. Once that has been done (--mark names the file that says
 * so), or where somebody has made portfolios of their own, the demo stays away. With JWT_SECRET it
 * writes its own access token. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/access_token.h"
#include "common/clock.h"
#include "common/settings.h"
#include "deploy/cli/cli.h"
#include "deploy/cli/client.h"

#define READY_TIMEOUT_MS 60000
#define POLL_MS          20
#define DEMO_PORTFOLIO   "demo"
#define TOKEN_TTL_S      600

struct prepare_options {
    const char *url;
    const char *demo;
    const char *mark;
    bool without_workers;
};

static const char usage[] =
    "usage: millrace prepare [--url URL] [--without-workers] [--demo DIR [--mark FILE]]\n"
    "\nWaits until the server is ready (--without-workers: until it answers). --demo loads the\n"
    "documents of DIR into the portfolio \"" DEMO_PORTFOLIO
    "\" of a server that has no other, and\n"
    "sets agent 1 to it; FILE remembers that, and is looked at first.\n";

static const struct option flags[] = {
    {"url", required_argument, NULL, 'u'},  {"demo", required_argument, NULL, 'd'},
    {"mark", required_argument, NULL, 'm'}, {"without-workers", no_argument, NULL, 'w'},
    {"help", no_argument, NULL, 'h'},       {0},
};

static bool read_options(int argc, char **argv, struct prepare_options *options)
{
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (flag) {
        case 'u': options->url = optarg; break;
        case 'd': options->demo = optarg; break;
        case 'm': options->mark = optarg; break;
        case 'w': options->without_workers = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    return optind == argc;
}

static bool wait_until_ready(struct client *client, bool without_workers)
{
    const char *path = without_workers ? "/healthz" : "/readyz";
    uint64_t until = clock_ms() + READY_TIMEOUT_MS;
    struct reply reply;
    while (!client_call(client, "GET", path, NULL, &reply)) {
        if (clock_ms() > until) {
            complain("not ready after %d s: %s", READY_TIMEOUT_MS / 1000, reply.error);
            return false;
        }
        usleep(POLL_MS * 1000);
    }
    reply_free(&reply);
    return true;
}

/* A demo that was being loaded when it was interrupted is loaded on. */
static bool has_portfolios_of_its_own(const json_t *portfolios)
{
    size_t index;
    const json_t *portfolio;
    json_array_foreach(portfolios, index, portfolio)
    {
        const char *name = json_string_value(json_object_get(portfolio, "name"));
        if (!name || strcmp(name, DEMO_PORTFOLIO) != 0) return true;
    }
    return false;
}

static bool wants_demo(struct client *client, const struct prepare_options *options, bool *wants)
{
    struct reply reply;
    *wants = false;
    if (!options->demo || (options->mark && !access(options->mark, F_OK))) return true;
    if (!client_call(client, "GET", "/api/portfolios?limit=2", NULL, &reply)) {
        complain("cannot list the portfolios: %s", reply.error);
        return false;
    }
    *wants = !has_portfolios_of_its_own(json_object_get(reply.json, "data"));
    reply_free(&reply);
    return true;
}

static bool load_documents(struct client *client, const char *folder)
{
    char *argv[] = {"ingest",       "--url",   (char *)client_url(client),
                    "--create",     "--quiet", DEMO_PORTFOLIO,
                    (char *)folder, NULL};
    optind = 0; /* glibc's way to start anew */
    return !ingest_main((int)ARRAY_LEN(argv) - 1, argv);
}

static bool demo_portfolio(struct client *client, json_int_t *id)
{
    struct reply reply;
    bool found = client_call(client, "GET", "/api/portfolios?limit=2", NULL, &reply);
    const json_t *first = json_array_get(json_object_get(reply.json, "data"), 0);
    found = found && first;
    if (found) *id = json_integer_value(json_object_get(first, "id"));
    reply_free(&reply);
    return found;
}

static bool point_agent_at(struct client *client, json_int_t portfolio)
{
    struct reply reply;
    json_t *change = json_pack("{s:I}", "portfolio_id", portfolio);
    bool changed = client_call(client, "PUT", "/api/agents/1", change, &reply);
    if (!changed) complain("cannot give the demo to agent 1: %s", reply.error);
    json_decref(change);
    reply_free(&reply);
    return changed;
}

static bool write_mark(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) complain("cannot write %s: %s", path, strerror(errno));
    return fd >= 0 && !close(fd);
}

static bool load_demo(struct client *client, const struct prepare_options *options)
{
    json_int_t portfolio;
    fprintf(stderr, "Loading the demo documents ...\n");
    return load_documents(client, options->demo) && demo_portfolio(client, &portfolio) &&
           point_agent_at(client, portfolio) && (!options->mark || write_mark(options->mark));
}

/* The demo is of the tenant that everybody is where nobody needs a token. */
static bool set_token(const char *secret)
{
    int64_t now_s = clock_wall_ms() / 1000;
    struct access access = {SLICE("default"), SLICE("prepare"), SCOPE_ADMIN,
                            .until_s = now_s + TOKEN_TTL_S};
    struct buffer token = {0};
    if (getenv("MILLRACE_TOKEN") || !*secret) return true;
    err_t error = access_write(&access, slice_of(secret), now_s, &token);
    buffer_append_char(&token, '\0');
    if (error)
        complain("JWT_SECRET must be at least %d bytes", ACCESS_SECRET_BYTES_MIN);
    else
        setenv("MILLRACE_TOKEN", token.data, true);
    buffer_free(&token);
    return !error;
}

int prepare_main(int argc, char **argv)
{
    struct prepare_options options = {0};
    struct settings settings;
    char *environment_only[] = {argv[0], NULL};
    bool wants;
    if (settings_load(OF_CLI, "millrace prepare", 1, environment_only, &settings, NULL) ||
        !read_options(argc, argv, &options))
        return EXIT_USAGE;
    if (!set_token(settings.jwt_secret)) return 1;
    struct client *client = client_new(options.url);
    bool prepared = wait_until_ready(client, options.without_workers) &&
                    wants_demo(client, &options, &wants) && (!wants || load_demo(client, &options));
    client_destroy(&client);
    return prepared ? 0 : 1;
}
