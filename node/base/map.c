/* Map with keyed hash. The hash is SipHash-2-4 of J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input
 * PRF" (2012), section 2. */

#include "node/base/map.h"

#include <assert.h>
#include <string.h>

enum { CAP_MIN = 8 };

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void rounds(uint64_t v[4], unsigned count)
{
    while (count-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

/* Up to eight bytes, the first in the lowest place. */
static uint64_t read_word(const uint8_t *at, size_t len)
{
    uint64_t word = 0;

    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)at[i] << 8 * i;
    return word;
}

uint64_t thsi_hash(const uint64_t seed[2], const void *data, size_t len)
{
    uint64_t v[4] = {
        seed[0] ^ UINT64_C(0x736f6d6570736575),
        seed[1] ^ UINT64_C(0x646f72616e646f6d),
        seed[0] ^ UINT64_C(0x6c7967656e657261),
        seed[1] ^ UINT64_C(0x7465646279746573),
    };
    const uint8_t *at = data;
    size_t left = len;
    uint64_t word;

    for (; left >= 8; left -= 8, at += 8) {
        word = read_word(at, 8);
        v[3] ^= word;
        rounds(v, 2);
        v[0] ^= word;
    }
    word = read_word(at, left) | (uint64_t)len << 56;
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The entry that holds @key, or the free one where it would go. The table has at least one free entry. */
static struct thsi_map_entry *find(const struct thsi_map *map, uint64_t hash, const void *key, size_t key_len)
{
    size_t at = hash & (map->cap - 1);

    for (;; at = (at + 1) & (map->cap - 1)) {
        struct thsi_map_entry *entry = &map->entries[at];
        if (!entry->key)
            return entry;
        if (entry->hash == hash && entry->key_len == key_len && memcmp(entry->key, key, key_len) == 0)
            return entry;
    }
}

/* Double the table, so that one more entry leaves a quarter free. */
static enum ths_err grow(struct thsi_map *map)
{
    struct thsi_map wider = *map;

    wider.cap = map->cap ? map->cap * 2 : CAP_MIN;
    wider.entries = map->env->memory(map->env, NULL, wider.cap * sizeof *wider.entries);
    if (!wider.entries)
        return THS_NOMEM;
    memset(wider.entries, 0, wider.cap * sizeof *wider.entries);
    for (size_t i = 0; i < map->cap; i++) {
        const struct thsi_map_entry *entry = &map->entries[i];
        if (entry->key)
            *find(&wider, entry->hash, entry->key, entry->key_len) = *entry;
    }
    (void)map->env->memory(map->env, map->entries, 0);
    *map = wider;
    return THS_OK;
}

void thsi_map_init(struct thsi_map *map, struct ths_env *env)
{
    *map = (struct thsi_map){ .env = env };
    env->random(env, map->seed, sizeof map->seed);
}

void thsi_map_fini(struct thsi_map *map)
{
    (void)map->env->memory(map->env, map->entries, 0);
    map->entries = NULL;
    map->cap = map->count = 0;
}

enum ths_err thsi_map_put(struct thsi_map *map, const void *key, size_t key_len, void *value)
{
    uint64_t hash = thsi_hash(map->seed, key, key_len);
    struct thsi_map_entry *entry;

    assert(key);
    assert(value);

    if (map->cap && find(map, hash, key, key_len)->key)
        return THS_NAME_TAKEN;
    if (map->count + 1 > map->cap / 4 * 3 && grow(map) != THS_OK)
        return THS_NOMEM;
    entry = find(map, hash, key, key_len);
    *entry = (struct thsi_map_entry){ hash, key, key_len, value };
    map->count++;
    return THS_OK;
}

void *thsi_map_get(const struct thsi_map *map, const void *key, size_t key_len)
{
    if (!map->cap)
        return NULL;
    return find(map, thsi_hash(map->seed, key, key_len), key, key_len)->value;
}

void *thsi_map_remove(struct thsi_map *map, const void *key, size_t key_len)
{
    size_t mask = map->cap - 1;
    struct thsi_map_entry *entry;
    size_t hole, at;
    void *value;

    if (!map->cap)
        return NULL;
    entry = find(map, thsi_hash(map->seed, key, key_len), key, key_len);
    if (!entry->key)
        return NULL;
    value = entry->value;
    hole = (size_t)(entry - map->entries);
    /* Move up each entry of the run behind whose search would otherwise end at the hole. */
    for (at = (hole + 1) & mask; map->entries[at].key; at = (at + 1) & mask) {
        size_t home = map->entries[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole] = (struct thsi_map_entry){ 0, NULL, 0, NULL };
    map->count--;
    return value;
}

const struct thsi_map_entry *thsi_map_next(const struct thsi_map *map, size_t *at)
{
    while (*at < map->cap) {
        const struct thsi_map_entry *entry = &map->entries[(*at)++];
        if (entry->key)
            return entry;
    }
    return NULL;
}

void thsi_map_check(const struct thsi_map *map)
{
    size_t count = 0;

    assert((map->cap & (map->cap - 1)) == 0);
    for (size_t i = 0; i < map->cap; i++) {
        const struct thsi_map_entry *entry = &map->entries[i];
        if (!entry->key)
            continue;
        count++;
        assert(entry->hash == thsi_hash(map->seed, entry->key, entry->key_len));
        assert(find(map, entry->hash, entry->key, entry->key_len) == entry);
    }
    assert(count == map->count);
    assert(count <= map->cap / 4 * 3);
}
