/* One walk over a record's fields for each direction. A nested record is a map by name, whether it
 * sits in a body frame or in a header; only the header itself is an array by position. */
#include "proto/codec.h"

#include <msgpack.h>

#include "common/text.h"
#include "proto/frame_check.h"

#define LIST_BYTES_MAX \
    (UINT64_C(256) << 20) /* of a decoded list: a small frame may claim a long one */
#define HEADER_ELEMENTS 4 /* version, type, job, attempt */

static const struct {
    const char *name;
    const struct record_type *(*type)(void);
} messages[] = {
#define MESSAGE_ENTRY(number, NAME, name) [number] = {#NAME, name##_message_type},
    MESSAGE_LIST(MESSAGE_ENTRY)
#undef MESSAGE_ENTRY
};

#define MESSAGE_DEFINE(number, NAME, name) RECORD_TYPE(name##_message, NAME##_FIELDS)
MESSAGE_LIST(MESSAGE_DEFINE)

const char *message_name(enum message_type type)
{
    return (size_t)type < ARRAY_LEN(messages) && messages[type].name ? messages[type].name : "?";
}

static bool message_known(uint64_t type)
{
    return type < ARRAY_LEN(messages) && messages[type].name;
}

/* --- out --- */

static int buffer_write(void *data, const char *bytes, size_t len)
{
    buffer_append(data, bytes, len);
    return 0;
}

static void pack_record(msgpack_packer *out, const struct record_type *type, const void *record);

static void pack_list(msgpack_packer *out, const struct record_type *type, const struct list *list)
{
    msgpack_pack_array(out, list->count);
    for (size_t i = 0; i < list->count; i++)
        pack_record(out, type, (const char *)list->items + i * type->size);
}

static void pack_slice(msgpack_packer *out, enum field_type type, const struct slice *slice)
{
    if (type == FIELD_BYTES)
        msgpack_pack_bin_with_body(out, slice->ptr, slice->len);
    else
        msgpack_pack_str_with_body(out, slice->ptr, slice->len);
}

static void pack_value(msgpack_packer *out, const struct field *field, const void *at)
{
    switch (field->type) {
    case FIELD_BOOL: *(const bool *)at ? msgpack_pack_true(out) : msgpack_pack_false(out); break;
    case FIELD_U64: msgpack_pack_uint64(out, *(const uint64_t *)at); break;
    case FIELD_F64: msgpack_pack_double(out, *(const double *)at); break;
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_JSON: pack_slice(out, field->type, at); break;
    case FIELD_RECORD: pack_record(out, field->record(), at); break;
    case FIELD_LIST: pack_list(out, field->record(), at); break;
    }
}

static void pack_record(msgpack_packer *out, const struct record_type *type, const void *record)
{
    uint64_t wanted = *(const uint64_t *)record;
    for (size_t i = 0; i < type->count; i++)
        if (!field_is_zero(&type->fields[i], (const char *)record + type->fields[i].offset))
            wanted |= (uint64_t)1 << i;
    msgpack_pack_map(out, (size_t)__builtin_popcountll(wanted));
    for (; wanted; wanted &= wanted - 1) {
        const struct field *field = &type->fields[__builtin_ctzll(wanted)];
        msgpack_pack_str_with_body(out, field->name, field->name_len);
        pack_value(out, field, (const char *)record + field->offset);
    }
}

void record_encode(const struct record_type *type, const void *record, struct buffer *out)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, buffer_write);
    pack_record(&packer, type, record);
}

void message_encode(const struct message *message, struct buffer *out)
{
    const struct record_type *type = messages[message->type].type();
    const char *fields = (const char *)&message->hello; /* every union member starts here */
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, buffer_write);
    msgpack_pack_array(&packer, HEADER_ELEMENTS + type->count);
    msgpack_pack_uint64(&packer, PROTOCOL_VERSION);
    msgpack_pack_uint64(&packer, message->type);
    msgpack_pack_uint64(&packer, message->job);
    msgpack_pack_uint64(&packer, message->attempt);
    for (size_t i = 0; i < type->count; i++)
        pack_value(&packer, &type->fields[i], fields + type->fields[i].offset);
}

/* --- in --- */

static bool read_record(const msgpack_object *in, const struct record_type *type,
                        struct arena *arena, void *record);

static bool read_list(const msgpack_object *in, const struct record_type *type, struct arena *arena,
                      struct list *list)
{
    if (in->type != MSGPACK_OBJECT_ARRAY) return false;
    if (in->via.array.size > LIST_BYTES_MAX / type->size) return false;
    if (!in->via.array.size) return true;
    list->items = arena_alloc(arena, in->via.array.size * type->size);
    list->count = in->via.array.size;
    for (size_t i = 0; i < list->count; i++)
        if (!read_record(&in->via.array.ptr[i], type, arena, (char *)list->items + i * type->size))
            return false;
    return true;
}

static bool read_slice(const msgpack_object *in, enum field_type type, struct slice *slice)
{
    if (in->type == MSGPACK_OBJECT_BIN && type == FIELD_BYTES)
        *slice = (struct slice){in->via.bin.ptr, in->via.bin.size};
    else if (in->type == MSGPACK_OBJECT_STR)
        *slice = (struct slice){in->via.str.ptr, in->via.str.size};
    else
        return false;
    return type == FIELD_BYTES || text_valid(*slice);
}

