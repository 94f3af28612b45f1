#include "tools/words.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/map.h"

enum { CAP_MIN = 64, BLOCK_SIZE = 64 << 10 };

struct thsi_words_block {
    struct thsi_words_block *next;
    size_t used, size;
    char letters[];
};

void thsi_words_init(struct thsi_words *words, struct ths_env *env, size_t bytes_max)
{
    *words = (struct thsi_words){ .env = env, .bytes_max = bytes_max };
    env->random(env, words->seed, sizeof words->seed);
}

void thsi_words_fini(struct thsi_words *words)
{
    struct thsi_words_block *block = words->blocks, *next;

    for (; block; block = next) {
        next = block->next;
        words->env->memory(words->env, block, 0);
    }
    words->env->memory(words->env, words->places, 0);
    words->blocks = NULL;
    words->places = NULL;
    words->cap = words->count = words->bytes = 0;
    words->total = 0;
}

/* Memory within the bound. */
static enum ths_err allocate(struct thsi_words *words, size_t size, void **out)
{
    if (size > words->bytes_max - words->bytes)
        return THS_TOO_MANY;
    *out = words->env->memory(words->env, NULL, size);
    if (!*out)
        return THS_NOMEM;
    words->bytes += size;
    return THS_OK;
}

/* ---- Places ----------------------------------------------------------------------------- */

/* Where the word is, or where it would go. There is always a free place. */
static size_t find(const struct thsi_words *words, uint64_t hash, const char *letters, size_t len)
{
    size_t at = hash & (words->cap - 1);

    while (words->places[at].letters) {
        const struct thsi_word *word = &words->places[at];

        if (word->hash == hash && word->len == len && memcmp(word->letters, letters, len) == 0)
            break;
        at = (at + 1) & (words->cap - 1);
    }
    return at;
}

/* Make room for one more at three quarters full. */
static enum ths_err reserve_place(struct thsi_words *words)
{
    size_t cap = words->cap ? words->cap * 2 : CAP_MIN;
    struct thsi_word *old = words->places;
    void *places;
    enum ths_err err;

    if (words->cap && words->count < words->cap / 4 * 3)
        return THS_OK;
    if (cap > SIZE_MAX / sizeof *old)
        return THS_TOO_MANY;
    err = allocate(words, cap * sizeof *old, &places);
    if (err != THS_OK)
        return err;
    memset(places, 0, cap * sizeof *old);
    for (size_t i = 0; i < words->cap; i++) {
        size_t at = old[i].hash & (cap - 1);

        if (!old[i].letters)
            continue;
        while (((struct thsi_word *)places)[at].letters)
            at = (at + 1) & (cap - 1);
        ((struct thsi_word *)places)[at] = old[i];
    }
    words->env->memory(words->env, old, 0);
    words->bytes -= words->cap * sizeof *old;
    words->places = places;
    words->cap = cap;
    return THS_OK;
}

/* A copy of the letters, in the first block or in a new one. */
static enum ths_err keep_letters(struct thsi_words *words, const char *letters, size_t len, const char **out)
{
    struct thsi_words_block *block = words->blocks;
    enum ths_err err;

    if (!block || len + 1 > block->size - block->used) {
        size_t size = len + 1 > BLOCK_SIZE ? len + 1 : BLOCK_SIZE;
        void *memory;

        err = allocate(words, sizeof *block + size, &memory);
        if (err != THS_OK)
            return err;
        block = memory;
        block->next = words->blocks;
        block->used = 0;
        block->size = size;
        words->blocks = block;
    }
    memcpy(block->letters + block->used, letters, len);
    block->letters[block->used + len] = '\0';
    *out = block->letters + block->used;
    block->used += len + 1;
    return THS_OK;
}

static enum ths_err add_hashed(struct thsi_words *words, uint64_t hash, const char *letters, size_t len, uint64_t count)
{
    enum ths_err err = reserve_place(words);
    const char *kept;
    size_t at;

    if (err != THS_OK)
        return err;
    at = find(words, hash, letters, len);
    if (!words->places[at].letters) {
        err = keep_letters(words, letters, len, &kept);
        if (err != THS_OK)
            return err;
        words->places[at] = (struct thsi_word){ .letters = kept, .len = (uint32_t)len, .hash = hash };
        words->count++;
    }
    words->places[at].count += count;
    words->total += count;
    return THS_OK;
}

