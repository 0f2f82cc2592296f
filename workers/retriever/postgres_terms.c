#include "workers/retriever/postgres_terms.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "workers/retriever/chunk_languages.h"

#define LANGUAGE_MARK ':' /* no word has it */
#define SQL_MAX       512

/* --- the tally --- */

void terms_tally_add(struct terms_tally *tally, struct slice term, int64_t chunks)
{
    if (!tally->lexicon) tally->lexicon = lexicon_new();
    uint32_t known = lexicon_count(tally->lexicon), number = lexicon_add(tally->lexicon, term);
    tally->counts =
        xgrow(tally->counts, &tally->capacity, (size_t)number + 1, sizeof(*tally->counts));
    if (number == known) tally->counts[number] = 0;
    tally->counts[number] += chunks;
}

void terms_tally_free(struct terms_tally *tally)
{
    lexicon_destroy(&tally->lexicon);
    free(tally->counts);
    *tally = (struct terms_tally){0};
}

struct slice terms_of_language(struct slice language)
{
    static _Thread_local char term[16];
    const char *code = language_code(language_at(chunk_language_number(language)));
    int len = snprintf(term, sizeof(term), "%c%s", LANGUAGE_MARK, code);
    return (struct slice){term, (size_t)len};
}

err_t terms_take_out(struct db *db, uint64_t portfolio_id, const struct chunk_range *range,
                     struct terms_tally *tally)
{
    struct rows rows = db_select(
        db,
        "WITH gone AS (DELETE FROM rag_posting WHERE portfolio_id = ? AND chunk_id BETWEEN ? AND ?"
        " RETURNING term) SELECT term, count(*) FROM gone GROUP BY term",
        "iii", portfolio_id, range->first, range->last);
    while (rows_next(&rows))
        terms_tally_add(tally, rows_text(&rows, 0), -(int64_t)rows_u64(&rows, 1));
    return rows_end(&rows);
}

/* A term that came as often as it went has not changed: nobody is told of it. */
static void list_changed(const struct terms_tally *tally, struct buffer *terms,
                         struct buffer *counts)
{
    uint32_t count = tally->lexicon ? lexicon_count(tally->lexicon) : 0;
    for (uint32_t i = 0; i < count; i++) {
        char number[24];
        if (!tally->counts[i]) continue;
        int len = snprintf(number, sizeof(number), "%" PRId64, tally->counts[i]);
        if (terms->len) buffer_append_char(terms, ' ');
        if (counts->len) buffer_append_char(counts, ' ');
        buffer_append_slice(terms, lexicon_text(tally->lexicon, i));
        buffer_append(counts, number, (size_t)len);
    }
}

err_t terms_store(struct db *db, uint64_t portfolio_id, uint64_t version,
                  const struct terms_tally *tally)
{
    struct buffer terms = {0}, counts = {0};
    char sql[SQL_MAX];
    list_changed(tally, &terms, &counts);
    snprintf(sql, sizeof(sql),
             "INSERT INTO rag_term_%" PRIu64 " AS t (portfolio_id, term, chunks, version)"
             " SELECT ?1, c.term, c.chunks::bigint, ?2"
             " FROM ROWS FROM (string_to_table(?3, ' '), string_to_table(?4, ' '))"
             " AS c (term, chunks) ON CONFLICT (portfolio_id, term)"
             " DO UPDATE SET chunks = t.chunks + excluded.chunks, version = excluded.version",
             portfolio_id);
    struct rows rows = postgres_db_ask((struct postgres_db *)db, sql, "iitt", portfolio_id, version,
                                       buffer_slice(&terms), buffer_slice(&counts));
    buffer_free(&terms);
    buffer_free(&counts);
    return rows_end(&rows);
}

/* --- what retrievers are told --- */

static err_t read_size(struct db *db, uint64_t portfolio_id, uint64_t since,
                       struct terms_change *change)
{
    struct rows rows = db_select(
        db, "SELECT version, made, chunks, terms FROM rag_searched WHERE portfolio_id = ?", "i",
        portfolio_id);
    if (rows_next(&rows)) {
        uint64_t made = rows_u64(&rows, 1);
        change->whole = !since || made > since;
        change->version = made ? rows_u64(&rows, 0) : 0;
        change->chunks = rows_u64(&rows, 2);
        change->length = rows_u64(&rows, 3);
    }
    return rows_end(&rows);
}

/* The rarest last: they are passed over where there are too many. */
static struct rows select_terms(struct db *db, uint64_t portfolio_id, uint64_t since)
{
    return db_select(db,
                     "SELECT term, chunks FROM rag_term WHERE portfolio_id = ? AND version > ?"
                     " ORDER BY chunks DESC LIMIT ?",
                     "iii", portfolio_id, since, (uint64_t)PORTFOLIO_TERMS_MAX + 1);
}

static err_t read_snapshot(struct db *db, uint64_t portfolio_id, uint64_t since,
                           struct terms_change *change)
{
    err_t error = read_size(db, portfolio_id, since, change);
    if (error || change->version == since) return error;
    change->rows = select_terms(db, portfolio_id, change->whole ? 0 : since);
    return change->rows.error;
}

err_t terms_read(struct db *db, uint64_t portfolio_id, uint64_t since, struct terms_change *change)
{
    *change = (struct terms_change){0};
    err_t error = postgres_db_snapshot((struct postgres_db *)db);
    return error ? error : db_end(db, read_snapshot(db, portfolio_id, since, change));
}

bool terms_tell(struct terms_change *change, struct portfolio_terms *terms)
{
    struct rows *rows = &change->rows;
    if (!rows->handle || !rows_next(rows)) return false;
    struct slice term = rows_text(rows, 0);
    uint64_t chunks = rows_u64(rows, 1);
    if (term.len && term.ptr[0] == LANGUAGE_MARK)
        portfolio_terms_put_language(terms, (struct slice){term.ptr + 1, term.len - 1}, chunks);
    else
        portfolio_terms_put(terms, term, chunks);
    return true;
}

void terms_change_free(struct terms_change *change)
{
    if (change->rows.handle) (void)!rows_end(&change->rows);
    *change = (struct terms_change){0};
}
