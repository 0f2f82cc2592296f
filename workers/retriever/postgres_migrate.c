/* The schema's version is kept in a table of one row. Like every write a migration runs under the
 * advisory lock that db_begin takes. A database that was restored is told as such. */
#include <inttypes.h>

#include "common/buffer.h"
#include "common/log.h"
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

/* What the database's operator has to do so that this user can have the schema: a line each. */
static const char advice[] =
    "SELECT 'Install pgvector on the database server (Debian: postgresql-17-pgvector)'"
    " WHERE NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')"
    " UNION ALL"
    " SELECT 'A superuser runs in this database: CREATE EXTENSION vector'"
    " FROM pg_roles WHERE to_regtype('vector') IS NULL AND rolname = current_user AND NOT rolsuper"
    " UNION ALL"
    " SELECT format('The owner of the database runs in it: GRANT USAGE, CREATE ON SCHEMA public TO"
    " %I', current_user)"
    " WHERE current_schema() IS NULL OR NOT has_schema_privilege(current_schema(), 'CREATE')"
    " UNION ALL"
    " SELECT format('The tables are those of %1$I: connect as that user, or a superuser runs in"
    " this database: REASSIGN OWNED BY %1$I TO %2$I', pg_get_userbyid(relowner), current_user)"
    " FROM pg_class WHERE oid = to_regclass('millrace_schema') AND NOT pg_has_role(relowner, "
    "'USAGE')";

static void advise(struct postgres_db *db)
{
    struct rows rows = db_select(&db->db, advice, "");
    while (rows_next(&rows)) {
        struct buffer text = {0};
        buffer_append_slice(&text, rows_text(&rows, 0));
        buffer_append_char(&text, '\0');
        postgres_db_say(db, text.data);
        buffer_free(&text);
    }
    if (rows_end(&rows)) log_debug("store: nobody can tell what is missing");
}

err_t postgres_migrate(struct postgres_db *base, unsigned *from, unsigned *to)
{
    static const struct schema schema = {migrations_postgresql, read_version, write_version};
    err_t error = schema_migrate(&base->db, &schema, from, to);
    if (error == ERR_STORE_FAILED) advise(base);
    return error;
}

err_t postgres_recognise(struct postgres_db *db)
{
    uint64_t version = 0;
    err_t error = db_value(&db->db, &version, "SELECT millrace_restored()", "");
    if (!error && version)
        log_warn("store: this database was restored or moved: versions go on from %" PRIu64
                 ", so that no cache answers with what it kept before",
                 version);
    return error;
}
