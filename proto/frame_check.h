/* What a frame claims against what it holds, before anything is allocated for it: msgpack's reader
 * reserves memory for as many items as a header says, and four bytes can say four billion. */
#ifndef MILLRACE_PROTO_FRAME_CHECK_H
#define MILLRACE_PROTO_FRAME_CHECK_H

#include "common/base.h"

/* True when the bytes are exactly one msgpack value: every length and count that it claims is
 * there. Knows the format's own specification, msgpack.org. Costs one step a value, never recurses.
 */
bool frame_is_whole(struct slice bytes);
/* The length of the value at the front; 0 where the bytes do not hold one. */
size_t frame_value_length(struct slice bytes);

#endif
