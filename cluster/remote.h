/* Remote: the other nodes as the runtime sees them, a uid to send to and a source of signals.
 *
 * Sending (any thread): find the node's peer, lock it, pack the record into its outbox, tell the driver once. The
 * order of packing is the order on the wire, so signals of a pair keep their order. A node that is not known yet gets a
 * peer of its own for a while, with a small budget: what is parked there leaves when the node turns out to be a
 * member, and is answered UNKNOWN_NODE when the time is over. Nodes that were buried are remembered and refused at once.
 *
 * Receiving (driver): the records of an opened frame become signals for the runtime. Types are compared once per
 * node: a type that is unknown there, or too different, is refused at the sender from then on.
 *
 * Peers are reused but never freed while the remote lives, so a peer found without a lock may be locked and asked
 * whether it still is the one. Locks: the remote's, then a peer's; none is held while the runtime is called. */

#ifndef THSI_CLUSTER_REMOTE_H
#define THSI_CLUSTER_REMOTE_H

#include <pthread.h>
#include <stdatomic.h>

#include "cluster/credit.h"
#include "cluster/note.h"
#include "cluster/outbox.h"
#include "cluster/reassembly.h"
#include "codec/envelope.h"
#include "codec/rights.h"
#include "node/runtime.h"

#define THSI_PEERS_MAX 1088u                  /* members and unknown nodes */
#define THSI_UNKNOWN_MAX 64u                  /* unknown nodes with something parked */
#define THSI_PARKED_MAX 1024u                 /* signals parked for all unknown nodes */
#define THSI_PARKED_BYTES_MAX (1u << 20)
#define THSI_PARKED_NS UINT64_C(2000000000)   /* how long a node may stay unknown */
#define THSI_BURIED_MAX 256u
#define THSI_PIECES_MAX (512u << 20)          /* bytes of unfinished large messages from all nodes */

struct thsi_type_out {
    uint64_t refused_ns; /* when it was refused */
    uint16_t refused;    /* enum ths_err; 0: not refused */
    bool announced;
};

struct thsi_type_in {
    const struct thsi_type_info *info; /* what reads it; NULL: refused */
    struct thsi_type_info *view;       /* of a type that is declared differently there, or NULL */
    size_t room;                       /* that the largest body takes */
    enum ths_err err;
};

enum thsi_peer_state {
    THSI_PEER_FREE,    /* uid is 0 */
    THSI_PEER_UNKNOWN, /* parks, until parked_until_ns */
    THSI_PEER_MEMBER
};

struct thsi_peer {
    pthread_mutex_t mutex;
    /* Under the mutex. */
    uint64_t uid;
    enum thsi_peer_state state;
    bool linked;                     /* a session is up */
    bool listed;                     /* in the list of dirty peers, or with the driver */
    struct thsi_outbox outbox;
    struct thsi_type_out *types_out; /* by number */
    uint32_t types_out_count;
    uint32_t parked;                 /* UNKNOWN: signals, bytes, until when */
    size_t parked_bytes;
    uint64_t parked_until_ns;
    struct thsi_credits *credits;    /* what its mailboxes under pressure may still be sent; NULL: none ever was */

    struct thsi_peer *next_dirty;    /* of the list's owner */

    /* The driver's. */
    char name[64];
    struct thsi_type_in *types_in;   /* by number */
    uint32_t types_in_count;
    uint32_t views_count;            /* of types_in */
    uint64_t control_seen;           /* number of the last control record acted upon */
    struct thsi_reassembly *pieces;  /* made with the first one */
    struct thsi_credits *grants;     /* of mailboxes here, to its senders; NULL: none ever was under pressure */
    uint32_t rights;                 /* of its node here, THSI_RIGHT_; all until the link is up */
    void *link;                      /* its link, or NULL */
};

