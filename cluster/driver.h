/* Driver: the one network task of a node. Boring on purpose: what happened goes in, the cores are stepped, what they
 * want is carried out.
 *
 * A step takes a bounded number of the transport's events, then whatever else waits: orders of other threads, frames
 * the transport gave back, peers with something to send, resolved names, timers. It behaves the same whether a thread
 * of its own runs it (main) or the simulator picks it.
 *
 * The network has one holder at a time, under the mutex `turn`: a worker of the node that has nothing to run (node/poller.h),
 * or the driver's own thread while all workers are busy:
 *
 *              no worker came for GUARD_NS, none waits
 *     GUARDS ─────────────────────────────────────────▶ HOLDS
 *        ▲                                                │
 *        └────────────────────────────────────────────────┘
 *              a worker without work wants it
 *
 * While a worker waits inside, the thread sleeps; when it leaves to run an actor, the thread looks every GUARD_NS
 * whether a worker has come since. So whatever workers do, the network is looked after.
 *
 * The cores (membership, groups) and the watchers are shared with the threads that call the API, under one mutex.
 * Under it packets leave in the order of the cores' steps and watchers are told in the order of the changes. Locks: the
 * driver's mutex, then those of remote.h. Links belong to whoever has the network.
 *
 *   driver.c          the task: step, deadlines, waking
 *   driver_turn.c       who has the network
 *   driver_links.c      the table of links, their beginnings and ends
 *   driver_admission.c  from a handshake to a link that both sides keep
 *   driver_trust.c      whose node key is admitted, with which rights, and for how long
 *   driver_send.c       frames out, acknowledgements
 *   driver_receive.c    bytes in: frames to records, gossip to the cores
 *   driver_members.c    membership's updates: packets, dials, burials, seeds
 *   driver_keys.c       a changed keyring, and the links' way to it
 *   watchers.c          actors that are told of changes */

#ifndef THSI_CLUSTER_DRIVER_H
#define THSI_CLUSTER_DRIVER_H

#include "cluster/groups.h"
#include "cluster/handover.h"
#include "cluster/link.h"
#include "cluster/membership.h"
#include "cluster/remote.h"
#include "cluster/resolver.h"
#include "cluster/watchers.h"
#include "codec/trust.h"

#define THSI_UNVERIFIED_MAX 64u                 /* dialed by strangers; the oldest is closed beyond that */
#define THSI_SEED_DIALS_MAX 64u
#define THSI_SHAKE_NS UINT64_C(5000000000)      /* a handshake that takes longer is closed */
#define THSI_SEEDS_NOTE_NS UINT64_C(30000000000) /* seeds that do not answer are complained of at once, then seldom */
#define THSI_REFUSAL_NOTE_NS UINT64_C(10000000000) /* a node that is refused goes on trying, and says so so often */
#define THSI_LINK_BUCKETS 256u
#define THSI_IN_FLIGHT_MAX 16u                  /* frames of a link with the transport */
#define THSI_BULK_IN_FLIGHT_MAX 8u              /* those of bulk messages, beside them */
#define THSI_NODE_IN_FLIGHT_MAX 64u             /* beyond this many frames those of lane NODE wait, too */

enum thsi_stage {
    THSI_STAGE_DIALING, /* no stream yet */
    THSI_STAGE_HELLO,   /* the handshake is under way */
    THSI_STAGE_WELCOME, /* verified; the other side's first frame says whether we are admitted */
    THSI_STAGE_UP
};

struct thsi_driver_link {
    thsi_link id;
    struct thsi_driver_link *next_in_bucket;
    size_t place;               /* in the driver's array */
    enum thsi_stage stage;
    bool dialed;                /* by this node */
    bool asked_for;             /* by membership, which waits for how the dial ends */
    uint64_t uid;               /* whom it is dialed for, then who is there; 0: not known */
    uint64_t begun_ns;
    char address[64];           /* numeric, if known */
    struct thsi_link_core core; /* from HELLO on */
    struct thsi_peer *peer;     /* UP */
    struct thsi_outframe *stuck; /* sealed; the transport had no room for it */
    unsigned in_flight;         /* frames of its outbox with the transport, ordinary ones */
    unsigned bulk_in_flight;    /* those of bulk messages */
    struct thsi_handover handover; /* UP */
    bool has_handover;
    bool untended;              /* the handover is to be looked at, once nothing is stuck and the frame at hand is done with */
    bool moving;                /* not sealed with the primary key both ways */
    bool holds;                 /* its peer was taken from the list of dirty ones, and is not given back yet */
    bool waiting;               /* something is to be sent that could not be yet */
    bool drain;                 /* what was sent last should still go out when the link is closed */
    uint64_t acked;             /* the highest acknowledgement that came */
};

