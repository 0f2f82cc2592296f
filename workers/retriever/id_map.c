/* Open addressing, at most half full; what follows a removed entry moves up into its place. */
#include "workers/retriever/id_map.h"

#include <stdlib.h>

struct id_map_entry {
    uint64_t id;
    uint32_t slot;
    bool used;
};

/* Knuth's multiplicative hash: ids are often consecutive. */
static size_t home_of(const struct id_map *map, uint64_t id)
{
    return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (map->capacity - 1);
}

/* Where the id is, or the free entry where it belongs. */
static size_t place_of(const struct id_map *map, uint64_t id)
{
    size_t at = home_of(map, id);
    while (map->entries[at].used && map->entries[at].id != id) at = (at + 1) & (map->capacity - 1);
    return at;
}

static void grow(struct id_map *map)
{
    struct id_map larger = {.capacity = map->capacity ? 2 * map->capacity : 64};
    larger.entries = xcalloc(larger.capacity, sizeof *larger.entries);
    for (size_t i = 0; i < map->capacity; i++)
        if (map->entries[i].used) id_map_put(&larger, map->entries[i].id, map->entries[i].slot);
    free(map->entries);
    *map = larger;
}

uint32_t id_map_find(const struct id_map *map, uint64_t id)
{
    if (!map->count) return ID_MAP_NONE;
    const struct id_map_entry *entry = &map->entries[place_of(map, id)];
    return entry->used ? entry->slot : ID_MAP_NONE;
}

void id_map_put(struct id_map *map, uint64_t id, uint32_t slot)
{
    if (2 * (map->count + 1) > map->capacity) grow(map);
    struct id_map_entry *entry = &map->entries[place_of(map, id)];
    map->count += !entry->used;
    *entry = (struct id_map_entry){id, slot, true};
}

void id_map_remove(struct id_map *map, uint64_t id)
{
    if (!map->count) return;
    size_t mask = map->capacity - 1, hole = place_of(map, id);
    if (!map->entries[hole].used) return;
    for (size_t at = (hole + 1) & mask; map->entries[at].used; at = (at + 1) & mask) {
        size_t from_home = (at - home_of(map, map->entries[at].id)) & mask;
        if (from_home < ((at - hole) & mask)) continue;
        map->entries[hole] = map->entries[at];
        hole = at;
    }
    map->entries[hole].used = false;
    map->count--;
}

size_t id_map_bytes(const struct id_map *map)
{
    return map->capacity * sizeof *map->entries;
}

void id_map_free(struct id_map *map)
{
    free(map->entries);
    *map = (struct id_map){0};
}
