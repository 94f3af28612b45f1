#include "cluster/reassembly.h"

#include <assert.h>
#include <string.h>

void thsi_reassembly_init(struct thsi_reassembly *reassembly, struct ths_env *env)
{
    memset(reassembly, 0, sizeof *reassembly);
    reassembly->env = env;
}

void thsi_reassembly_fini(struct thsi_reassembly *reassembly)
{
    for (unsigned i = 0; i < THSI_STREAMS_MAX; i++)
        thsi_reassembly_done(reassembly, i, true);
}

/* Room for @needed bytes, doubling so that a record in many pieces is not copied for each. */
static enum ths_err reserve(struct thsi_reassembly *reassembly, struct thsi_stream *stream, size_t needed)
{
    size_t cap = stream->cap * 2 > needed ? stream->cap * 2 : needed;
    uint8_t *bytes;

    if (needed <= stream->cap)
        return THS_OK;
    bytes = reassembly->env->memory(reassembly->env, stream->bytes, cap);
    if (!bytes)
        return THS_NOMEM;
    stream->bytes = bytes;
    stream->cap = cap;
    return THS_OK;
}

enum ths_err thsi_reassembly_add(struct thsi_reassembly *reassembly, unsigned number, unsigned piece,
                                 const uint8_t *bytes, size_t len, bool *whole)
{
    bool first = piece & THSI_FRAGMENT_FIRST, last = piece & THSI_FRAGMENT_LAST;
    struct thsi_stream *stream = &reassembly->streams[number];
    enum ths_err err;

    assert(number < THSI_STREAMS_MAX);
    *whole = false;
    if (len == 0 || first != (stream->state == THSI_STREAM_IDLE))
        return THS_MALFORMED;
    if (stream->state == THSI_STREAM_PASSED_OVER) {
        if (last)
            thsi_reassembly_done(reassembly, number, true);
        return THS_OK;
    }
    if (len > THSI_STREAMED_MAX - reassembly->bytes)
        return THS_TOO_BIG;
    err = reserve(reassembly, stream, stream->len + len);
    if (err != THS_OK)
        return err;
    memcpy(stream->bytes + stream->len, bytes, len);
    stream->state = THSI_STREAM_OPEN;
    stream->len += len;
    reassembly->bytes += len;
    *whole = last;
    return THS_OK;
}

void thsi_reassembly_done(struct thsi_reassembly *reassembly, unsigned number, bool last)
{
    struct thsi_stream *stream = &reassembly->streams[number];

    if (stream->bytes)
        (void)reassembly->env->memory(reassembly->env, stream->bytes, 0);
    reassembly->bytes -= stream->len;
    *stream = (struct thsi_stream){ .state = last ? THSI_STREAM_IDLE : THSI_STREAM_PASSED_OVER };
}

void thsi_reassembly_check(const struct thsi_reassembly *reassembly)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < THSI_STREAMS_MAX; i++) {
        const struct thsi_stream *stream = &reassembly->streams[i];

        assert(stream->len <= stream->cap && (stream->cap == 0) == !stream->bytes);
        assert((stream->len > 0) == (stream->state == THSI_STREAM_OPEN));
        bytes += stream->len;
    }
    assert(bytes == reassembly->bytes && bytes <= THSI_STREAMED_MAX);
}
