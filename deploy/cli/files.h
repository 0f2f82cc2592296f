/* The files that `millrace ingest` was asked to load. */
#ifndef MILLRACE_CLI_FILES_H
#define MILLRACE_CLI_FILES_H

#include "common/base.h"

struct file {
    char *path;
    const char *source; /* what the server knows it by; points into path */
    uint64_t bytes;
    const char *clash; /* path of another file with this source, that goes first; NULL: none */
};

struct file_list {
    struct file *items;
    size_t count, capacity;
    uint64_t bytes;
};

/* Adds a file by its own name, or all files below a folder by their paths relative to it, in
 * alphabetical order; hidden ones (.git ...) stay out. False (said) when there is no such thing. */
bool files_add(struct file_list *list, const char *argument) MUST_USE;
/* Finds files that would replace each other. Call it when all have been added. */
void files_find_clashes(struct file_list *list);
void files_free(struct file_list *list);

#endif
