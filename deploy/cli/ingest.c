/* millrace ingest: loads files and folders into a portfolio, waits until they can be found by
 * meaning too, and tells what became of each. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "deploy/cli/cli.h"
#include "deploy/cli/portfolio.h"
#include "deploy/cli/upload.h"

struct ingest_options {
    const char *url;
    bool create, no_wait, quiet;
};

static const char usage[] =
    "usage: millrace ingest [--create] [--no-wait] [--quiet] [--url URL] PORTFOLIO DIR|FILE...\n"
    "\n"
    "Loads documents into a portfolio, given by id or name. Markdown (.md, .markdown), HTML "
    "(.html,\n"
    ".htm) and text (all else that is text) are taken; other files are skipped. A file is known "
    "by\n"
    "its path below DIR: loaded again it replaces what it was, or is skipped where nothing "
    "changed.\n"
    "\n"
    "  --create   make the portfolio where no one has that name\n"
    "  --no-wait  do not wait for the vectors; documents can be found by their words at once\n"
    "  --quiet    say only what failed\n"
    "\n"
    "The exit status is 1 when something failed.\n";

static const struct option flags[] = {
    {"create", no_argument, NULL, 'c'}, {"no-wait", no_argument, NULL, 'w'},
    {"quiet", no_argument, NULL, 'q'},  {"url", required_argument, NULL, 'u'},
    {"help", no_argument, NULL, 'h'},   {0},
};

static bool read_options(int argc, char **argv, struct ingest_options *options)
{
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (flag) {
        case 'c': options->create = true; break;
        case 'w': options->no_wait = true; break;
        case 'q': options->quiet = true; break;
        case 'u': options->url = optarg; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    if (optind + 2 <= argc) return true;
    complain("give a portfolio and what to load into it (--help tells more)");
    return false;
}

static bool gather(int argc, char **argv, struct file_list *files)
{
    for (int i = optind + 1; i < argc; i++)
        if (!files_add(files, argv[i])) return false;
    files_find_clashes(files);
    return true;
}

static bool load(struct client *client, uint64_t portfolio, const struct file_list *files,
                 const struct ingest_options *options)
{
    struct tally tally = {0};
    uint64_t begin = clock_ms();
    struct progress progress =
        progress_begin("loading", files->count, files->bytes, options->quiet);
    upload_files(client, portfolio, files, &tally, &progress);
    bool through = true;
    if (!options->no_wait && tally.waiting_count) {
        progress = progress_begin("vectors", tally.waiting_count, 0, options->quiet);
        through = upload_await(client, portfolio, &tally, &progress);
    }
    tally_print(&tally, clock_ms() - begin, options->quiet);
    through = through && !tally.failed.count;
    tally_free(&tally);
    return through;
}

int ingest_main(int argc, char **argv)
{
    struct ingest_options options = {0};
    struct file_list files = {0};
    uint64_t portfolio;
    if (!read_options(argc, argv, &options)) return EXIT_USAGE;
    struct client *client = client_new(options.url);
    bool through = gather(argc, argv, &files) &&
                   portfolio_find(client, argv[optind], options.create, &portfolio) &&
                   load(client, portfolio, &files, &options);
    files_free(&files);
    client_destroy(&client);
    return through ? 0 : 1;
}