/* Records that are not the runtime's. Called without locks, in the order of the records. Thread: the driver's. */
struct thsi_remote_hooks {
    void (*wake)(void *arg);         /* some peer became dirty; any thread */
    void (*gossip)(void *arg, struct thsi_peer *peer, const uint8_t *packet, size_t len);
    void (*bye)(void *arg, struct thsi_peer *peer, enum ths_err err, const char *why);
    enum ths_err (*keys)(void *arg, struct thsi_peer *peer, const struct thsi_envelope *record); /* KEYS or KEY */
    void *arg;
};

#define THSI_PEER_CACHE 1024u

/* Its fields are for remote*.c. */
struct thsi_remote {
    struct thsi_runtime *runtime;
    struct thsi_frames *frames;
    struct thsi_remote_hooks hooks;
    _Atomic(struct thsi_peer *) cache[THSI_PEER_CACHE]; /* by the low bits of the uid; a hint */
    _Atomic(struct thsi_peer *) dirty;                  /* a stack, pushed by any thread */
    _Atomic uint32_t parked;
    _Atomic size_t parked_bytes;
    _Atomic uint32_t rooms;                             /* some mailbox that is waited for has room, or has ended */

    pthread_mutex_t mutex;                              /* over the table and the memory of burials */
    struct thsi_peer *peers[THSI_PEERS_MAX];
    uint64_t uids[THSI_PEERS_MAX];                      /* of the peers in use; 0: free */
    unsigned peers_count;                               /* allocated */
    unsigned unknown_count;
    uint64_t buried[THSI_BURIED_MAX];
    unsigned buried_next;
    struct thsi_note_limit type_notes, rights_notes;
    _Atomic uint64_t forbidden;                         /* records refused for want of a right; for tests and statistics */

    /* The driver's. */
    struct thsi_arena arena;                            /* of bodies; grows */
    _Alignas(8) uint8_t texts[1024];                    /* of records, with what a SPAWN wishes */
    size_t pieces;                                      /* bytes of unfinished large messages */
    bool owes_grants;                                   /* there was no room to tell of one */
    struct thsi_signal refused;                         /* tells refused in a row, not yet reported; id counts them */
};

/* Borrows all for the remote's life. Gives; thsi_remote_destroy. NULL when memory is out. */
struct thsi_remote *thsi_remote_create(struct thsi_runtime *runtime, struct thsi_frames *frames,
                                       const struct thsi_remote_hooks *hooks);
/* After nobody sends any more. */
void thsi_remote_destroy(struct thsi_remote *remote);

/* The router's send: same contract. Thread: any. */
THS_MUST_CHECK enum ths_err thsi_remote_send(struct thsi_remote *remote, const struct thsi_signal *signal);

/* Tell @count actors, all of node @uid, with one record. Errors: those of send. Thread: any. */
THS_MUST_CHECK enum ths_err thsi_remote_group_tell(struct thsi_remote *remote, uint64_t uid, ths_ref from,
                                                   const struct thsi_actor_id *receivers, uint32_t count,
                                                   struct ths_type *type, const void *body);

/* Send a packet of gossip to a node with a link; @ordered keeps its place among signals, else it goes first.
 * Errors: UNKNOWN_NODE (no peer, or no link), TOO_BIG, NOMEM, FULL. Thread: any. */
THS_MUST_CHECK enum ths_err thsi_remote_gossip(struct thsi_remote *remote, uint64_t uid, const uint8_t *packet,
                                               size_t len, bool ordered);

/* The peer of @uid, locked; the caller unlocks it. NULL when there is none. For remote_send.c. Thread: any. */
struct thsi_peer *thsi_remote_lock(struct thsi_remote *remote, uint64_t uid);

/* As above, making the peer of an unknown node if need be. Errors: NODE_LOST (buried), UNKNOWN_NODE (too many), NOMEM. */
THS_MUST_CHECK enum ths_err thsi_remote_lock_or_park(struct thsi_remote *remote, uint64_t uid, struct thsi_peer **peer);

/* Something was put into the outbox of @peer, which is locked: unlock it and have the driver look. */
void thsi_remote_unlock_dirty(struct thsi_remote *remote, struct thsi_peer *peer);

