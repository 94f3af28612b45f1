/* Whatever stream arrives in whatever pieces, a framer lends whole frames within their bounds, holds no memory for a
 * stranger and no more than came for a peer, and repeats its first refusal. The first byte says how far the handshake
 * is and whether memory runs out, the second how long the pieces are. */

#include "codec/framer.h"

#include <stdlib.h>
#include <string.h>

struct counting_env {
    struct ths_env env; /* first */
    size_t held;
    bool is_out;
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void *count_memory(struct ths_env *env, void *ptr, size_t size)
{
    struct counting_env *counting = (struct counting_env *)(void *)env;
    void *block;

    if (size == 0) {
        free(ptr);
        counting->held = 0;
        return NULL;
    }
    if (counting->is_out && size > 20000)
        return NULL;
    block = realloc(ptr, size);
    must(block != NULL);
    counting->held = size;
    return block;
}

static void check_frame(const struct thsi_frame *frame, enum thsi_framer_due due)
{
    must(frame->len >= THSI_FRAME_PREFIX_SIZE);
    must(thsi_get_u32(frame->data) == frame->len - THSI_LENGTH_SIZE);
    must((uint8_t)frame->type == frame->data[THSI_LENGTH_SIZE]);
    must((frame->type == THSI_FRAME_SEALED) == (due != THSI_DUE_HANDSHAKE));
    must(due == THSI_DUE_SEALED || frame->len <= THSI_HANDSHAKE_FRAME_MAX);
    must(frame->len <= THSI_SEALED_FRAME_MAX);
    memset(frame->data, 0xee, frame->len); /* all of it may be altered */
}

/* Feed one piece to its end, moving on in the handshake after each frame. */
static enum ths_err feed_piece(struct thsi_framer *framer, const uint8_t *data, size_t len)
{
    while (len > 0) {
        enum thsi_framer_due due = framer->due;
        const uint8_t *before = data;
        struct thsi_frame frame;
        enum ths_err err = thsi_framer_feed(framer, &data, &len, &frame);

        if (err != THS_OK)
            return err;
        must(data > before);
        must(frame.data != NULL || len == 0);
        if (frame.data == NULL)
            break;
        check_frame(&frame, due);
        if (due == THSI_DUE_HANDSHAKE)
            thsi_framer_proof_due(framer);
        else
            thsi_framer_verified(framer);
    }
    return THS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct counting_env counting = { .env = { .memory = count_memory } };
    struct thsi_framer framer;
    enum ths_err err = THS_OK;
    size_t piece, fed = 0;

    if (len < 2)
        return 0;
    thsi_framer_init(&framer, &counting.env);
    if ((data[0] & 3) == 1)
        thsi_framer_proof_due(&framer);
    if ((data[0] & 3) == 2)
        thsi_framer_verified(&framer);
    counting.is_out = (data[0] & 4) != 0;
    piece = data[1] == 0 ? len : data[1];
    for (size_t at = 2; at < len && err == THS_OK; at += piece) {
        size_t count = piece < len - at ? piece : len - at;

        fed += count;
        err = feed_piece(&framer, data + at, count);
        must(framer.due == THSI_DUE_SEALED || counting.held == 0);
        must(counting.held <= 2 * fed + 16384);
    }
    if (err != THS_OK)
        must(feed_piece(&framer, data, 1) == err);
    thsi_framer_fini(&framer);
    must(counting.held == 0);
    return 0;
}
