/* Reassembly: records that come in pieces, of one peer.
 *
 * A record's memory grows with the pieces that came, never by what was announced: nothing is. Up to THSI_STREAMS_MAX
 * records at a time are unfinished, and their bytes are bounded together: a sender that keeps the protocol stays below.
 * A record that finds no memory is given up alone: its other pieces are passed over.
 *
 *            first                   last
 *     IDLE ────────▶ OPEN ───────────────▶ whole, then done ──▶ IDLE
 *                     │ give up     last
 *                     └────────▶ PASSED OVER ──▶ IDLE
 *
 * Pure but for memory. One owner. */

#ifndef THSI_CLUSTER_REASSEMBLY_H
#define THSI_CLUSTER_REASSEMBLY_H

#include "codec/envelope.h"
#include "thiasos/env.h"

struct thsi_stream {
    enum { THSI_STREAM_IDLE, THSI_STREAM_OPEN, THSI_STREAM_PASSED_OVER } state;
    uint8_t *bytes;
    size_t len, cap;
};

struct thsi_reassembly {
    struct ths_env *env; /* borrowed; only its memory is used */
    size_t bytes;        /* of all streams */
    struct thsi_stream streams[THSI_STREAMS_MAX];
};

/* Borrows @env until fini. */
void thsi_reassembly_init(struct thsi_reassembly *reassembly, struct ths_env *env);

/* Give everything up: the link is gone. It is as after init. */
void thsi_reassembly_fini(struct thsi_reassembly *reassembly);

/* Take one piece (borrows @bytes). *@whole is set when it was the last of a record that was not given up: its bytes are
 * in the stream until thsi_reassembly_done.
 * Errors: MALFORMED (not what is due), TOO_BIG (beyond THSI_STREAMED_MAX): close the link; NOMEM: nothing was taken, give
 * the record up. */
THS_MUST_CHECK
enum ths_err thsi_reassembly_add(struct thsi_reassembly *reassembly, unsigned stream, unsigned piece,
                                 const uint8_t *bytes, size_t len, bool *whole);

/* The record is done with, or never will be: with @last its last piece has come. */
void thsi_reassembly_done(struct thsi_reassembly *reassembly, unsigned stream, bool last);

/* Assert all that is believed about it. */
void thsi_reassembly_check(const struct thsi_reassembly *reassembly);

#endif /* THSI_CLUSTER_REASSEMBLY_H */
