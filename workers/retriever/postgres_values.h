/* Values as PostgreSQL takes them: binary, big-endian, by the letters of db.h and one more: v
 * struct slice, a vector in pgvector's binary form, NULL where it is empty. They go with a
 * statement, or into a row of COPY. */
#ifndef MILLRACE_RETRIEVER_POSTGRES_VALUES_H
#define MILLRACE_RETRIEVER_POSTGRES_VALUES_H

#include <libpq-fe.h>
#include <stdarg.h>

#include "common/buffer.h"

#define POSTGRES_VALUES_MAX 32

/* As libpq takes the parameters of a statement. Texts and bytes stay the caller's. */
struct postgres_values {
    int count;
    Oid types[POSTGRES_VALUES_MAX];
    const char *bytes[POSTGRES_VALUES_MAX]; /* NULL: the value is */
    int lengths[POSTGRES_VALUES_MAX], formats[POSTGRES_VALUES_MAX];
    uint64_t numbers[POSTGRES_VALUES_MAX];
};

/* `vector` is the number of pgvector's type in this database. */
void postgres_values_bind(struct postgres_values *values, Oid vector, const char *types,
                          va_list args);

/* Appends a vector in pgvector's binary form: its head, then number by number. */
void postgres_vector_head(struct buffer *vector, size_t dimensions);
void postgres_vector_number(struct buffer *vector, float number);

/* Appends a row in the form of COPY ... FROM STDIN BINARY, with the head before the first one. */
void postgres_row(struct buffer *rows, const char *types, ...);
void postgres_row_of(struct buffer *rows, const char *types, va_list args);
/* After the last one. */
void postgres_rows_end(struct buffer *rows);

#endif
