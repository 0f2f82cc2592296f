#include "deploy/cli/files.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "deploy/cli/cli.h"

static void add_file(struct file_list *list, const char *path, size_t source_at, uint64_t bytes)
{
    list->items = xgrow(list->items, &list->capacity, list->count + 1, sizeof(*list->items));
    char *copy = xstrdup(path);
    list->items[list->count++] =
        (struct file){.path = copy, .source = copy + source_at, .bytes = bytes};
    list->bytes += bytes;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* A link to a file counts as the file; one to a folder is not followed, it could lead round. */
static void visit(struct file_list *list, FTS *walk, FTSENT *entry, size_t source_at)
{
    struct stat status;
    bool hidden = entry->fts_name[0] == '.' && entry->fts_level > 0;
    if (hidden)
        fts_set(walk, entry, FTS_SKIP);
    else if (entry->fts_info == FTS_F)
        add_file(list, entry->fts_path, source_at, (uint64_t)entry->fts_statp->st_size);
    else if (entry->fts_info == FTS_SL && !stat(entry->fts_path, &status) &&
             S_ISREG(status.st_mode))
        add_file(list, entry->fts_path, source_at, (uint64_t)status.st_size);
    else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
        complain("cannot read %s: %s", entry->fts_path, strerror(entry->fts_errno));
}

static bool add_folder(struct file_list *list, const char *folder)
{
    char *roots[] = {xstrdup(folder), NULL};
    size_t len = strlen(folder);
    while (len > 1 && roots[0][len - 1] == '/') roots[0][--len] = '\0';
    size_t source_at = roots[0][len - 1] == '/' ? len : len + 1;
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    for (FTSENT *entry; walk && (entry = fts_read(walk));) visit(list, walk, entry, source_at);
    bool read = walk && !errno;
    if (walk) fts_close(walk);
    free(roots[0]);
    return read;
}

bool files_add(struct file_list *list, const char *argument)
{
    struct stat status;
    if (stat(argument, &status)) {
        complain("%s: %s", argument, strerror(errno));
        return false;
    }
    if (S_ISDIR(status.st_mode)) return add_folder(list, argument);
    const char *slash = strrchr(argument, '/');
    add_file(list, argument, slash ? (size_t)(slash + 1 - argument) : 0, (uint64_t)status.st_size);
    return true;
}

static int by_source(const void *a, const void *b)
{
    const struct file *const *left = a, *const *right = b;
    int order = strcmp((*left)->source, (*right)->source);
    return order ? order : (*left > *right) - (*left < *right);
}

void files_find_clashes(struct file_list *list)
{
    struct file **sorted = xcalloc(list->count, sizeof(struct file *));
    for (size_t i = 0; i < list->count; i++) sorted[i] = &list->items[i];
    qsort(sorted, list->count, sizeof(struct file *), by_source);
    for (size_t i = 1; i < list->count; i++)
        if (!strcmp(sorted[i - 1]->source, sorted[i]->source))
            sorted[i]->clash = sorted[i - 1]->path;
    free(sorted);
}

void files_free(struct file_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->items[i].path);
    free(list->items);
    *list = (struct file_list){0};
}
