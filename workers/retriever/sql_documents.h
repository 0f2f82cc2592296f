/* A row of the table of documents, between those that read it and those that store one. */
#ifndef MILLRACE_RETRIEVER_SQL_DOCUMENTS_H
#define MILLRACE_RETRIEVER_SQL_DOCUMENTS_H

#include "workers/retriever/sql_store.h"

struct document_row {
    uint64_t id; /* 0: none */
    uint64_t portfolio_id, version;
    uint64_t first_chunk, chunks, bytes;
    struct slice source, format, metadata, title, given_title;
    struct slice status, error, hash;
};

err_t document_row(struct work *work, uint64_t id, struct document_row *row) MUST_USE;
/* *row has id 0 where no document of the portfolio has that source. */
err_t document_row_by_source(struct work *work, uint64_t portfolio_id, struct slice source,
                             struct document_row *row) MUST_USE;
err_t document_content(struct work *work, uint64_t id, struct slice *content) MUST_USE;

/* Inside a transaction. */
err_t document_reserve(struct work *work, struct document_row *row) MUST_USE; /* gives it an id */
err_t chunks_insert(struct work *work, struct document_row *row,
                    const struct ready_document *ready) MUST_USE; /* sets first_chunk, chunks */
err_t document_write(struct work *work, const struct document_row *row,
                     struct slice content) MUST_USE;
/* change_log of the row's chunks, under the version that portfolio_bump gave. */
err_t document_log(struct work *work, const struct document_row *row) MUST_USE;

#endif
