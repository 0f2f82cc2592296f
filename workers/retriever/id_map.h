/* Slots by the ids of their owners. */
#ifndef MILLRACE_RETRIEVER_ID_MAP_H
#define MILLRACE_RETRIEVER_ID_MAP_H

#include "common/base.h"

#define ID_MAP_NONE UINT32_MAX

/* Zero-initialised is empty. Ids may be any number. */
struct id_map {
    struct id_map_entry *entries;
    size_t count, capacity;
};

uint32_t id_map_find(const struct id_map *map, uint64_t id); /* ID_MAP_NONE if it is not there */
void id_map_put(struct id_map *map, uint64_t id, uint32_t slot);
void id_map_remove(struct id_map *map, uint64_t id);
size_t id_map_bytes(const struct id_map *map);
void id_map_free(struct id_map *map);

#endif
