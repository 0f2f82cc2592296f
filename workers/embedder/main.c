/* The embedder; and `--check-model DIR`, by which deploy/up learns, before it starts anything,
 * whether the model there can be used: status 0, or 1 and the reason. */
#include "workers/embedder/model.h"
#include "workers/embedder/pool.h"

static int check_model(const char *folder)
{
    struct model *model = NULL;
    err_t error = model_open(folder, &model);
    model_close(&model);
    return error ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--check-model")) return check_model(argv[2]);
    return worker_main(&embedder_pool, argc, argv);
}
