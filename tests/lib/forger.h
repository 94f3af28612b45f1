/* Forger: a node that is played by the test, byte by byte: it holds the cluster's key, and keeps no rule that the test
 * does not keep for it.
 *
 * Over a plain socket with the product's own handshake and seal, so whatever it says is authentic. All calls from the
 * test's own thread; what cannot be fails the test. */

#ifndef THS_TESTS_LIB_FORGER_H
#define THS_TESTS_LIB_FORGER_H

#include "cluster/link.h"
#include "cluster/outbox.h"
#include "codec/envelope.h"

enum { FORGER_ROOM = 1 << 20 };

struct forger {
    int fd;
    struct thsi_identity self;  /* as it introduces itself; may be changed between init and dial */
    struct thsi_link_core link;
    uint64_t control;           /* number of the last control record it wrote */
    size_t frames;              /* that came so far, empty ones included */
    enum ths_err bye;           /* what the last BYE said; OK: none came */
    struct thsi_packer payload; /* being written; empty after each send */
    uint8_t bytes[THSI_SEALED_OVERHEAD + FORGER_ROOM];
};

/* Who it is: @name, a cluster without a key, scope "default", nowhere to be dialed. */
void forger_init(struct forger *forger, const char *name, uint64_t uid);
void forger_fini(struct forger *forger);

/* Connect to loopback @port. */
int forger_connect(unsigned port);

/* Connect, shake hands and wait for the first frame of the other side. OK: admitted. Else the reason of its BYE, or
 * CLOSED when it closed without one. */
enum ths_err forger_dial(struct forger *forger, unsigned port);

/* Write one record behind the others that wait to be sent. A control record is numbered. */
void forger_write(struct forger *forger, struct thsi_envelope envelope);
void forger_write_gossip(struct forger *forger, const void *packet, size_t len);
void forger_write_bytes(struct forger *forger, const void *bytes, size_t len);

/* Seal what was written into bytes. Returns the frame's length. */
size_t forger_seal(struct forger *forger, enum thsi_lane lane);

/* Send @len of bytes as they are. False: the connection is closed. */
bool forger_send_bytes(struct forger *forger, size_t len);

/* Both. */
bool forger_send(struct forger *forger);

/* Take what has come, without waiting, or until the next frame is there. False: the connection is closed. */
bool forger_listen(struct forger *forger, bool wait);

/* Wait until the other side has closed the connection. */
void forger_await_close(struct forger *forger);

#endif /* THS_TESTS_LIB_FORGER_H */
