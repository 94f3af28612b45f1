/* Refusal: the frame in clear that says why there will be no session.
 *
 * Not authenticated: a hint for people and for when to dial again. Its layout never changes. Pure. Thread: any. */

#ifndef THSI_CODEC_REFUSAL_H
#define THSI_CODEC_REFUSAL_H

#include <stddef.h>

#include "codec/wire.h"
#include "thiasos/err.h"

#define THSI_REFUSAL_TEXT_MAX 200u
#define THSI_REFUSAL_FRAME_MAX (THSI_FRAME_PREFIX_SIZE + 4 + 4 + 2 + THSI_REFUSAL_TEXT_MAX)

/* As it came. */
struct thsi_refusal {
    enum ths_err code; /* one of err.h's; numbers this version does not know are THS_REFUSED */
    uint16_t version_min, version_max; /* what the refusing side speaks */
    char text[THSI_REFUSAL_TEXT_MAX + 1]; /* printable ASCII, what was not is '?' */
};

/* Write @code and @text (borrowed; cut at THSI_REFUSAL_TEXT_MAX bytes, and what is not printable ASCII becomes '?') to
 * @frame of @size bytes. Returns the frame's length; 0: no room. */
size_t thsi_refusal_write(enum ths_err code, const char *text, uint16_t version_min, uint16_t version_max,
                          uint8_t *frame, size_t size);

/* Read a frame whose length and magic are right. Errors: MALFORMED. */
THS_MUST_CHECK
enum ths_err thsi_refusal_read(struct thsi_refusal *refusal, const uint8_t *frame, size_t frame_len);

#endif /* THSI_CODEC_REFUSAL_H */
