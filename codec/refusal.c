/* Refusal: see refusal.h. The bytes are drawn in protocol/handshake.md. */

#include "codec/refusal.h"

#include <string.h>

#include "codec/codes.h"

#define MAGIC_AT THSI_FRAME_PREFIX_SIZE
#define VERSION_MIN_AT (MAGIC_AT + 4)
#define VERSION_MAX_AT (VERSION_MIN_AT + 2)
#define CODE_AT (VERSION_MAX_AT + 2)
#define TEXT_AT (CODE_AT + 2) /* to the end of the frame */

static_assert(TEXT_AT + THSI_REFUSAL_TEXT_MAX == THSI_REFUSAL_FRAME_MAX, "the longest refusal");
static_assert(THSI_REFUSAL_FRAME_MAX <= THSI_HANDSHAKE_FRAME_MAX, "and it fits the slot");

static uint8_t printable(char byte)
{
    return byte >= 0x20 && byte < 0x7f ? (uint8_t)byte : (uint8_t)'?';
}

size_t thsi_refusal_write(enum ths_err code, const char *text, uint16_t version_min, uint16_t version_max,
                          uint8_t *frame, size_t size)
{
    size_t text_len = strnlen(text, THSI_REFUSAL_TEXT_MAX), len = TEXT_AT + text_len;

    if (len > size)
        return 0;
    thsi_put_prefix(frame, THSI_FRAME_REFUSAL, len);
    thsi_put_u16(frame + VERSION_MIN_AT, version_min);
    thsi_put_u16(frame + VERSION_MAX_AT, version_max);
    thsi_put_u16(frame + CODE_AT, (uint16_t)code);
    for (size_t i = 0; i < text_len; i++)
        frame[TEXT_AT + i] = printable(text[i]);
    return len;
}

enum ths_err thsi_refusal_read(struct thsi_refusal *refusal, const uint8_t *frame, size_t frame_len)
{
    size_t text_len;

    if (frame_len < TEXT_AT || frame_len > THSI_REFUSAL_FRAME_MAX)
        return THS_MALFORMED;
    text_len = frame_len - TEXT_AT;
    refusal->version_min = thsi_get_u16(frame + VERSION_MIN_AT);
    refusal->version_max = thsi_get_u16(frame + VERSION_MAX_AT);
    refusal->code = thsi_refusal_of_code(thsi_get_u16(frame + CODE_AT));
    for (size_t i = 0; i < text_len; i++)
        refusal->text[i] = (char)printable((char)frame[TEXT_AT + i]);
    refusal->text[text_len] = '\0';
    return THS_OK;
}
