/* msgpack in and out of the structs that proto/records.h and proto/messages.h list.
 *
 * What a peer sends is never trusted: a wrong type, a cut frame, text that is not UTF-8 or nesting
 * past a record's own is ERR_BAD_FRAME, never a crash. Decoded slices point into the bytes that
 * were given; lists live in the arena. */
#ifndef MILLRACE_PROTO_CODEC_H
#define MILLRACE_PROTO_CODEC_H

#include "common/arena.h"
#include "common/buffer.h"
#include "common/errors.h"
#include "proto/messages.h"

/* Appends `record` (of `type`) as a map. */
void record_encode(const struct record_type *type, const void *record, struct buffer *out);
/* Reads a map into `record`, which is all zero on failure. An empty frame is a record of zeros. */
err_t record_decode(const struct record_type *type, struct slice bytes, struct arena *arena,
                    void *record) MUST_USE;

/* Appends the header of `message`; its `protocol` is not read: ours is written. */
void message_encode(const struct message *message, struct buffer *out);
/* Reads a header. ERR_PROTOCOL_VERSION for a version that is not ours (version, type, job and
 * attempt are set all the same), ERR_BAD_FRAME for anything else that is wrong. */
err_t message_decode(struct slice bytes, struct arena *arena, struct message *message) MUST_USE;
/* The same for the first of several headers that stand behind each other: takes it off the front of
 * `bytes`, or all of them where it cannot be read. */
err_t message_decode_next(struct slice *bytes, struct arena *arena,
                          struct message *message) MUST_USE;

#endif
