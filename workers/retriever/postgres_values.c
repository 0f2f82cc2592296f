#include "workers/retriever/postgres_values.h"

#include <endian.h>
#include <stdlib.h>

/* Types by their numbers, which PostgreSQL never changes. */
enum { TYPE_BYTEA = 17, TYPE_INT8 = 20, TYPE_TEXT = 25, TYPE_FLOAT8 = 701 };

/* --- binding --- */

/* Texts have no NUL: the codec lets none in. */
static void add_bytes(struct postgres_values *values, Oid type, struct slice bytes)
{
    int i = values->count++;
    if (i == POSTGRES_VALUES_MAX || bytes.len > INT32_MAX) abort();
    values->types[i] = type;
    values->bytes[i] = bytes.ptr ? bytes.ptr : "";
    values->lengths[i] = (int)bytes.len;
    values->formats[i] = 1;
}

static void add_number(struct postgres_values *values, Oid type, uint64_t number)
{
    uint64_t *place = &values->numbers[values->count];
    *place = htobe64(number);
    add_bytes(values, type, (struct slice){(char *)place, sizeof(*place)});
}

static void add_real(struct postgres_values *values, double real)
{
    uint64_t bits;
    memcpy(&bits, &real, sizeof(bits));
    add_number(values, TYPE_FLOAT8, bits);
}

static void add_vector(struct postgres_values *values, Oid type, struct slice vector)
{
    add_bytes(values, type, vector);
    if (!vector.len) values->bytes[values->count - 1] = NULL;
}

void postgres_values_bind(struct postgres_values *values, Oid vector, const char *types,
                          va_list args)
{
    values->count = 0;
    for (; *types; types++) switch (*types) {
        case 'i': add_number(values, TYPE_INT8, va_arg(args, uint64_t)); break;
        case 'd': add_real(values, va_arg(args, double)); break;
        case 't': add_bytes(values, TYPE_TEXT, va_arg(args, struct slice)); break;
        case 's': add_bytes(values, TYPE_TEXT, slice_of(va_arg(args, const char *))); break;
        case 'v': add_vector(values, vector, va_arg(args, struct slice)); break;
        case 'b': add_bytes(values, TYPE_BYTEA, va_arg(args, struct slice)); break;
        default: abort();
        }
}

/* --- numbers and vectors --- */

static void put16(struct buffer *out, uint16_t value)
{
    value = htobe16(value);
    buffer_append(out, &value, sizeof(value));
}

static void put32(struct buffer *out, uint32_t value)
{
    value = htobe32(value);
    buffer_append(out, &value, sizeof(value));
}

void postgres_vector_head(struct buffer *vector, size_t dimensions)
{
    put16(vector, (uint16_t)dimensions);
    put16(vector, 0);
}

void postgres_vector_number(struct buffer *vector, float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof(bits));
    put32(vector, bits);
}

/* --- rows of COPY --- */

/* Signature, no flags, no extension. */
static void put_head(struct buffer *rows)
{
    if (rows->len) return;
    buffer_append(rows, "PGCOPY\n\377\r\n\0", 11);
    put32(rows, 0);
    put32(rows, 0);
}

static void put_value(struct buffer *rows, const char *bytes, int length)
{
    put32(rows, bytes ? (uint32_t)length : UINT32_MAX);
    if (bytes) buffer_append(rows, bytes, (size_t)length);
}

void postgres_row_of(struct buffer *rows, const char *types, va_list args)
{
    struct postgres_values values;
    postgres_values_bind(&values, 0, types, args);
    put_head(rows);
    put16(rows, (uint16_t)values.count);
    for (int i = 0; i < values.count; i++) put_value(rows, values.bytes[i], values.lengths[i]);
}

void postgres_row(struct buffer *rows, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    postgres_row_of(rows, types, args);
    va_end(args);
}

void postgres_rows_end(struct buffer *rows)
{
    put_head(rows);
    put16(rows, UINT16_MAX);
}
