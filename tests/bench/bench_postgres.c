/* Portfolios that are searched in PostgreSQL, on the empty database that MILLRACE_TEST_STORE names:
 * made up, indexed by the store, and searched by its interface, beside an exact search of the same
 * vectors and a bare round trip.
 *
 *     postgres.py exec bench_postgres [--dimensions 384] [--ef 40,100,200] [--rounds 1]
 *                                     [--questions FILE] SIZE[xCOUNT]...
 *
 * Each SIZExCOUNT is a group: so many portfolios of so many chunks, in one database with the other
 * groups. A group's questions go to its portfolios in turn. Prints lines of key=value:
 *
 *     layout   the largest portfolio that would be held in memory: the groups are larger
 *     built    a group: seconds until all of it is searched in the database, bytes of its graphs
 * and of all its tables and indexes floor    one of each round: SELECT 1 search   a group, a leg,
 * an ef_search; `rows` is the share of the rows that there are
 *
 * FILE gets the questions for whoever asks them by other ways: a line `group portfolio text` each,
 * and their vectors in FILE.vectors. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "tests/bench/postgres_groups.h"

static void open_stores(struct bench *bench)
{
    for (size_t i = 0; i < bench->ef_count; i++) {
        struct store_options options = {.url = bench->url,
                                        .embedder = "hashing",
                                        .connections_max = 6,
                                        .index = {.chunks_max = bench->chunks_max,
                                                  .m = 16,
                                                  .ef_construction = 64,
                                                  .ef_search = bench->efs[i]}};
        if (store_open(bench->base, &options, &bench->stores[i])) exit(1);
    }
}

static void usage(void)
{
    fprintf(stderr, "usage: bench_postgres [--dimensions N] [--ef N,N...] [--rounds N]"
                    " [--questions FILE] SIZE[xCOUNT]...\n"
                    "MILLRACE_TEST_STORE names an empty database\n");
    exit(2);
}

static void read_efs(struct bench *bench, const char *text)
{
    char *end = (char *)text;
    for (bench->ef_count = 0; bench->ef_count < EFS_MAX && *text; text = end + (*end == ','))
        bench->efs[bench->ef_count++] = strtoul(text, &end, 10);
}

static void read_group(struct bench *bench, const char *text)
{
    if (bench->group_count == GROUPS_MAX) usage();
    struct group *group = &bench->groups[bench->group_count], *before = group - 1;
    char *end;
    group->chunks = strtoul(text, &end, 10);
    group->count = *end == 'x' ? strtoul(end + 1, NULL, 10) : 1;
    if (group->chunks < 2 || !group->count || group->count > QUESTIONS) usage();
    group->first_id = bench->group_count ? before->first_id + before->count : 1;
    bench->chunks_max = MIN(bench->chunks_max, group->chunks / 2);
    bench->group_count++;
}

static void read_options(struct bench *bench, int argc, char **argv)
{
    static const struct option known[] = {{"dimensions", required_argument, NULL, 'd'},
                                          {"ef", required_argument, NULL, 'e'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"questions", required_argument, NULL, 'q'},
                                          {0}};
    int letter;
    read_efs(bench, "40,100,200");
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 'd': bench->dimensions = strtoul(optarg, NULL, 10); break;
        case 'e': read_efs(bench, optarg); break;
        case 'r': bench->rounds = strtoul(optarg, NULL, 10); break;
        case 'q': bench->questions_file = optarg; break;
        default: usage();
        }
    }
    while (optind < argc) read_group(bench, argv[optind++]);
    if (!bench->url || !bench->group_count || !bench->dimensions || !bench->ef_count) usage();
    snprintf(bench->embedder, sizeof(bench->embedder), "openai-compatible/made-up/%zu",
             bench->dimensions);
}

static void bench_close(struct bench *bench)
{
    for (size_t i = 0; i < bench->ef_count; i++) store_close(&bench->stores[i]);
    groups_free(bench);
    made_up_end(&bench->made);
    PQfinish(bench->db);
    event_base_free(bench->base);
}

int main(int argc, char **argv)
{
    static struct bench bench = {.dimensions = 384, .rounds = 1, .chunks_max = SIZE_MAX};
    bench.url = getenv("MILLRACE_TEST_STORE");
    bench.base = event_base_new();
    log_open("bench_postgres", "warn");
    read_options(&bench, argc, argv);
    open_stores(&bench); /* makes the schema */
    bench.db = PQconnectdb(bench.url);
    made_up_begin(&bench.made, bench.dimensions, CONTENT_WORDS);
    groups_make(&bench);
    if (bench.questions_file) groups_write_questions(&bench);
    groups_build(&bench);
    searches_warm_up(&bench);
    for (size_t round = 0; round < bench.rounds; round++) searches_measure(&bench, round);
    bench_close(&bench);
    return 0;
}
