/* Numbered migrations, each in one transaction with the version that it leads to, which a table of
 * one row keeps. Like every write it runs under the advisory lock that db_begin takes. */
#include "common/log.h"
#include "workers/retriever/migrations.h"
#include "workers/retriever/postgres_db.h"

static unsigned newest(void)
{
    unsigned version = 0;
    for (const struct migration *m = migrations_postgresql; m->version; m++) version = m->version;
    return version;
}

/* 0 where nothing was ever migrated. */
static err_t read_version(struct db *db, unsigned *version)
{
    uint64_t exists = 0, kept = 0;
    err_t error = db_value(db, &exists, "SELECT to_regclass('millrace_schema') IS NOT NULL", "");
    if (!error && exists) error = db_value(db, &kept, "SELECT version FROM millrace_schema", "");
    if (!error) *version = (unsigned)kept;
    return error;
}

static err_t write_version(struct db *db, unsigned version)
{
    err_t error = db_script(db, "CREATE TABLE IF NOT EXISTS millrace_schema (version BIGINT)");
    if (!error) error = db_run(db, "DELETE FROM millrace_schema", "");
    if (error) return error;
    return db_run(db, "INSERT INTO millrace_schema (version) VALUES (?)", "i", (uint64_t)version);
}

/* Another process may have come first: the version is read again under the lock. */
static err_t apply_locked(struct db *db, const struct migration *migration)
{
    unsigned version = 0;
    err_t error = read_version(db, &version);
    if (error || version >= migration->version) return error;
    error = db_script(db, migration->sql);
    if (!error) error = write_version(db, migration->version);
    if (!error) log_info("store migrated to=%s", migration->name);
    return error;
}

static err_t apply(struct db *db, const struct migration *migration)
{
    err_t error = db_begin(db);
    if (error) return error;
    error = apply_locked(db, migration);
    if (!error) return db_commit(db);
    if (db_rollback(db)) log_warn("store rollback failed");
    log_error(
        "store: migration %s failed. The user needs the right to create tables (GRANT CREATE ON"
        " SCHEMA public TO ...) and the extension pgvector (Debian: postgresql-17-pgvector);"
        " where he may not create it himself, a superuser runs in this database:"
        " CREATE EXTENSION vector",
        migration->name);
    return error;
}

err_t postgres_migrate(struct postgres_db *base, unsigned *from, unsigned *to)
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
    for (const struct migration *m = migrations_postgresql; m->version; m++) {
        if (m->version <= *from) continue;
        if ((error = apply(db, m))) return error;
        *to = m->version;
    }
    return OK;
}
