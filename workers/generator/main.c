/* The generator: writes answers, by a provider or from the passages themselves. */
#include "workers/generator/generator.h"

int main(int argc, char **argv)
{
    return worker_main(&generator_pool, argc, argv);
}
