#include "workers/retriever/retriever.h"

int main(int argc, char **argv)
{
    return worker_main(&retriever_pool, argc, argv);
}
