#include "proto/copy.h"

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
