#include "proto/records.h"

#define RECORD_DEFINE(name, NAME) RECORD_TYPE(name, NAME##_FIELDS)
RECORD_LIST(RECORD_DEFINE)

static size_t field_bytes(const struct field *field)
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

void record_merge(const struct record_type *type, void *into, const void *from)
{
    uint64_t present = *(const uint64_t *)from;
    *(uint64_t *)into |= present;
    for (size_t i = 0; i < type->count; i++) {
        const struct field *field = &type->fields[i];
        if (present >> i & 1)
            memcpy((char *)into + field->offset, (const char *)from + field->offset,
                   field_bytes(field));
    }
}
