#include "workers/generator/choice.h"

enum { FOLLOWERS_MAX = 6 }; /* items or lines behind "as follows:" */

bool choice_has(const struct choice *choice, size_t item)
{
    for (size_t i = 0; i < choice->count; i++)
        if (choice->items[i] == item) return true;
    return false;
}

void choice_add(const struct ranking *ranking, struct choice *choice, size_t item)
{
    if (choice->count == CHOICE_MAX || choice_has(choice, item)) return;
    if (!ranking_repeats(ranking, choice, item)) choice->items[choice->count++] = item;
}

static bool is_neighbour(const struct ranking *ranking, size_t item, size_t other)
{
    return other < ranking->count && ranking->items[item].passage == ranking->items[other].passage;
}

static bool ends_with_colon(const struct candidate *candidate)
{
    struct slice text = candidate->sentence.text;
    return text.len && text.ptr[text.len - 1] == ':';
}

static bool in_same_list(const struct ranking *ranking, size_t item, size_t other)
{
    const struct candidate *a = &ranking->items[item], *b = &ranking->items[other];
    return is_neighbour(ranking, item, other) && b->sentence.kind == SENTENCE_ITEM &&
           a->section == b->section;
}

void choice_spread_list(const struct ranking *ranking, size_t item, size_t bytes_max, size_t *first,
                        size_t *last)
{
    const struct candidate *candidate = &ranking->items[item];
    size_t bytes = candidate->sentence.text.len;
    *first = *last = item;
    if (candidate->sentence.kind != SENTENCE_ITEM || !(candidate->section & ranking->own)) return;
    if ((candidate->strong | candidate->weak) & ranking->own) return;
    while (*first > 0 && in_same_list(ranking, item, *first - 1)) {
        bytes += ranking->items[*first - 1].sentence.text.len;
        if (bytes > bytes_max) return;
        --*first;
    }
    while (in_same_list(ranking, item, *last + 1)) {
        bytes += ranking->items[*last + 1].sentence.text.len;
        if (bytes > bytes_max) return;
        ++*last;
    }
}

static void bring_predecessor(const struct ranking *ranking, struct choice *choice, size_t item)
{
    const struct candidate *items = ranking->items;
    if (items[item].leans && item > 0 && is_neighbour(ranking, item, item - 1) &&
        items[item - 1].sentence.block == items[item].sentence.block)
        choice_add(ranking, choice, item - 1);
}

static void bring_followers(const struct ranking *ranking, struct choice *choice, size_t item)
{
    if (!ends_with_colon(&ranking->items[item])) return;
    for (size_t next = item + 1; next <= item + FOLLOWERS_MAX; next++) {
        if (!is_neighbour(ranking, item, next)) return;
        if (ranking->items[next].sentence.kind == SENTENCE_PROSE) return;
        choice_add(ranking, choice, next);
    }
}

void choice_bring_neighbours(const struct ranking *ranking, struct choice *choice,
                             size_t list_bytes)
{
    size_t chosen = choice->count;
    for (size_t i = 0; i < chosen; i++) {
        size_t item = choice->items[i], first, last;
        bring_predecessor(ranking, choice, item);
        bring_followers(ranking, choice, item);
        choice_spread_list(ranking, item, list_bytes, &first, &last);
        for (; first <= last; first++) choice_add(ranking, choice, first);
    }
}

void choice_read_on(const struct ranking *ranking, struct choice *choice, size_t least)
{
    size_t item = choice->items[0];
    while (choice->count < least && is_neighbour(ranking, item, item + 1)) {
        item++;
        if (ranking->items[item].section != ranking->items[choice->items[0]].section) return;
        if (!ranking->items[item].overlaps) choice_add(ranking, choice, item);
    }
}

/* Where a candidate goes: first its document, then its passage, each by its best sentence. */
static uint64_t place_of(const struct ranking *ranking, const struct choice *by, size_t item)
{
    uint64_t document = by->count, passage = by->count;
    for (size_t i = by->count; i-- > 0;) {
        size_t other = by->items[i];
        if (ranking_view(ranking, other)->document == ranking_view(ranking, item)->document)
            document = i;
        if (ranking->items[other].passage == ranking->items[item].passage) passage = i;
    }
    return document << 48 | passage << 40 | item;
}

void choice_put_in_order(const struct ranking *ranking, struct choice *choice)
{
    const struct choice by = *choice;
    for (size_t i = 1; i < choice->count; i++) {
        size_t item = choice->items[i], to = i;
        uint64_t place = place_of(ranking, &by, item);
        for (; to > 0 && place_of(ranking, &by, choice->items[to - 1]) > place; to--)
            choice->items[to] = choice->items[to - 1];
        choice->items[to] = item;
    }
}

size_t ranking_overview(const struct ranking *ranking, unsigned document)
{
    size_t best = ranking->count;
    for (size_t i = 0; i < ranking->count; i++) {
        const struct candidate *candidate = &ranking->items[i];
        if (ranking_view(ranking, i)->document != document || candidate_is_line(candidate))
            continue;
        if (best == ranking->count || candidate->at < ranking->items[best].at) best = i;
    }
    return best;
}
