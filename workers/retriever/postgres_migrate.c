/* The schema's version is kept in a table of one row. Like every write a migration runs under the
 * advisory lock that db_begin takes. */
#include "workers/retriever/migrations.h"
#include "workers/retriever/postgres_db.h"

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

err_t postgres_migrate(struct postgres_db *base, unsigned *from, unsigned *to)
{
    static const struct schema schema = {
        migrations_postgresql, read_version, write_version,
        "The user needs the right to create tables (GRANT CREATE ON SCHEMA public TO ...) and the"
        " extension pgvector (Debian: postgresql-17-pgvector); where he may not create it himself, "
        "a"
        " superuser runs in this database: CREATE EXTENSION vector"};
    return schema_migrate(&base->db, &schema, from, to);
}
