/* Statements whose texts are made at run time, such as those that name a portfolio's own tables: a
 * connection keeps the last ones prepared, so that a question is neither parsed nor planned again.
 * Which table and which index is in the text: nothing is left that a plan made for one question
 * could choose wrongly for the next. */
#ifndef MILLRACE_RETRIEVER_POSTGRES_ASKED_H
#define MILLRACE_RETRIEVER_POSTGRES_ASKED_H

#include "common/base.h"

#define POSTGRES_ASKED_MAX 256 /* the server keeps some ten kilobytes for each */

struct postgres_asked; /* zeroed by xcalloc is empty; one connection's */

struct postgres_statement {
    const char *sql;
    bool prepared;
};

struct postgres_asked *postgres_asked_new(void) MUST_USE;
void postgres_asked_destroy(struct postgres_asked **asked);
/* The statement of that text, which is copied; *number is its place. Where there is no room the one
 * that was asked longest ago goes: *gone says that it was prepared and is to be deallocated. */
struct postgres_statement *postgres_asked_find(struct postgres_asked *asked, const char *sql,
                                               size_t *number, bool *gone);
/* The connection is lost, and what was prepared on it. */
void postgres_asked_forget(struct postgres_asked *asked);

#endif
