/* The schema's version is user_version, which SQLite keeps in the file's header and rolls back with
 * the rest. */
#include <stdio.h>

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

err_t sqlite_migrate(struct sqlite_db *base, unsigned *from, unsigned *to)
{
    static const struct schema schema = {migrations_sqlite, read_version, write_version};
    return schema_migrate(&base->db, &schema, from, to);
}
