/* The numbered files of migrations/ as text, in their order, in tables that the build writes. The
 * last entry's version is 0. */
#ifndef MILLRACE_RETRIEVER_MIGRATIONS_H
#define MILLRACE_RETRIEVER_MIGRATIONS_H

struct migration {
    unsigned version; /* 1, 2, 3 ... without a gap */
    const char *name; /* "001_initial" */
    const char *sql;
};

extern const struct migration migrations_sqlite[];
extern const struct migration migrations_postgresql[];

#endif