/* What other threads want of the driver. */
enum {
    THSI_ORDER_LEAVE = 1u,
    THSI_ORDER_STOP = 2u,
    THSI_ORDER_DROP = 4u,
    THSI_ORDER_KEYS = 8u,
    THSI_ORDER_TRUST = 16u
};

enum thsi_driver_phase {
    THSI_DRIVER_RUNNING,
    THSI_DRIVER_LEAVING,
    THSI_DRIVER_LEFT,    /* or buried: no links, nothing is sent; the node lives on alone */
    THSI_DRIVER_STOPPED  /* the task's main has returned */
};

struct thsi_driver_options {
    struct thsi_identity self;           /* id and version are filled in */
    const char *cluster;                 /* copied */
    const struct thsi_keyring *keys;     /* copied */
    struct thsi_session_limits rekey;
    const struct thsi_credential *credential; /* copied; NULL: no node key, and nobody's is asked for */
    struct thsi_trust *trust;            /* with a credential: taken, and left empty */
    const struct thsi_seeds *seeds;      /* copied */
    unsigned heartbeat_ms, suspect_ms, bury_ms;
    bool bury_exits;
};

struct thsi_driver_packet {
    const uint8_t *bytes; /* in the frame at hand */
    uint32_t len;
};

struct thsi_driver {
    struct thsi_task task;               /* first: the task is the driver */
    struct thsi_runtime *runtime;
    struct thsi_transport *transport;
    struct thsi_frames *frames;
    struct thsi_remote *remote;
    struct thsi_resolver *resolver;
    struct thsi_session_limits rekey;
    char cluster[256];
    bool bury_exits;
    bool has_node_key;

    /* Any thread. */
    _Atomic uint32_t asleep;             /* the driver waits, or is about to: interrupt it */
    _Atomic uint32_t orders;
    _Atomic uint32_t frames_back;
    _Atomic uint32_t phase;              /* enum thsi_driver_phase; parked on */
    _Atomic uint32_t keys_taken;         /* how many keyrings were taken up; parked on */
    _Atomic uint32_t links_up;           /* with a handover */
    _Atomic uint32_t keys_moving;        /* those that are not sealed with the primary key both ways */
    struct thsi_poller poller;           /* what workers do for it */
    pthread_mutex_t turn;                /* over all that is the driver's own */
    _Atomic uint32_t held;               /* the thread has it */
    _Atomic uint32_t wanted;             /* a worker wants the turn that the thread has */
    _Atomic uint32_t visits;             /* of workers; wraps */
    _Atomic uint32_t waits_inside;       /* a worker waits for the network */
    _Atomic uint32_t guard_word;         /* rises to wake the thread; parked on */
    _Atomic uint32_t guard_asleep;       /* the thread sleeps until guard_word rises */
    _Atomic uint64_t closed_for[64];     /* links closed, by enum ths_err; for statistics and tests */

    pthread_mutex_t mutex;               /* over the cores, the watchers and the keyring to come */
    struct thsi_membership *membership;
    struct thsi_groups *groups;
    struct thsi_watchers watchers;
    uint64_t members_version;
    struct thsi_keyring keys_next;       /* to be taken up; none: count is 0 */
    uint32_t keys_given;                 /* how many were */
    struct thsi_trust trust_next;        /* with THSI_ORDER_TRUST: to take the place of trust, and of proof's certificate */
    struct thsi_proof proof_next;

    /* The driver's own. */
    struct thsi_keyring keys;            /* lent to the links */
    struct thsi_fingerprints fingerprints; /* of keys */
    struct thsi_credential credential;   /* has_node_key; lent to the links */
    struct thsi_trust trust;             /* likewise */
    uint64_t trust_due_ns;               /* when to look for certificates that have expired */
    struct thsi_identity self;           /* as membership knows it; lent to the links */
    struct thsi_seeds seeds;
    uint64_t seeds_note_ns;              /* when to complain of seeds again */
    uint64_t now_ns;                     /* of this step */
    struct thsi_driver_link **links;     /* in no order */
    size_t links_count, links_cap;
    struct thsi_driver_link *buckets[THSI_LINK_BUCKETS];
    unsigned unverified;                 /* links dialed by others and not verified */
    unsigned seed_dials;
    unsigned waiting;                    /* links that wait */
    uint64_t ack_due_ns, shake_due_ns, expire_due_ns, keys_due_ns; /* not later than the earliest of each */
    struct thsi_membership_event *events; /* for the membership, once the present step is done with */
    size_t events_count, events_cap;
    struct thsi_driver_packet *packets;  /* membership's, of the frame at hand */
    size_t packets_count, packets_cap;
    enum ths_err packet_err;             /* what groups said of a packet of the frame at hand */
    enum ths_err self_buried;            /* OK, or to be acted upon */
    uint64_t yields_uid;                 /* a node that this one and that have buried each other, and that has to yield */
    bool left_done;
    struct thsi_note_limit bad_notes, loss_notes, flood_notes;
    uint64_t refusal_note_ns;            /* when to complain of refusals again */
};

