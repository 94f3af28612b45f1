/* PRNG: a small generator that gives the same numbers for the same seed, everywhere.
 *
 * xoshiro256** by Blackman and Vigna, its state filled by SplitMix64 as they advise. For the simulator, for jitter and for
 * tests; never for keys. Header only; pure. */

#ifndef THSI_NODE_BASE_PRNG_H
#define THSI_NODE_BASE_PRNG_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct thsi_prng {
    uint64_t s[4];
};

/* One step of SplitMix64: moves *@state on and returns a well mixed number. */
static inline uint64_t thsi_splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Streams of one @seed with different @stream numbers have nothing to do with each other. */
static inline void thsi_prng_init(struct thsi_prng *prng, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed;

    state = thsi_splitmix64(&state) ^ (stream * UINT64_C(0xd1342543de82ef95));
    for (int i = 0; i < 4; i++)
        prng->s[i] = thsi_splitmix64(&state);
}

static inline uint64_t thsi_prng_next(struct thsi_prng *prng)
{
    uint64_t *s = prng->s;
    uint64_t mixed = s[1] * 5, result, carry = s[1] << 17;

    result = ((mixed << 7) | (mixed >> 57)) * 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= carry;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/* A number from 0 to @below - 1, each as likely as the other; 0 for @below 0. */
static inline uint64_t thsi_prng_below(struct thsi_prng *prng, uint64_t below)
{
    uint64_t limit, x;

    if (below < 2)
        return 0;
    limit = UINT64_MAX - UINT64_MAX % below;
    do
        x = thsi_prng_next(prng);
    while (x >= limit);
    return x % below;
}

static inline void thsi_prng_fill(struct thsi_prng *prng, void *out, size_t len)
{
    unsigned char *at = out;

    while (len > 0) {
        uint64_t x = thsi_prng_next(prng);
        size_t part = len < sizeof x ? len : sizeof x;
        memcpy(at, &x, part);
        at += part;
        len -= part;
    }
}

#endif /* THSI_NODE_BASE_PRNG_H */
