/* The numbered files of migrations/ as text, in their order, in tables that the build writes. The
 * last entry's version is 0. */
#ifndef MILLRACE_RETRIEVER_MIGRATIONS_H
#define MILLRACE_RETRIEVER_MIGRATIONS_H

#include "workers/retriever/db.h"

struct migration {
    unsigned version; /* 1, 2, 3 ... without a gap */
    const char *name; /* "001_initial" */
    const char *sql;
};

extern const struct migration migrations_sqlite[];
extern const struct migration migrations_postgresql[];

/* A database's schema and how it knows its version. */
struct schema {
    const struct migration *migrations;
    err_t (*read_version)(struct db *db, unsigned *version); /* 0: nothing was ever migrated */
    err_t (*write_version)(struct db *db, unsigned version);
};

/* Brings the schema up to the newest migration. ERR_STORE_SCHEMA (logged) where it is newer than
 * that.
 */
err_t schema_migrate(struct db *db, const struct schema *schema, unsigned *from,
                     unsigned *to) MUST_USE;

#endif
