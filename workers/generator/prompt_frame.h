/* A passage's frame in a prompt, and what keeps a passage inside it. Pure. */
#ifndef MILLRACE_GENERATOR_PROMPT_FRAME_H
#define MILLRACE_GENERATOR_PROMPT_FRAME_H

#include "common/buffer.h"
#include "proto/records.h"

/* Appends the passage as number `n`, title, heading and source cut where they are long:
 *
 *     <passage n="1" title="..." heading="..." source="...">
 *     text
 *     </passage>
 *
 * followed by an empty line. Members that are empty are left out. */
void prompt_frame(const struct passage *passage, size_t n, struct buffer *out);
/* Appends `text` with every bracket that could open or close a passage, or a model's own mark of a
 * role, made a "(". What is meant by such brackets is kept readable: only they change. */
void prompt_neutralise(struct slice text, struct buffer *out);

#endif
