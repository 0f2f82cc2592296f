/* Numbered migrations, each in one transaction with the version that it leads to (user_version,
 * which SQLite keeps in the file's header and rolls back with the rest). */
#include <stdio.h>

#include "common/log.h"
#include "workers/retriever/migrations.h"
#include "workers/retriever/sqlite_store.h"

static err_t read_version(struct db *db, unsigned *version)
{
    struct rows rows = db_select(db, "PRAGMA user_version", "");
    if (rows_next(&rows)) *version = (unsigned)rows_u64(&rows, 0);
    return rows_end(&rows);
}

static err_t write_version(struct db *db, unsigned version)
{
    char sql[64];
    snprintf(sql, sizeof(sql), "PRAGMA user_version = %u", version);
    return db_script(db, sql);
}

static unsigned newest(void)
{
    unsigned version = 0;
    for (const struct migration *m = migrations_sqlite; m->version; m++) version = m->version;
    return version;
}

/* Another process may have come first: the version is read again under the lock. */
static err_t apply(struct db *db, const struct migration *migration)
{
    unsigned version = 0;
    err_t error = db_begin(db);
    if (error) return error;
    error = read_version(db, &version);
    if (!error && version < migration->version) {
        error = db_script(db, migration->sql);
        if (!error) error = write_version(db, migration->version);
        if (!error) log_info("store migrated to=%s", migration->name);
    }
    if (!error) error = db_commit(db);
    if (error && db_rollback(db)) log_warn("store rollback failed");
    return error;
}

err_t sqlite_migrate(struct sqlite_db *base, unsigned *from, unsigned *to)
{
    struct db *db = &base->db;
    err_t error = read_version(db, from);
    if (error) return error;
    *to = *from;
    if (*from > newest()) {
        log_error("the store's schema is version %u, this program knows %u: upgrade it", *from,
                  newest());
        return ERR_STORE_SCHEMA;
    }
    for (const struct migration *m = migrations_sqlite; m->version; m++) {
        if (m->version <= *from) continue;
        if ((error = apply(db, m))) return error;
        *to = m->version;
    }
    return OK;
}
