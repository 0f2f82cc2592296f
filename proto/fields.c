#include "proto/fields.h"

size_t field_size(const struct field *field)
{
    switch (field->type) {
    case FIELD_BOOL: return sizeof(bool);
    case FIELD_U64: return sizeof(uint64_t);
    case FIELD_F64: return sizeof(double);
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_JSON: return sizeof(struct slice);
    case FIELD_RECORD: return field->record()->size;
    case FIELD_LIST: return sizeof(struct list);
    }
    return 0;
}

bool field_is_zero(const struct field *field, const void *at)
{
    const struct record_type *nested;
    switch (field->type) {
    case FIELD_BOOL: return !*(const bool *)at;
    case FIELD_U64: return !*(const uint64_t *)at;
    case FIELD_F64: return *(const double *)at == 0;
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_JSON: return !((const struct slice *)at)->len;
    case FIELD_LIST: return !((const struct list *)at)->count;
    case FIELD_RECORD: break;
    }
    nested = field->record();
    if (*(const uint64_t *)at) return false;
    for (size_t i = 0; i < nested->count; i++)
        if (!field_is_zero(&nested->fields[i], (const char *)at + nested->fields[i].offset))
            return false;
    return true;
}

static void copy_list(const struct record_type *type, const struct list *from, struct arena *arena,
                      struct list *to)
{
    to->items = from->count ? arena_alloc(arena, from->count * type->size) : NULL;
    to->count = from->count;
    for (size_t i = 0; i < from->count; i++)
        record_copy(type, (const char *)from->items + i * type->size, arena,
                    (char *)to->items + i * type->size);
}

void record_copy(const struct record_type *type, const void *from, struct arena *arena, void *to)
{
    if (to != from) memcpy(to, from, type->size);
    for (size_t i = 0; i < type->count; i++) {
        const struct field *field = &type->fields[i];
        const void *source = (const char *)from + field->offset;
        void *target = (char *)to + field->offset;
        switch (field->type) {
        case FIELD_BOOL:
        case FIELD_U64:
        case FIELD_F64: break;
        case FIELD_TEXT:
        case FIELD_BYTES:
        case FIELD_JSON:
            *(struct slice *)target = arena_slice(arena, *(const struct slice *)source);
            break;
        case FIELD_RECORD: record_copy(field->record(), source, arena, target); break;
        case FIELD_LIST: copy_list(field->record(), source, arena, target); break;
        }
    }
}

void record_merge(const struct record_type *type, void *into, const void *from)
{
    uint64_t present = *(const uint64_t *)from;
    *(uint64_t *)into |= present;
    for (size_t i = 0; i < type->count; i++) {
        const struct field *field = &type->fields[i];
        if (present >> i & 1)
            memcpy((char *)into + field->offset, (const char *)from + field->offset,
                   field_size(field));
    }
}
