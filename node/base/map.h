/* Map: from keys of bytes to pointers.
 *
 * Open addressing with linear probing, at most three quarters full. Keys are hashed with SipHash-2-4 under a random
 * seed, so who chooses the keys cannot choose the collisions. A removal moves the entries behind it up, so there
 * are no tombstones and lookups stay short. An empty map holds no memory.
 *
 * Keys are borrowed until they are removed: they usually lie in what the value points to. No lock inside. */

#ifndef THSI_NODE_BASE_MAP_H
#define THSI_NODE_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "thiasos/env.h"

struct thsi_map_entry {
    uint64_t hash;
    const void *key;  /* NULL: free */
    size_t key_len;
    void *value;
};

struct thsi_map {
    struct ths_env *env;
    struct thsi_map_entry *entries;
    size_t cap;       /* 0 or a power of two */
    size_t count;
    uint64_t seed[2];
};

/* Empty. Draws the seed from @env, which is borrowed until fini. */
void thsi_map_init(struct thsi_map *map, struct ths_env *env);

/* Frees the table, not the values. */
void thsi_map_fini(struct thsi_map *map);

/* Add @key, which is not NULL, with @value, which is not NULL either.
 * Errors: NAME_TAKEN (the key is in; its value stays), NOMEM. */
THS_MUST_CHECK enum ths_err thsi_map_put(struct thsi_map *map, const void *key, size_t key_len, void *value);

/* The value of @key, or NULL. */
void *thsi_map_get(const struct thsi_map *map, const void *key, size_t key_len);

/* Remove @key. Returns its value, or NULL when it was not in. */
void *thsi_map_remove(struct thsi_map *map, const void *key, size_t key_len);

/* Iterate, in no useful order: size_t at = 0; while ((entry = thsi_map_next(&map, &at))) ... Lends until the next put
 * or remove, which ends the iteration. */
const struct thsi_map_entry *thsi_map_next(const struct thsi_map *map, size_t *at);

/* Assert everything believed about the map. For tests. */
void thsi_map_check(const struct thsi_map *map);

/* SipHash-2-4 of @data under @seed. Pure. */
uint64_t thsi_hash(const uint64_t seed[2], const void *data, size_t len);

#endif /* THSI_NODE_BASE_MAP_H */