static bool read_number(const msgpack_object *in, double *number)
{
    switch (in->type) {
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: *number = in->via.f64; return true;
    case MSGPACK_OBJECT_POSITIVE_INTEGER: *number = (double)in->via.u64; return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: *number = (double)in->via.i64; return true;
    default: return false;
    }
}

static bool read_value(const msgpack_object *in, const struct field *field, struct arena *arena,
                       void *at)
{
    if (in->type == MSGPACK_OBJECT_NIL) return true;
    switch (field->type) {
    case FIELD_BOOL:
        if (in->type != MSGPACK_OBJECT_BOOLEAN) return false;
        *(bool *)at = in->via.boolean;
        return true;
    case FIELD_U64:
        if (in->type != MSGPACK_OBJECT_POSITIVE_INTEGER) return false;
        *(uint64_t *)at = in->via.u64;
        return true;
    case FIELD_F64: return read_number(in, at);
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_JSON: return read_slice(in, field->type, at);
    case FIELD_RECORD: return read_record(in, field->record(), arena, at);
    case FIELD_LIST: return read_list(in, field->record(), arena, at);
    }
    return false;
}

/* The index of the field with that name, looked for from `from` on and around: peers write fields
 * in the list's order. */
static size_t field_index(const struct record_type *type, const msgpack_object *key, size_t from)
{
    if (key->type != MSGPACK_OBJECT_STR) return type->count;
    for (size_t n = 0; n < type->count; n++) {
        size_t i = (from + n) % type->count;
        if (type->fields[i].name_len == key->via.str.size &&
            !memcmp(type->fields[i].name, key->via.str.ptr, key->via.str.size))
            return i;
    }
    return type->count;
}

static bool read_record(const msgpack_object *in, const struct record_type *type,
                        struct arena *arena, void *record)
{
    size_t from = 0;
    if (in->type != MSGPACK_OBJECT_MAP) return false;
    for (uint32_t n = 0; n < in->via.map.size; n++) {
        const msgpack_object_kv *pair = &in->via.map.ptr[n];
        size_t i = field_index(type, &pair->key, from);
        if (i == type->count) continue;
        if (!read_value(&pair->val, &type->fields[i], arena,
                        (char *)record + type->fields[i].offset))
            return false;
        *(uint64_t *)record |= (uint64_t)1 << i;
        from = i + 1;
    }
    return true;
}

err_t record_decode(const struct record_type *type, struct slice bytes, struct arena *arena,
                    void *record)
{
    msgpack_unpacked in;
    size_t used = 0;
    memset(record, 0, type->size);
    if (!bytes.len) return OK;
    msgpack_unpacked_init(&in);
    bool read = frame_is_whole(bytes) &&
                msgpack_unpack_next(&in, bytes.ptr, bytes.len, &used) == MSGPACK_UNPACK_SUCCESS &&
                used == bytes.len && read_record(&in.data, type, arena, record);
    msgpack_unpacked_destroy(&in);
    if (!read) memset(record, 0, type->size);
    return read ? OK : ERR_BAD_FRAME;
}

static bool read_uint(const msgpack_object *in, uint64_t *number)
{
    if (in->type != MSGPACK_OBJECT_POSITIVE_INTEGER) return false;
    *number = in->via.u64;
    return true;
}

static err_t read_header(const msgpack_object *in, struct arena *arena, struct message *message)
{
    const struct record_type *type;
    uint64_t number;
    if (in->type != MSGPACK_OBJECT_ARRAY || in->via.array.size < HEADER_ELEMENTS)
        return ERR_BAD_FRAME;
    const msgpack_object *element = in->via.array.ptr;
    if (!read_uint(&element[0], &message->protocol) || !read_uint(&element[1], &number) ||
        !read_uint(&element[2], &message->job) || !read_uint(&element[3], &message->attempt) ||
        !message_known(number))
        return ERR_BAD_FRAME;
    message->type = (enum message_type)number;
    if (message->protocol != PROTOCOL_VERSION) return ERR_PROTOCOL_VERSION;
    type = messages[number].type();
    size_t count = MIN(type->count, in->via.array.size - HEADER_ELEMENTS);
    for (size_t i = 0; i < count; i++)
        if (!read_value(&element[HEADER_ELEMENTS + i], &type->fields[i], arena,
                        (char *)&message->hello + type->fields[i].offset))
            return ERR_BAD_FRAME;
    return OK;
}

err_t message_decode_next(struct slice *bytes, struct arena *arena, struct message *message)
{
    msgpack_unpacked in;
    size_t len = frame_value_length(*bytes), used = 0;
    struct slice header = {bytes->ptr, len};
    err_t error = ERR_BAD_FRAME;
    memset(message, 0, sizeof(*message));
    msgpack_unpacked_init(&in);
    if (len && msgpack_unpack_next(&in, header.ptr, len, &used) == MSGPACK_UNPACK_SUCCESS &&
        used == len)
        error = read_header(&in.data, arena, message);
    msgpack_unpacked_destroy(&in);
    if (error) len = bytes->len;
    *bytes = (struct slice){bytes->ptr + len, bytes->len - len};
    return error;
}

err_t message_decode(struct slice bytes, struct arena *arena, struct message *message)
{
    if (frame_is_whole(bytes)) return message_decode_next(&bytes, arena, message);
    memset(message, 0, sizeof(*message));
    return ERR_BAD_FRAME;
}
