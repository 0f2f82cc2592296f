/* Numbered migrations, each in one transaction with the version that it leads to. Where that
 * version is kept is the database's own affair. */
#include "common/log.h"
#include "workers/retriever/migrations.h"

static unsigned newest(const struct migration *migrations)
{
    unsigned version = 0;
    for (const struct migration *m = migrations; m->version; m++) version = m->version;
    return version;
}

/* Another process may have come first: the version is read again under the lock. */
static err_t apply_locked(struct db *db, const struct schema *schema,
                          const struct migration *migration)
{
    unsigned version = 0;
    err_t error = schema->read_version(db, &version);
    if (error || version >= migration->version) return error;
    error = db_script(db, migration->sql);
    if (!error) error = schema->write_version(db, migration->version);
    if (!error) log_info("store migrated to=%s", migration->name);
    return error;
}

static err_t apply(struct db *db, const struct schema *schema, const struct migration *migration)
{
    err_t error = db_begin(db);
    if (error) return error;
    error = apply_locked(db, schema, migration);
    if (!error) error = db_commit(db);
    if (error && db_rollback(db)) log_warn("store rollback failed");
    return error;
}

/* Each connection finds it out, again and again while the process drains. */
static void say_newer(unsigned version, unsigned known)
{
    static bool said;
    if (__atomic_exchange_n(&said, true, __ATOMIC_RELAXED)) return;
    log_error("the store's schema is version %u, this program knows %u: run a newer program, or"
              " restore the backup from before the schema was migrated",
              version, known);
}

err_t schema_migrate(struct db *db, const struct schema *schema, unsigned *from, unsigned *to)
{
    unsigned known = newest(schema->migrations);
    err_t error = schema->read_version(db, from);
    if (error) return error;
    *to = *from;
    if (*from > known) {
        say_newer(*from, known);
        return ERR_STORE_SCHEMA;
    }
    for (const struct migration *m = schema->migrations; m->version; m++) {
        if (m->version <= *from) continue;
        if ((error = apply(db, schema, m))) return error;
        *to = m->version;
    }
    return OK;
}
