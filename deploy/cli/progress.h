/* How far a long piece of work has come: a bar on a terminal, a plain line now and then elsewhere.
 */
#ifndef MILLRACE_CLI_PROGRESS_H
#define MILLRACE_CLI_PROGRESS_H

#include "common/base.h"

struct progress {
    const char *what; /* "loading" */
    size_t total;
    uint64_t bytes_total; /* 0: not counted */
    bool terminal;
    bool quiet;
    uint64_t started_ms, shown_ms;
    const char *unit; /* of `total`; NULL: "files" */
};

struct progress progress_begin(const char *what, size_t total, uint64_t bytes_total, bool quiet);
/* Shows that `done` of `total`, `bytes` bytes are done; as often as it is called, shown at most a
 * few times a second. */
void progress_show(struct progress *progress, size_t done, uint64_t bytes);
/* Shows it a last time and leaves the line. */
void progress_end(struct progress *progress, size_t done, uint64_t bytes);

/* One line of at most `width` columns for work that has taken `elapsed_ms`: share, counts, rate,
 * time left; with a bar where there is room for one and `bar` says so. */
void progress_format(const struct progress *progress, size_t done, uint64_t bytes,
                     uint64_t elapsed_ms, bool bar, size_t width, char *out, size_t size);

#endif
