/* A record copied whole, texts and lists included, into an arena. */
#ifndef MILLRACE_PROTO_COPY_H
#define MILLRACE_PROTO_COPY_H

#include "common/arena.h"
#include "proto/fields.h"

/* `to` has room for type->size bytes; everything it points to lives in the arena afterwards. */
void record_copy(const struct record_type *type, const void *from, struct arena *arena, void *to);

#endif
