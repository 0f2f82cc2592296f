#include "gateway/packing.h"

#include <stdlib.h>
#include <zlib.h>

enum { AS_IT_IS, DEFLATED };
enum { HEAD_BYTES = 5, SMALL = 128, LEVEL = 1, RAW = -15, MEMORY_LEVEL = 8 };

/* Made once: setting a stream up costs more than most values do. */
struct packing {
    z_stream in, out;
};

struct packing *packing_new(void)
{
    struct packing *packing = xcalloc(1, sizeof(*packing));
    if (deflateInit2(&packing->out, LEVEL, Z_DEFLATED, RAW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) ||
        inflateInit2(&packing->in, RAW))
        abort();
    return packing;
}

void packing_destroy(struct packing **packing)
{
    struct packing *old = *packing;
    *packing = NULL;
    if (!old) return;
    deflateEnd(&old->out);
    inflateEnd(&old->in);
    free(old);
}

static void begin(z_stream *stream, struct slice from, char *to, size_t room)
{
    stream->next_in = (Bytef *)from.ptr;
    stream->avail_in = (uInt)from.len;
    stream->next_out = (Bytef *)to;
    stream->avail_out = (uInt)room;
}

static void append_head(struct buffer *out, size_t len)
{
    buffer_append_char(out, DEFLATED);
    for (int shift = 0; shift < 32; shift += 8)
        buffer_append_char(out, (char)(len >> shift & 0xFF));
}

static size_t read_head(struct slice bytes)
{
    size_t len = 0;
    for (int i = 0; i < 4; i++) len |= (size_t)(uint8_t)bytes.ptr[1 + i] << (8 * i);
    return len;
}

/* False when the value would not be smaller. */
static bool append_deflated(struct packing *packing, struct slice value, struct buffer *out)
{
    size_t room = value.len - value.len / 8, before = out->len;
    if (value.len < SMALL) return false;
    append_head(out, value.len);
    deflateReset(&packing->out);
    begin(&packing->out, value, buffer_reserve(out, room), room);
    if (deflate(&packing->out, Z_FINISH) != Z_STREAM_END) {
        out->len = before;
        return false;
    }
    out->len += room - packing->out.avail_out;
    return true;
}

bool packing_pack(struct packing *packing, struct slice value, struct buffer *out)
{
    if (value.len > PACKED_BYTES_MAX) return false;
    if (append_deflated(packing, value, out)) return true;
    buffer_append_char(out, AS_IT_IS);
    buffer_append_slice(out, value);
    return true;
}

static bool append_inflated(struct packing *packing, struct slice bytes, struct buffer *out)
{
    if (bytes.len < HEAD_BYTES) return false;
    struct slice rest = {bytes.ptr + HEAD_BYTES, bytes.len - HEAD_BYTES};
    size_t len = read_head(bytes);
    if (len < SMALL || len > PACKED_BYTES_MAX) return false;
    inflateReset(&packing->in);
    begin(&packing->in, rest, buffer_reserve(out, len), len);
    bool whole = inflate(&packing->in, Z_FINISH) == Z_STREAM_END && !packing->in.avail_out &&
                 !packing->in.avail_in;
    if (whole) out->len += len;
    return whole;
}

bool packing_unpack(struct packing *packing, struct slice bytes, struct buffer *out)
{
    if (!bytes.len) return false;
    if (bytes.ptr[0] == DEFLATED) return append_inflated(packing, bytes, out);
    if (bytes.ptr[0] != AS_IT_IS || bytes.len - 1 > PACKED_BYTES_MAX) return false;
    buffer_append(out, bytes.ptr + 1, bytes.len - 1);
    return true;
}
