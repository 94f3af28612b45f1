#include "tests/lib/aead_recorder.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "codec/aead.h"

enum { KEYS_MAX = 4096, MARK_SIZE = crypto_generichash_BYTES_MIN };

/* What a pair of key and nonce leaves: a hash, so that the keys themselves are nowhere. */
struct mark {
    uint8_t at[MARK_SIZE];
};

static struct {
    pthread_mutex_t mutex;
    struct mark *marks; /* open addressing; all zeros: free */
    size_t count, cap;
    uint64_t seals, repeats;
    uint8_t keys[KEYS_MAX][THSI_KEY_SIZE]; /* masked */
    unsigned keys_count;
} recorder = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static struct mark *place_of(struct mark *marks, size_t cap, const struct mark *mark)
{
    static const struct mark none;
    size_t at;

    memcpy(&at, mark->at, sizeof at);
    for (at &= cap - 1; memcmp(&marks[at], &none, sizeof none) != 0; at = (at + 1) & (cap - 1))
        if (memcmp(&marks[at], mark, sizeof *mark) == 0)
            break;
    return &marks[at];
}

static void grow(void)
{
    static const struct mark none;
    size_t cap = recorder.cap ? recorder.cap * 2 : 1024;
    struct mark *marks = calloc(cap, sizeof *marks);

    if (!marks)
        abort();
    for (size_t i = 0; i < recorder.cap; i++)
        if (memcmp(&recorder.marks[i], &none, sizeof none) != 0)
            *place_of(marks, cap, &recorder.marks[i]) = recorder.marks[i];
    free(recorder.marks);
    recorder.marks = marks;
    recorder.cap = cap;
}

static bool is_known(const uint8_t *key)
{
    unsigned i = recorder.keys_count;
    bool same = false;

    while (!same && i-- > 0) { /* the latest are the likeliest */
        same = true;
        for (unsigned byte = 0; byte < THSI_KEY_SIZE && same; byte++)
            same = recorder.keys[i][byte] == (key[byte] ^ AEAD_RECORDER_MASK);
    }
    return same;
}

static void keep_key(const uint8_t *key)
{
    if (recorder.keys_count == KEYS_MAX || is_known(key))
        return;
    for (unsigned byte = 0; byte < THSI_KEY_SIZE; byte++)
        recorder.keys[recorder.keys_count][byte] = (uint8_t)(key[byte] ^ AEAD_RECORDER_MASK);
    recorder.keys_count++;
}

void thsi_aead_record(const uint8_t *key, uint64_t counter)
{
    crypto_generichash_state state;
    struct mark mark, *place;

    if (counter == THSI_COUNTER_RESERVED)
        abort();
    crypto_generichash_init(&state, NULL, 0, sizeof mark.at);
    crypto_generichash_update(&state, key, THSI_KEY_SIZE);
    crypto_generichash_update(&state, (const uint8_t *)&counter, sizeof counter);
    crypto_generichash_final(&state, mark.at, sizeof mark.at);
    sodium_memzero(&state, sizeof state);
    (void)pthread_mutex_lock(&recorder.mutex);
    if (recorder.count * 2 >= recorder.cap)
        grow();
    keep_key(key);
    recorder.seals++;
    place = place_of(recorder.marks, recorder.cap, &mark);
    if (memcmp(place, &mark, sizeof mark) == 0) {
        recorder.repeats++;
    } else {
        *place = mark;
        recorder.count++;
    }
    (void)pthread_mutex_unlock(&recorder.mutex);
}

void aead_recorder_reset(void)
{
    (void)pthread_mutex_lock(&recorder.mutex);
    free(recorder.marks);
    recorder.marks = NULL;
    recorder.count = recorder.cap = 0;
    recorder.seals = recorder.repeats = 0;
    recorder.keys_count = 0;
    (void)pthread_mutex_unlock(&recorder.mutex);
}

uint64_t aead_recorder_seals(void)
{
    return recorder.seals;
}

uint64_t aead_recorder_repeats(void)
{
    return recorder.repeats;
}

unsigned aead_recorder_keys(const uint8_t (**masked)[32])
{
    *masked = (const uint8_t(*)[32])recorder.keys;
    return recorder.keys_count;
}