enum ths_err thsi_words_add(struct thsi_words *words, const char *letters, size_t len, uint64_t count)
{
    assert(len > 0 && len <= UINT32_MAX);
    return add_hashed(words, thsi_hash(words->seed, letters, len), letters, len, count);
}

enum ths_err thsi_words_merge(struct thsi_words *words, const struct thsi_words *from)
{
    const struct thsi_word *word;
    enum ths_err err = THS_OK;
    size_t at = 0;

    while (err == THS_OK && (word = thsi_words_next(from, &at)))
        err = thsi_words_add(words, word->letters, word->len, word->count);
    return err;
}

uint64_t thsi_words_get(const struct thsi_words *words, const char *letters, size_t len)
{
    if (words->count == 0)
        return 0;
    return words->places[find(words, thsi_hash(words->seed, letters, len), letters, len)].count;
}

const struct thsi_word *thsi_words_next(const struct thsi_words *words, size_t *at)
{
    while (*at < words->cap) {
        const struct thsi_word *word = &words->places[(*at)++];

        if (word->letters)
            return word;
    }
    return NULL;
}

const struct thsi_word *thsi_words_difference(const struct thsi_words *a, const struct thsi_words *b)
{
    const struct thsi_word *word;
    size_t at = 0;

    while ((word = thsi_words_next(a, &at)))
        if (thsi_words_get(b, word->letters, word->len) != word->count)
            return word;
    if (a->count == b->count)
        return NULL;
    at = 0;
    while ((word = thsi_words_next(b, &at)))
        if (thsi_words_get(a, word->letters, word->len) != word->count)
            return word;
    return NULL;
}

/* ---- Orders ----------------------------------------------------------------------------- */

static int compare_letters(const void *a, const void *b)
{
    const struct thsi_word *left = *(const struct thsi_word *const *)a;
    const struct thsi_word *right = *(const struct thsi_word *const *)b;

    return strcmp(left->letters, right->letters);
}

const struct thsi_word **thsi_words_by_letters(const struct thsi_words *words)
{
    const struct thsi_word **list;
    const struct thsi_word *word;
    size_t at = 0, count = 0;

    if (words->count == 0)
        return NULL;
    list = words->env->memory(words->env, NULL, words->count * sizeof *list);
    if (!list)
        return NULL;
    while ((word = thsi_words_next(words, &at)))
        list[count++] = word;
    qsort(list, count, sizeof *list, compare_letters);
    return list;
}

static bool is_above(const struct thsi_word *a, const struct thsi_word *b)
{
    return a->count != b->count ? a->count > b->count : strcmp(a->letters, b->letters) < 0;
}

size_t thsi_words_top(const struct thsi_words *words, const struct thsi_word **top, size_t max)
{
    const struct thsi_word *word;
    size_t at = 0, count = 0;

    while (max > 0 && (word = thsi_words_next(words, &at))) {
        size_t place;

        if (count == max && !is_above(word, top[max - 1]))
            continue;
        place = count < max ? count++ : max - 1;
        for (; place > 0 && is_above(word, top[place - 1]); place--)
            top[place] = top[place - 1];
        top[place] = word;
    }
    return count;
}

/* ---- Cutting ---------------------------------------------------------------------------- */

/* First place from @at on, up to @end, that holds no letter. */
static size_t skip_letters(const uint8_t *bytes, size_t at, size_t end)
{
    while (at < end && thsi_is_letter(bytes[at]))
        at++;
    return at;
}

enum ths_err thsi_words_count(struct thsi_words *words, const struct thsi_window *window)
{
    const uint8_t *bytes = window->bytes;
    size_t at = window->before, range_end = window->before + window->range_len;
    char small[THSI_WORD_MAX];
    enum ths_err err;

    assert(window->before <= 1 && range_end <= window->len);
    /* A word that began before the range belongs to the one before. */
    if (window->before == 1 && thsi_is_letter(bytes[0]))
        at = skip_letters(bytes, at, range_end);
    while (at < range_end) {
        size_t start = at;

        if (!thsi_is_letter(bytes[at])) {
            at++;
            continue;
        }
        at = skip_letters(bytes, at, window->len);
        if (at - start > THSI_WORD_MAX)
            return THS_TOO_BIG;
        if (at == window->len && !window->ends)
            return THS_INVALID;
        for (size_t i = start; i < at; i++)
            small[i - start] = (char)(bytes[i] | 0x20);
        err = thsi_words_add(words, small, at - start, 1);
        if (err != THS_OK)
            return err;
    }
    return THS_OK;
}