/* ---- The driver's: all below only from its thread ------------------------------------------- */

/* Node @uid is a member named @name. Lends its peer until it is buried. NULL when memory is out or the table is full. */
struct thsi_peer *thsi_remote_member(struct thsi_remote *remote, uint64_t uid, const char *name);

/* The peer of a member, or NULL. */
struct thsi_peer *thsi_remote_find(struct thsi_remote *remote, uint64_t uid);

/* A session with @peer is up: announce the types in use again. Errors: NOMEM (close the link). */
THS_MUST_CHECK enum ths_err thsi_remote_link_up(struct thsi_remote *remote, struct thsi_peer *peer);

/* The session is over; what was on its way is in @loss. False when control records were lost for want of memory. */
bool thsi_remote_link_down(struct thsi_remote *remote, struct thsi_peer *peer, struct thsi_outbox_loss *loss);

/* Node @uid is gone for good: drop what waits (counted in @loss), refuse it from now on. */
void thsi_remote_bury(struct thsi_remote *remote, uint64_t uid, struct thsi_outbox_loss *loss);

/* Answer what is parked for nodes that stayed unknown too long. Returns when to call again, UINT64_MAX: never. */
uint64_t thsi_remote_expire(struct thsi_remote *remote, uint64_t now_ns);

/* Take the list of dirty peers, linked by next_dirty. They stay listed until thsi_remote_clean. */
struct thsi_peer *thsi_remote_dirty(struct thsi_remote *remote);

/* The driver is done with @peer for now. False when there is something to send again: then it still is with the driver. */
bool thsi_remote_clean(struct thsi_peer *peer);

/* Hand the records of an opened frame to the runtime and the hooks.
 * Errors: MALFORMED, TOO_BIG, NOMEM: close the link. */
THS_MUST_CHECK enum ths_err thsi_remote_receive(struct thsi_remote *remote, struct thsi_peer *peer,
                                                const uint8_t *payload, size_t len);

/* Some mailbox may have room again, or has ended: have the driver look. Thread: any; calls nothing but the hook. */
void thsi_remote_look_for_room(struct thsi_remote *remote);

/* Grant what there is room for, where it was waited for. */
void thsi_remote_grant(struct thsi_remote *remote);

/* For the other files of remote: a CREDIT came; the mailbox of @actor refused a message of @peer; one for it came, whatever
 * became of it (only with grants); the link is gone (under the peer's mutex). */
THS_MUST_CHECK enum ths_err thsi_remote_credit_came(struct thsi_remote *remote, struct thsi_peer *peer,
                                                    const struct thsi_envelope *envelope);
void thsi_remote_pressed(struct thsi_remote *remote, struct thsi_peer *peer, struct thsi_actor_id actor);
void thsi_remote_used(struct thsi_remote *remote, struct thsi_peer *peer, struct thsi_actor_id actor);
void thsi_remote_drop_credit(struct thsi_remote *remote, struct thsi_peer *peer);

/* remote_rights.c: whether @peer has the rights that a record needs. */
bool thsi_remote_may(const struct thsi_peer *peer, const struct thsi_envelope *envelope);
/* It has not: count and note that, and fill @refusal, which answers @signal, with a sentence in @text. False: it is no
 * request, and its refusal is told as that of a tell. */
bool thsi_remote_forbidden(struct thsi_remote *remote, const struct thsi_peer *peer, const struct thsi_envelope *envelope,
                           const struct thsi_signal *signal, struct thsi_signal *refusal, char *text, size_t size);

/* What answers a request or a tell that is refused or lost: its kind, into @answer, and of a tell that it was one. False:
 * nobody waits for an answer. */
bool thsi_remote_answer_kind(const struct thsi_envelope *asked, struct thsi_signal *answer);

/* How many peers there are, parked signals; for tests and the snapshot of statistics. */
size_t thsi_remote_parked(const struct thsi_remote *remote);

#endif /* THSI_CLUSTER_REMOTE_H */
