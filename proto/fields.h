/* A record's fields are listed once; its struct, its msgpack codec and its JSON shape derive from
 * the list. A list is a macro that takes four others:
 *
 *     #define CITY_FIELDS(F, N, R, L) \
 *         F(TEXT, name)          a plain field
 *         N(U64, population)     a field that may be null (JSON shows null for zero)
 *         R(place, centre)       a nested record
 *         L(street, streets)     a list of records
 *
 *     RECORD_STRUCT(city, CITY_FIELDS)      in a header: struct city, city_type()
 *     RECORD_TYPE(city, CITY_FIELDS)        in one source file
 *
 * Every struct starts with `present`, one bit a field in the list's order: decoding sets the bit of
 * each field that it met, so that an update can tell "absent" from "zero". Encoding writes the
 * fields that are not zero and those whose bit is set. */
#ifndef MILLRACE_PROTO_FIELDS_H
#define MILLRACE_PROTO_FIELDS_H

#include "common/arena.h"

enum field_type {
    FIELD_BOOL,   /* bool */
    FIELD_U64,    /* uint64_t */
    FIELD_F64,    /* double */
    FIELD_TEXT,   /* struct slice, valid UTF-8 */
    FIELD_BYTES,  /* struct slice */
    FIELD_JSON,   /* struct slice: JSON text, a string in msgpack, a value in JSON */
    FIELD_RECORD, /* a nested struct */
    FIELD_LIST,   /* struct list */
};

/* An array of records. */
struct list {
    void *items;
    size_t count;
};

struct record_type;

struct field {
    const char *name;
    size_t name_len;
    enum field_type type;
    bool nullable;
    size_t offset;
    const struct record_type *(*record)(void); /* of RECORD and LIST */
};

struct record_type {
    const char *name;
    const struct field *fields;
    size_t count; /* at most 64 */
    size_t size;
};

/* The bytes that a field takes in its struct. */
size_t field_size(const struct field *field);
/* True for 0, false, "", an empty list, and a record of nothing else with no bit set. */
bool field_is_zero(const struct field *field, const void *at);
/* Copies a record whole, texts and lists included, into the arena. `to` has room for type->size. */
void record_copy(const struct record_type *type, const void *from, struct arena *arena, void *to);
/* Puts the fields that are present in `from` into `into`, by reference: an update. */
void record_merge(const struct record_type *type, void *into, const void *from);

#define FIELD_C_BOOL  bool
#define FIELD_C_U64   uint64_t
#define FIELD_C_F64   double
#define FIELD_C_TEXT  struct slice
#define FIELD_C_BYTES struct slice
#define FIELD_C_JSON  struct slice

#define FIELD_MEMBER(type, name)          FIELD_C_##type name;
#define FIELD_MEMBER_RECORD(record, name) struct record name;
#define FIELD_MEMBER_LIST(record, name)   struct list name;

#define RECORD_STRUCT(record, FIELDS)                                              \
    struct record {                                                                \
        uint64_t present;                                                          \
        FIELDS(FIELD_MEMBER, FIELD_MEMBER, FIELD_MEMBER_RECORD, FIELD_MEMBER_LIST) \
    };                                                                             \
    const struct record_type *record##_type(void);

/* `self` names the struct while its table is written. */
#define FIELD_PLAIN(type, name) \
    {#name, sizeof(#name) - 1, FIELD_##type, false, offsetof(self, name), NULL},
#define FIELD_NULLABLE(type, name) \
    {#name, sizeof(#name) - 1, FIELD_##type, true, offsetof(self, name), NULL},
#define FIELD_NESTED(record, name) \
    {#name, sizeof(#name) - 1, FIELD_RECORD, false, offsetof(self, name), record##_type},
#define FIELD_LISTED(record, name) \
    {#name, sizeof(#name) - 1, FIELD_LIST, false, offsetof(self, name), record##_type},

#define RECORD_TYPE(record, FIELDS)                                                 \
    const struct record_type *record##_type(void)                                   \
    {                                                                               \
        typedef struct record self __attribute__((unused));                         \
        static const struct field fields[] = {                                      \
            FIELDS(FIELD_PLAIN, FIELD_NULLABLE, FIELD_NESTED, FIELD_LISTED)};       \
        static const struct record_type type = {#record, fields, ARRAY_LEN(fields), \
                                                sizeof(struct record)};             \
        return &type;                                                               \
    }

#endif
