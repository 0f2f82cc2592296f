#include "workers/embedder/pool.h"

int main(int argc, char **argv)
{
    return worker_main(&embedder_pool, argc, argv);
}
