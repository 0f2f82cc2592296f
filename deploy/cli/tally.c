#include "deploy/cli/tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SKIPPED_SHOWN 20
#define FAILED_SHOWN  200

size_t tally_done(const struct tally *tally)
{
    return tally->stored + tally->unchanged + tally->skipped.count + tally->failed.count;
}

void tally_trouble(struct trouble_list *list, const struct file *file, const char *why)
{
    list->items = xgrow(list->items, &list->capacity, list->count + 1, sizeof(*list->items));
    list->items[list->count++] = (struct trouble){file, xstrdup(why)};
}

void tally_wait(struct tally *tally, uint64_t id, const struct file *file)
{
    tally->waiting = xgrow(tally->waiting, &tally->waiting_capacity, tally->waiting_count + 1,
                           sizeof(*tally->waiting));
    tally->waiting[tally->waiting_count++] = (struct waiting){id, file};
}

static void print_troubles(const char *title, const struct trouble_list *list, size_t most)
{
    if (!list->count) return;
    printf("%s:\n", title);
    for (size_t i = 0; i < MIN(list->count, most); i++)
        printf("  %s: %s\n", list->items[i].file->path, list->items[i].why);
    if (list->count > most) printf("  ... and %zu more\n", list->count - most);
}

void tally_print(const struct tally *tally, uint64_t elapsed_ms, bool quiet)
{
    if (!quiet) print_troubles("skipped", &tally->skipped, SKIPPED_SHOWN);
    print_troubles("failed", &tally->failed, FAILED_SHOWN);
    if (quiet && !tally->failed.count) return;
    printf("%zu stored (%" PRIu64 " chunks), %zu unchanged, %zu skipped, %zu failed in %.1f s\n",
           tally->stored, tally->chunks, tally->unchanged, tally->skipped.count,
           tally->failed.count, (double)elapsed_ms / 1000);
}

static void free_troubles(struct trouble_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->items[i].why);
    free(list->items);
}

void tally_free(struct tally *tally)
{
    free_troubles(&tally->skipped);
    free_troubles(&tally->failed);
    free(tally->waiting);
    *tally = (struct tally){0};
}
