/* A graph that does not fit into maintenance_work_mem is finished on disk, vector by vector, which
 * takes several times as long. So it gets the memory that it takes, for this transaction alone.
 *
 *     with the server's parallel workers, in shared memory ──none so large──▶ alone, in its own */
#include "workers/retriever/postgres_graph.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/log.h"

#define SQL_MAX 256

/* About what pgvector 0.8 takes while it builds: the vector, lists of neighbours with their
 * distances (twice m of them on the lowest layer, m on each above), what manages them. */
static uint64_t bytes_of(const struct index_options *options, const struct graph *graph)
{
    enum { NEIGHBOUR = 24, REST = 384 };
    uint64_t each = 4 * graph->dimensions + 3 * NEIGHBOUR * options->m + REST;
    return graph->chunks * each;
}

/* Never less than the server grants anyhow. */
static err_t take_memory(struct db *db, const struct index_options *options,
                         const struct graph *graph)
{
    uint64_t kib = MIN(bytes_of(options, graph), options->build_bytes_max) >> 10;
    return db_run(db,
                  "SELECT set_config('maintenance_work_mem', greatest(?::bigint, pg_size_bytes("
                  "current_setting('maintenance_work_mem')) / 1024)::text || 'kB', true)",
                  "i", kib);
}

struct making {
    struct db *db;
    const struct index_options *options;
    const struct graph *graph;
};

/* pgvector asks for at least twice m candidates. */
static err_t make(void *context)
{
    const struct making *making = context;
    const struct index_options *options = making->options;
    const struct graph *graph = making->graph;
    const char *type = postgres_graph_type(graph->dimensions);
    char sql[SQL_MAX];
    snprintf(sql, sizeof(sql),
             "CREATE INDEX ON rag_embedding_%" PRIu64
             " USING hnsw ((embedding::%s(%zu)) %s_cosine_ops)"
             " WITH (m = %" PRIu64 ", ef_construction = %" PRIu64 ")",
             graph->portfolio_id, type, graph->dimensions, type, options->m,
             MAX(options->ef_construction, 2 * options->m));
    return db_script(making->db, sql);
}

err_t postgres_graph_make(struct db *db, const struct index_options *options,
                          const struct graph *graph)
{
    struct making making = {db, options, graph};
    err_t error = take_memory(db, options, graph);
    if (!error) error = db_savepoint(db, make, &making);
    if (error != ERR_STORE_FULL) return error;
    log_warn("portfolio=%" PRIu64 " its graph is made again, by one process: the server may have"
             " too little shared memory (/dev/shm) for several",
             graph->portfolio_id);
    error = db_run(db, "SELECT set_config('max_parallel_maintenance_workers', '0', true)", "");
    return error ? error : make(&making);
}