/* Borrows both for the driver's life; who destroys it says what becomes of the transport. Gives; thsi_driver_destroy.
 * NULL when memory is out. */
struct thsi_driver *thsi_driver_create(struct thsi_runtime *runtime, struct thsi_transport *transport,
                                       const struct thsi_driver_options *options);

/* Start the tasks. Errors: NOMEM, IO. */
THS_MUST_CHECK enum ths_err thsi_driver_start(struct thsi_driver *driver);

/* Have it do what @order says, and look at once. Thread: any. */
void thsi_driver_order(struct thsi_driver *driver, uint32_t order);

/* Wait until @phase is reached or @timeout_ns passed. Thread: any but the driver's and a worker. */
bool thsi_driver_await(struct thsi_driver *driver, enum thsi_driver_phase phase, uint64_t timeout_ns);

/* Have it take up @keys (copied) and go over to the primary one on all links, and wait until it has begun, at most
 * @timeout_ns. False: it has not. Thread: any but the driver's and a worker. */
bool thsi_driver_change_keys(struct thsi_driver *driver, const struct thsi_keyring *keys, uint64_t timeout_ns);

/* From the next step on judge by @trust, which is taken and left empty, and show @certificate (borrowed, @len bytes; 0:
 * none); links are closed or keep on accordingly. Thread: any. */
void thsi_driver_change_trust(struct thsi_driver *driver, struct thsi_trust *trust, const char *certificate, size_t len);

/* Stop the tasks, close all links without a word, free all, the transport only if @with_transport. Not before nobody
 * calls the router any more. */
void thsi_driver_destroy(struct thsi_driver *driver, bool with_transport);

/* There may be something to do. Thread: any. */
void thsi_driver_wake(struct thsi_driver *driver);

static inline enum thsi_driver_phase thsi_driver_phase_now(struct thsi_driver *driver)
{
    return (enum thsi_driver_phase)atomic_load_explicit(&driver->phase, memory_order_acquire);
}

/* What this node proves itself by in a handshake; NULL: it has no node key. */
static inline const struct thsi_credential *thsi_driver_credential(const struct thsi_driver *driver)
{
    return driver->has_node_key ? &driver->credential : NULL;
}

/* ---- Between the driver's files; thread: whoever has the network ------------------------------ */

/* driver.c: the task's step. */
bool thsi_driver_step(struct thsi_task *task, uint64_t *deadline_ns);
/* Wait for the transport, at most until @deadline_ns. */
void thsi_driver_wait(struct thsi_driver *driver, uint64_t deadline_ns);
void thsi_driver_enter(struct thsi_driver *driver, enum thsi_driver_phase phase);

/* driver_turn.c: the thread's main; filling in driver->poller; waking the thread wherever it sleeps. */
void thsi_driver_run(struct thsi_task *task);
void thsi_driver_turn_init(struct thsi_driver *driver);
void thsi_driver_wake_guard(struct thsi_driver *driver);

/* driver_links.c */
struct thsi_driver_link *thsi_driver_find(struct thsi_driver *driver, thsi_link id);
void thsi_driver_accepted(struct thsi_driver *driver, thsi_link id, const char *address);
void thsi_driver_dialed(struct thsi_driver *driver, struct thsi_driver_link *link);
/* Dial the numeric @address; @uid 0: a seed. Errors: those of the transport. */
THS_MUST_CHECK enum ths_err thsi_driver_dial(struct thsi_driver *driver, uint64_t uid, const char *address);
/* The link ends. @by_us: the transport does not know it yet. @link is gone afterwards. */
void thsi_driver_close(struct thsi_driver *driver, struct thsi_driver_link *link, enum thsi_link_end end, bool by_us);
/* As above, without telling the membership. */
void thsi_driver_end(struct thsi_driver *driver, struct thsi_driver_link *link, bool by_us);
/* As close, because of @err in what came over it; counted and noted. */
void thsi_driver_bad_link(struct thsi_driver *driver, struct thsi_driver_link *link, enum ths_err err,
                          uint64_t missing);
void thsi_driver_close_all(struct thsi_driver *driver);
/* A refusal inside the session, with @why (borrowed; "": the error says it all). The caller closes the link. */
void thsi_driver_send_refusal(struct thsi_driver *driver, struct thsi_driver_link *link,
                              const struct thsi_member_refusal *refusal, const char *why);
/* The other side said that it does not want this node. */
void thsi_driver_note_refusal(struct thsi_driver *driver, const struct thsi_driver_link *link, enum ths_err code,
                              const char *text);
