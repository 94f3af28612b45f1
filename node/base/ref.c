/* Text form of refs. */

#include "thiasos/ref.h"

#include <inttypes.h>
#include <stdio.h>

char *ths_ref_print(ths_ref ref, char *out)
{
    (void)snprintf(out, THS_REF_TEXT_SIZE, "%016" PRIx64 ".%" PRIu32 ".%" PRIu32, ref.node, ref.slot, ref.generation);
    return out;
}

/* Sixteen lower-case hex digits; returns NULL when there are not exactly that many. */
static const char *parse_uid(const char *at, uint64_t *uid)
{
    uint64_t value = 0;

    for (int i = 0; i < 16; i++, at++) {
        unsigned digit;
        if (*at >= '0' && *at <= '9')
            digit = (unsigned)(*at - '0');
        else if (*at >= 'a' && *at <= 'f')
            digit = (unsigned)(*at - 'a') + 10;
        else
            return NULL;
        value = value << 4 | digit;
    }
    *uid = value;
    return at;
}

/* A dot and a decimal number of 32 bits. */
static const char *parse_number(const char *at, uint32_t *number)
{
    uint64_t value = 0;

    if (*at++ != '.' || *at < '0' || *at > '9')
        return NULL;
    for (; *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (unsigned)(*at - '0');
        if (value > UINT32_MAX)
            return NULL;
    }
    *number = (uint32_t)value;
    return at;
}

enum ths_err ths_ref_parse(const char *text, ths_ref *out)
{
    ths_ref ref;
    const char *at;

    *out = THS_NOBODY;
    at = parse_uid(text, &ref.node);
    if (at)
        at = parse_number(at, &ref.slot);
    if (at)
        at = parse_number(at, &ref.generation);
    if (!at || *at)
        return THS_MALFORMED;
    *out = ref;
    return THS_OK;
}
