/* One embedder of this process: its backend, and the batcher that feeds it, on the loop. */
#ifndef MILLRACE_EMBEDDER_ENGINE_H
#define MILLRACE_EMBEDDER_ENGINE_H

#include "workers/embedder/batcher.h"

struct engine;

/* Opens the backend of `info`, with its errors. `ended` is told of every work that was added and
 * not cancelled, once, on the loop; perhaps inside engine_add. */
err_t engine_open(struct worker *worker, const struct embedder_info *info,
                  void (*ended)(struct embed_work *work), struct engine **engine) MUST_USE;
/* Works that have not ended are dropped. */
void engine_close(struct engine **engine);
const struct embedder_info *engine_info(const struct engine *engine);
/* Counts the tokens of the work's texts and takes it on. */
void engine_add(struct engine *engine, struct embed_work *work);
void engine_cancel(struct engine *engine, struct embed_work *work);

#endif
