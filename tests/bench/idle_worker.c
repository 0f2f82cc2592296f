/* A worker whose pool does no work, for measuring the lanes alone: embed and retrieve pass every
 * job on as it is, generate answers with one word.
 *
 *     bench_idle_worker embed|retrieve|generate [flags of that pool] */
#include <stdio.h>

#include "workers/worker.h"

static err_t open_nothing(struct worker *worker, void **context)
{
    *context = worker;
    return OK;
}

static void pass_on(void *context, struct job *job)
{
    (void)context;
    job_next(&job, NULL);
}

static void say_one_word(void *context, struct job *job)
{
    (void)context;
    job_token(job, SLICE("word"));
    job_done(&job, NULL);
}

static const struct worker_pool pools[POOL_COUNT] = {
    {.pool = POOL_EMBED, .settings = OF_EMBEDDER, .open = open_nothing, .start = pass_on},
    {.pool = POOL_RETRIEVE, .settings = OF_RETRIEVER, .open = open_nothing, .start = pass_on},
    {.pool = POOL_GENERATE, .settings = OF_GENERATOR, .open = open_nothing, .start = say_one_word},
};

int main(int argc, char **argv)
{
    enum pool pool = argc > 1 ? pool_find(slice_of(argv[1])) : POOL_COUNT;
    if (pool == POOL_COUNT) {
        fprintf(stderr, "usage: bench_idle_worker embed|retrieve|generate [flag]...\n");
        return 2;
    }
    return worker_main(&pools[pool], argc - 1, argv + 1);
}
