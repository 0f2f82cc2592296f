#include "gateway/packing.h"

#include <stdlib.h>
#include <zstd.h>

enum { AS_IT_IS, COMPRESSED };
enum { SMALL = 128, LEVEL = 3 };

/* Made once: setting a stream up costs more than most values do. */
struct packing {
    ZSTD_CCtx *to;
    ZSTD_DCtx *from;
};

struct packing *packing_new(void)
{
    struct packing *packing = xcalloc(1, sizeof(*packing));
    packing->to = ZSTD_createCCtx();
    packing->from = ZSTD_createDCtx();
    if (!packing->to || !packing->from) abort();
    return packing;
}

void packing_destroy(struct packing **packing)
{
    struct packing *old = *packing;
    *packing = NULL;
    if (!old) return;
    ZSTD_freeCCtx(old->to);
    ZSTD_freeDCtx(old->from);
    free(old);
}

/* False when the value would not be smaller. */
static bool append_compressed(struct packing *packing, struct slice value, struct buffer *out)
{
    size_t room = ZSTD_compressBound(value.len);
    if (value.len < SMALL) return false;
    buffer_append_char(out, COMPRESSED);
    size_t len = ZSTD_compressCCtx(packing->to, buffer_reserve(out, room), room, value.ptr,
                                   value.len, LEVEL);
    if (ZSTD_isError(len) || len >= value.len) {
        out->len--;
        return false;
    }
    out->len += len;
    return true;
}

bool packing_pack(struct packing *packing, struct slice value, struct buffer *out)
{
    if (value.len > PACKED_BYTES_MAX) return false;
    if (append_compressed(packing, value, out)) return true;
    buffer_append_char(out, AS_IT_IS);
    buffer_append_slice(out, value);
    return true;
}

/* A frame says how long its value is; what says nothing, or too much, is none of ours. */
static bool append_value(struct packing *packing, struct slice frame, struct buffer *out)
{
    unsigned long long says = ZSTD_getFrameContentSize(frame.ptr, frame.len);
    if (says > PACKED_BYTES_MAX) return false; /* as are the two values that mean errors */
    size_t len = ZSTD_decompressDCtx(packing->from, buffer_reserve(out, (size_t)says), (size_t)says,
                                     frame.ptr, frame.len);
    bool whole = !ZSTD_isError(len) && len == says;
    if (whole) out->len += len;
    return whole;
}

bool packing_unpack(struct packing *packing, struct slice bytes, struct buffer *out)
{
    struct slice rest = {bytes.ptr + 1, bytes.len - 1};
    if (!bytes.len) return false;
    if (*bytes.ptr == COMPRESSED) return append_value(packing, rest, out);
    if (*bytes.ptr != AS_IT_IS || rest.len > PACKED_BYTES_MAX) return false;
    buffer_append_slice(out, rest);
    return true;
}
