#include "deploy/cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/clock.h"

#define BAR_INTERVAL_MS  100
#define LINE_INTERVAL_MS 2000
#define BAR_WIDTH_LEAST  10
#define BAR_WIDTH_MOST   40

static size_t terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col) return 80;
    return size.ws_col;
}

struct progress progress_begin(const char *what, size_t total, uint64_t bytes_total, bool quiet)
{
    uint64_t now = clock_ms();
    return (struct progress){.what = what,
                             .total = total,
                             .bytes_total = bytes_total,
                             .terminal = isatty(STDOUT_FILENO),
                             .quiet = quiet,
                             .started_ms = now,
                             .shown_ms = now};
}

/* Of the bytes where they are counted: files differ in size. */
static double share_done(const struct progress *progress, size_t done, uint64_t bytes)
{
    if (progress->bytes_total) return (double)bytes / (double)progress->bytes_total;
    return progress->total ? (double)done / (double)progress->total : 1;
}

static void format_time_left(double seconds, char *out, size_t size)
{
    uint64_t left = (uint64_t)(seconds + .5);
    if (left >= 3600)
        snprintf(out, size, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, left / 3600, left / 60 % 60,
                 left % 60);
    else
        snprintf(out, size, "%" PRIu64 ":%02" PRIu64, left / 60, left % 60);
}

static void format_bar(double share, size_t room, char *out, size_t size)
{
    size_t width = MIN(room, (size_t)BAR_WIDTH_MOST);
    out[0] = '\0';
    if (room < BAR_WIDTH_LEAST || size < width + 4) return;
    size_t filled = (size_t)((double)width * share);
    out[0] = '[';
    for (size_t i = 0; i < width; i++) out[1 + i] = i < filled ? '#' : '.';
    memcpy(out + 1 + width, "] ", 3);
}

void progress_format(const struct progress *progress, size_t done, uint64_t bytes,
                     uint64_t elapsed_ms, bool bar, size_t width, char *out, size_t size)
{
    char left[32], figures[160], drawing[BAR_WIDTH_MOST + 8] = "";
    double seconds = (double)MAX(elapsed_ms, (uint64_t)1) / 1000;
    double share = share_done(progress, done, bytes);
    share = MIN(share, 1.0);
    format_time_left(share > 0 ? seconds / share - seconds : 0, left, sizeof(left));
    int len = snprintf(figures, sizeof(figures), "%3.0f%% %zu/%zu %s, %.0f/s", share * 100, done,
                       progress->total, progress->unit ? progress->unit : "files",
                       (double)done / seconds);
    if (progress->bytes_total)
        len += snprintf(figures + len, sizeof(figures) - (size_t)len, ", %.1f MB/s",
                        (double)bytes / 1e6 / seconds);
    snprintf(figures + len, sizeof(figures) - (size_t)len, ", %s left", share > 0 ? left : "?");
    size_t used = strlen(progress->what) + 1 + strlen(figures) + 3;
    if (bar) format_bar(share, width > used ? width - used - 1 : 0, drawing, sizeof(drawing));
    snprintf(out, size, "%s %s%s", progress->what, drawing, figures);
    if (strlen(out) >= width && width < size) out[width ? width - 1 : 0] = '\0';
}

static void show(struct progress *progress, size_t done, uint64_t bytes)
{
    char line[256];
    size_t width = progress->terminal ? terminal_width() : sizeof(line) - 1;
    uint64_t now = clock_ms();
    progress->shown_ms = now;
    progress_format(progress, done, bytes, now - progress->started_ms, progress->terminal, width,
                    line, sizeof(line));
    printf(progress->terminal ? "\r%s\033[K" : "%s\n", line);
    fflush(stdout);
}

void progress_show(struct progress *progress, size_t done, uint64_t bytes)
{
    uint64_t interval = progress->terminal ? BAR_INTERVAL_MS : LINE_INTERVAL_MS;
    if (!progress->quiet && clock_ms() - progress->shown_ms >= interval)
        show(progress, done, bytes);
}

void progress_end(struct progress *progress, size_t done, uint64_t bytes)
{
    if (progress->quiet) return;
    show(progress, done, bytes);
    if (progress->terminal) printf("\n");
}
