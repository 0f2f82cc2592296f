/* What has become of the files of one `millrace ingest`. */
#ifndef MILLRACE_CLI_TALLY_H
#define MILLRACE_CLI_TALLY_H

#include "deploy/cli/files.h"

struct trouble {
    const struct file *file;
    char *why;
};

struct trouble_list {
    struct trouble *items;
    size_t count, capacity;
};

/* A document whose vectors are still to come. */
struct waiting {
    uint64_t id;
    const struct file *file;
};

struct tally {
    size_t stored, unchanged;
    uint64_t chunks;
    struct trouble_list skipped; /* no text in them: nobody's fault */
    struct trouble_list failed;
    struct waiting *waiting;
    size_t waiting_count, waiting_capacity;
};

size_t tally_done(const struct tally *tally); /* files that are through with uploading */
void tally_trouble(struct trouble_list *list, const struct file *file, const char *why);
void tally_wait(struct tally *tally, uint64_t id, const struct file *file);
/* The summary, and every file that was left out or failed with its reason. */
void tally_print(const struct tally *tally, uint64_t elapsed_ms, bool quiet);
void tally_free(struct tally *tally);

#endif
