#include "node/base/utf8.h"

#include <stdint.h>
#include <string.h>

/* Whether all eight bytes are between 0x01 and 0x7f. Most text is plain ASCII, which this makes nearly free. */
static bool is_plain(const uint8_t *at)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t word;

    memcpy(&word, at, sizeof word);
    /* A zero byte borrows and so sets its own high bit (or one above it, which also ends the fast path). */
    return ((word | (word - ones)) & (ones << 7)) == 0;
}

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Bytes of the well-formed sequence at @at, or 0. The second byte's range rules out long forms and surrogates. */
static size_t sequence_len(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];

    if (lead >= 0x01 && lead <= 0x7f)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return left >= 2 && is_continuation(at[1]) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        uint8_t low = lead == 0xe0 ? 0xa0 : 0x80;
        uint8_t high = lead == 0xed ? 0x9f : 0xbf;

        return left >= 3 && at[1] >= low && at[1] <= high && is_continuation(at[2]) ? 3 : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        uint8_t low = lead == 0xf0 ? 0x90 : 0x80;
        uint8_t high = lead == 0xf4 ? 0x8f : 0xbf;

        return left >= 4 && at[1] >= low && at[1] <= high && is_continuation(at[2]) && is_continuation(at[3]) ? 4 : 0;
    }
    return 0;
}

bool thsi_utf8_valid(const char *text, size_t len)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t left = len;

    while (left > 0) {
        size_t step = left >= 8 && is_plain(at) ? 8 : sequence_len(at, left);

        if (step == 0)
            return false;
        at += step;
        left -= step;
    }
    return true;
}

void thsi_utf8_mend(char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        size_t step = sequence_len((const uint8_t *)text, left);

        if (step == 0) {
            *text = '?';
            step = 1;
        }
        text += step;
        left -= step;
    }
}
