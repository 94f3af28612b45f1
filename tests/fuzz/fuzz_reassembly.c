/* Whatever pieces a peer sends, reassembly keeps its tables in order, and a whole record holds the bytes of its pieces. Each
 * piece of the input is its stream and piece (a byte), its length (a byte), its bytes; with bit 6 the record is given up. */

#include "cluster/reassembly.h"

#include <stdlib.h>
#include <string.h>

struct model {
    uint8_t bytes[8192];
    size_t len;
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void *memory(struct ths_env *env, void *old, size_t size)
{
    (void)env;
    if (size > 0)
        return realloc(old, size);
    free(old);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct model models[THSI_STREAMS_MAX];
    struct ths_env env = { .memory = memory };
    struct thsi_reassembly pieces;

    thsi_reassembly_init(&pieces, &env);
    len = len < sizeof models[0].bytes ? len : sizeof models[0].bytes;
    while (len >= 2) {
        unsigned stream = data[0] & 15u, piece = data[0] >> 4 & 3u;
        size_t count = data[1] < len - 2 ? data[1] : len - 2;
        struct model *model = &models[stream];
        bool whole;
        enum ths_err err = thsi_reassembly_add(&pieces, stream, piece, data + 2, count, &whole);

        thsi_reassembly_check(&pieces);
        must(err == THS_OK || !whole);
        if (piece & THSI_FRAGMENT_FIRST && err == THS_OK)
            model->len = 0;
        if (err == THS_OK && pieces.streams[stream].state == THSI_STREAM_OPEN) {
            memcpy(model->bytes + model->len, data + 2, count);
            model->len += count;
            must(pieces.streams[stream].len == model->len);
            must(memcmp(pieces.streams[stream].bytes, model->bytes, model->len) == 0);
        }
        if (whole || (data[0] & 64u && pieces.streams[stream].state == THSI_STREAM_OPEN))
            thsi_reassembly_done(&pieces, stream, whole);
        thsi_reassembly_check(&pieces);
        data += 2 + count;
        len -= 2 + count;
    }
    thsi_reassembly_fini(&pieces);
    thsi_reassembly_check(&pieces);
    return 0;
}
