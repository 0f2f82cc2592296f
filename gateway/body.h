/* A job's four body frames, counted references. They pass from stage to stage undecoded; a copy of
 * the reference costs nothing, the bytes are shared. */
#ifndef MILLRACE_GATEWAY_BODY_H
#define MILLRACE_GATEWAY_BODY_H

#include "proto/fields.h"

enum frame { FRAME_REQUEST, FRAME_HISTORY, FRAME_EMBEDDING, FRAME_CONTEXT, FRAME_COUNT };

struct body;

/* Empty frames, one reference. */
struct body *body_new(void) MUST_USE;
/* Copies `bytes` into a frame. */
void body_set(struct body *body, enum frame frame, struct slice bytes);
/* Encodes a record into a frame. */
void body_encode(struct body *body, enum frame frame, const struct record_type *type,
                 const void *record);
struct slice body_frame(const struct body *body, enum frame frame);
size_t body_bytes(const struct body *body);
struct body *body_ref(struct body *body);
void body_unref(struct body **body);

#endif
