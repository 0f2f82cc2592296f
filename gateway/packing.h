/* Values on their way to Redis and back: compressed (Zstandard, RFC 8878) where that makes
 * them smaller.
 *
 *     0, the value    as it is
 *     1, a frame      that says how long its value is */
#ifndef MILLRACE_GATEWAY_PACKING_H
#define MILLRACE_GATEWAY_PACKING_H

#include "common/buffer.h"

#define PACKED_BYTES_MAX (16u << 20) /* of a value; a larger one is not packed, nor unpacked */

struct packing;

struct packing *packing_new(void);
void packing_destroy(struct packing **packing);
/* Appends the packed value. False, with nothing appended, when it is too large. */
bool packing_pack(struct packing *packing, struct slice value, struct buffer *out);
/* Appends the value. False, with nothing appended, when the bytes are no packed value. */
bool packing_unpack(struct packing *packing, struct slice bytes, struct buffer *out) MUST_USE;

#endif