/* Close handshakes that take too long. */
void thsi_driver_check_handshakes(struct thsi_driver *driver);

/* driver_admission.c; each may end the link */
void thsi_driver_asked(struct thsi_driver *driver, struct thsi_driver_link *link);
void thsi_driver_verified(struct thsi_driver *driver, struct thsi_driver_link *link);
/* The first frame after the verification came, empty or not. False: it was a refusal, or the link is not wanted; it is
 * gone then. */
bool thsi_driver_welcomed(struct thsi_driver *driver, struct thsi_driver_link *link, const uint8_t *payload,
                          size_t len);

/* driver_trust.c; all of it does nothing without a node key */
/* Whether the node at the other end of a verified link is admitted, and its rights. */
void thsi_driver_judge(struct thsi_driver *driver, const struct thsi_driver_link *link, struct thsi_verdict *verdict);
/* Close the links that are admitted no more, give the others the rights that they have now. */
void thsi_driver_check_trust(struct thsi_driver *driver);
/* Take up what thsi_driver_change_trust left. */
void thsi_driver_take_trust(struct thsi_driver *driver);

/* driver_send.c */
/* Send the few bytes of a handshake. False: they could not be sent, close the link. */
bool thsi_driver_send_out(struct thsi_driver *driver, struct thsi_driver_link *link);
/* Seal and send a small payload of lane NODE outside of the outbox; empty: an acknowledgement, a proof, a welcome. */
bool thsi_driver_send_small(struct thsi_driver *driver, struct thsi_driver_link *link, const uint8_t *payload,
                            size_t len);
/* Send what the link's outbox holds, as far as it goes. May close the link. Only the holder of a dirty peer gives it
 * back: who does not hold it must not, as it may be in the list. */
void thsi_driver_flush(struct thsi_driver *driver, struct thsi_driver_link *link);
void thsi_driver_flush_waiting(struct thsi_driver *driver);
bool thsi_driver_take_dirty(struct thsi_driver *driver);
bool thsi_driver_take_frames(struct thsi_driver *driver);
void thsi_driver_send_acks(struct thsi_driver *driver);
/* Tell of what is lost those who sent it; takes what is in @loss. */
void thsi_driver_note_loss(struct thsi_driver *driver, uint64_t uid, const char *name, struct thsi_outbox_loss *loss);

/* driver_receive.c */
void thsi_driver_data(struct thsi_driver *driver, thsi_link id, const uint8_t *data, size_t len);
void thsi_driver_gossip(void *arg, struct thsi_peer *peer, const uint8_t *packet, size_t len);
void thsi_driver_bye(void *arg, struct thsi_peer *peer, enum ths_err err, const char *why);

/* driver_keys.c */
/* The link is up: its handover begins. May close it. */
void thsi_driver_begin_keys(struct thsi_driver *driver, struct thsi_driver_link *link);
/* Do what the link's handover wants. May close it. */
void thsi_driver_tend_keys(struct thsi_driver *driver, struct thsi_driver_link *link);
/* Tend all links, which may be due to be closed. */
void thsi_driver_check_keys(struct thsi_driver *driver);
/* Take up the keyring that was given. */
void thsi_driver_take_keys(struct thsi_driver *driver);
/* A record KEYS or KEY. Errors: MALFORMED, BAD_KEY: close the link. */
enum ths_err thsi_driver_keys_record(void *arg, struct thsi_peer *peer, const struct thsi_envelope *record);

/* driver_members.c */
/* Step the membership and carry out what it wants. */
enum ths_err thsi_driver_step_membership(struct thsi_driver *driver, const struct thsi_membership_event *event);
/* Queue an event for after the present step; run what is queued. */
void thsi_driver_later(struct thsi_driver *driver, const struct thsi_membership_event *event);
bool thsi_driver_run_events(struct thsi_driver *driver);
/* A session is up: tell both cores. Errors: close the link. */
THS_MUST_CHECK enum ths_err thsi_driver_session_up(struct thsi_driver *driver, const struct thsi_identity *identity);
/* Carry out an update of the groups. Under the mutex; @ctx is the running actor's, or NULL. Thread: any. */
void thsi_driver_groups_update(struct thsi_driver *driver, const struct thsi_groups_update *update,
                               struct ths_ctx *ctx);
void thsi_driver_pass_time(struct thsi_driver *driver);
uint64_t thsi_driver_members_deadline(struct thsi_driver *driver);
void thsi_driver_resolved(struct thsi_driver *driver, const struct thsi_resolution *resolution);
/* Leave everybody: all others are lost to this node. */
void thsi_driver_part(struct thsi_driver *driver);
bool thsi_driver_is_alone(struct thsi_driver *driver);

#endif /* THSI_CLUSTER_DRIVER_H */
