/* Membership: who is in the cluster, as far as this node can tell.
 *
 * A member is one boot of a node, known by its uid. For one uid only a higher incarnation, or a worse state of the same
 * incarnation, replaces what is known, and only the member itself raises its incarnation; DEAD and LEFT are final
 * whatever the incarnation. So all nodes come to the same opinion in whatever order they hear things, and old
 * news cannot bring back who was buried.
 *
 * Every node keeps a link to every other. A heartbeat crosses each link every heartbeat_ms, with what changed lately
 * beside it; a new link carries the whole table first. Silence makes a member SUSPECT and everybody is told; the
 * suspect that hears of it refutes with a higher incarnation; a suspicion that stays is a burial. A closed link is no
 * verdict: it starts a dial at once, and a host that refuses the dial shortens the suspicion to milliseconds. A node
 * that was itself not run for a while doubts itself first and gives all others a fresh period. README.md has the
 * drawings.
 *
 * Pure: an event with the time goes in, an update comes out, and a deadline. No clock, socket, thread or random
 * source; memory through the environment. The caller serialises all calls for one membership. */

#ifndef THSI_CLUSTER_MEMBERSHIP_H
#define THSI_CLUSTER_MEMBERSHIP_H

#include "cluster/gossip.h"
#include "cluster/seeds.h"
#include "codec/handshake.h" /* struct thsi_identity: what the handshake proved */
#include "thiasos/cluster.h"

#define THSI_MEMBERS_MAX 1024u         /* this node included */
#define THSI_UNMET_MAX 512u            /* of them: those that others told of and no link has proved */
#define THSI_UNMET_OF_ONE_MAX 128u     /* of these: told by the same member */
#define THSI_TOMBS_MAX 512u            /* buried members that are remembered */
#define THSI_TOMBS_UNMET_MAX 256u      /* of them: those that were never met here */
#define THSI_IDENTITY_PACKED_MAX 1024u /* bytes that thsi_identity_pack needs at most */

/* One msgpack array, for gossip. Unpacking takes exactly one value from @unpacker, checks uid, UTF-8, sizes and that
 * there is a name (thsi_identity_check asks for more), and leaves errors in @unpacker (sticky). */
void thsi_identity_pack(const struct thsi_identity *identity, struct thsi_packer *packer);
void thsi_identity_unpack(struct thsi_identity *identity, struct thsi_unpacker *unpacker);

/* Whether the comma list @list ("counter,web") has @item. Spaces around items do not count. */
bool thsi_list_has(const char *list, const char *item);

/* Why a node refuses another after the handshake, and what the other needs to know. Goes over the wire. */
struct thsi_member_refusal {
    enum ths_err err;
    uint64_t boot;    /* SUPERSEDED: the newest boot known */
    uint64_t members; /* members the refusing node has; decides who yields when two nodes have buried each other */
};

void thsi_member_refusal_pack(const struct thsi_member_refusal *refusal, struct thsi_packer *packer);
void thsi_member_refusal_unpack(struct thsi_member_refusal *refusal, struct thsi_unpacker *unpacker);

struct thsi_membership_options {
    struct thsi_identity self; /* incarnation is ignored: it begins at 1 */
    unsigned heartbeat_ms;     /* 0: 250 */
    unsigned suspect_ms;       /* 0: 1,000 */
    unsigned bury_ms;          /* 0: 2,000 */
    unsigned leave_ms;         /* how long leaving waits for the others; 0: 1,000 */
    uint64_t seed;             /* of all jitter */
    const char *cluster;       /* its name, borrowed for good: the id of every identity is checked against it and the node's
                                * name. NULL: ids are taken as they are told, for those of node keys are made of
                                * the keys, which only the nodes' own handshakes show */
};

/* One member, lent. Only membership*.c change it; the fields behind the gap are of no use elsewhere. Linked and met
 * are facts about this node's sessions, the rest of the state is the cluster's opinion. */
struct thsi_member {
    struct thsi_identity who;  /* who.incarnation is kept up to date */
    enum ths_member_state state;
    bool self;
    bool linked;               /* a session is up */
    uint64_t rtt_us;           /* of the last heartbeat, 0: none yet */

    bool met;                  /* a session was up at least once */
    uint64_t told_by;          /* the member whose rumour brought it; 0: it came by itself */
    bool fresh;                /* nobody was told of it yet */
    bool dialing;              /* a dial is out */
    bool probe_failed;         /* a dial failed since the link was lost */
    bool link_closed;          /* the last link was closed, so a refused dial is news */
    unsigned dial_failures;    /* in a row */
    unsigned gossip_left;      /* heartbeat rounds that still tell of it */
    unsigned mismatches;       /* heartbeats in a row with a digest other than ours */
    uint64_t table_ns;         /* when it was last sent the table for them; 0: never */
    uint64_t heard_ns;         /* last sign of life */
    uint64_t bury_ns;          /* SUSPECT, LEAVING: when it is buried */
    uint64_t dial_ns;          /* when to dial next, UINT64_MAX: not */
    uint64_t stamp, stamp_ns;  /* to be echoed: its last stamp, when it came; 0: none */
    struct thsi_member *next;  /* of those that are freed at the next step */
};

enum thsi_membership_event_type {
    THSI_MEMBERSHIP_TIME_PASSED, /* the deadline has come */
    THSI_MEMBERSHIP_LINK_UP,     /* a session with identity->uid is up; also when one replaces another */
    THSI_MEMBERSHIP_LINK_DOWN,   /* the session with uid is over, whoever ended it */
    THSI_MEMBERSHIP_DIAL_FAILED, /* a dial of the update did not reach uid: end says how */
    THSI_MEMBERSHIP_REFUSED,     /* node uid refused us inside a session, so the refusal is authentic and may end this
                                  * node; ends a dial of uid. A refusal in clear is only a DIAL_FAILED, LOST */
    THSI_MEMBERSHIP_RECEIVED,    /* packet, packet_len from uid, whose session is up */
    THSI_MEMBERSHIP_LEAVE        /* the user asked to leave */
};

enum thsi_link_end {
    THSI_END_LOST,     /* closed by the other side or the network; a dial: no answer, or the handshake failed */
    THSI_END_REFUSED,  /* a dial: the host says that no process listens */
    THSI_END_STRANGER, /* a dial: another node answered at this address; said before admit is asked about that one */
    THSI_END_LOCAL     /* this node closed it on purpose (replaced, malformed input) */
};

struct thsi_membership_event {
    uint64_t now_ns; /* monotonic, never smaller than before; the core has no other idea of time */
    enum thsi_membership_event_type type;
    uint64_t uid;
    const struct thsi_identity *identity; /* LINK_UP; copied */
    enum thsi_link_end end;               /* LINK_DOWN, DIAL_FAILED */
    struct thsi_member_refusal refusal;   /* REFUSED */
    const uint8_t *packet;                /* RECEIVED; borrowed */
    size_t packet_len;
    bool of_itself_only;                  /* RECEIVED: the sender has no right to say how others are. That there is a node of
                                           * which nothing is known yet it may say: who that is the node proves itself */
};

/* A member's state changed. When @to is DEAD or LEFT the member is buried: its loss is one step of the driver's (names,
 * group entries, DOWNs, then the member event), and LEFT means that it was observed to leave. */
struct thsi_member_change {
    const struct thsi_member *member; /* lent until the next step, also when it is buried */
    enum ths_member_state from, to;
    bool is_new;                      /* not known before; from then is JOINING */
};

struct thsi_membership_dial {
    uint64_t uid;
    const char *address; /* lent until the next step */
};

/* What the driver does after a step, in this order. Lent until the next step. */
struct thsi_membership_update {
    const struct thsi_gossip_send *sends;      /* packets */
    size_t sends_count;
    const struct thsi_member_change *changes;  /* for subscribers and burials, in order */
    size_t changes_count;
    const uint64_t *closes;                    /* uids whose links to close, letting queued bytes drain; their LINK_DOWN
                                                * need not be reported, but may be */
    size_t closes_count;
    const struct thsi_membership_dial *dials;  /* each is answered by LINK_UP, DIAL_FAILED or REFUSED */
    size_t dials_count;
    enum ths_err self_buried; /* NODE_LOST: this node was declared dead; SUPERSEDED: a newer boot took its place.
                               * Said once; from then on the membership is inert. Else OK */
    bool boot_raised;         /* our boot was behind an earlier one's; thsi_membership_self now has a newer one */
    bool left_done;           /* leaving: everybody knows, or the time is over. Said once */
};

struct thsi_membership;

/* Copies @options, borrows @env for the membership's life. The first heartbeat is due at @now_ns.
 * Gives; thsi_membership_destroy. NULL when memory is out. */
struct thsi_membership *thsi_membership_create(struct ths_env *env, const struct thsi_membership_options *options,
                                               uint64_t now_ns);
void thsi_membership_destroy(struct thsi_membership *membership);

/* Take one event, fill @update. @event is borrowed. After an error @update is still to be carried out.
 * Errors:
 *   MALFORMED   the packet breaks its format; nothing behind the break was used, the link is in update->closes
 *   NOMEM       RECEIVED: some of the news was not learned, it comes again; LINK_UP: close the link
 *   REFUSED, NAME_TAKEN, SUPERSEDED, NODE_LOST, TOO_MANY  LINK_UP of a node that admit refuses: close the link
 *   CLOSED      the membership is inert: this node has left, or is buried */
THS_MUST_CHECK
enum ths_err thsi_membership_step(struct thsi_membership *membership, const struct thsi_membership_event *event,
                                  struct thsi_membership_update *update);

/* When the next TIME_PASSED is due, UINT64_MAX: never. */
uint64_t thsi_membership_deadline_ns(const struct thsi_membership *membership);

/* A frame of any kind arrived from @uid: a sign of life. Cheap. */
void thsi_membership_heard(struct thsi_membership *membership, uint64_t uid, uint64_t now_ns);

/* Whether the node that proved to be @identity may have a link. Changes nothing. After an error @refusal (may be NULL)
 * is what to tell it. Both sides ask, the one that dialed first; but about a node that it has buried (is_buried) or
 * that has its own name, the one that dialed lets the other speak first: else that one could never say whom it has
 * buried. Errors:
 *   REFUSED     it has our own uid: we dialed ourselves
 *   NAME_TAKEN  another boot that lives, or may still live, has its name or id; it may try again
 *   SUPERSEDED  a newer boot of its id is known (a node that has not been a member yet then takes a newer one)
 *   NODE_LOST   it was buried
 *   CLOSED      this node is leaving, or buried
 *   TOO_MANY    the table is full */
THS_MUST_CHECK
enum ths_err thsi_membership_admit(const struct thsi_membership *membership, const struct thsi_identity *identity,
                                   struct thsi_member_refusal *refusal);

/* A second link to @peer is verified while one is up: whether the new one survives. Both sides answer alike: the link
 * that the smaller uid dialed; of two dialed by the same side, the newer. */
static inline bool thsi_membership_new_link_wins(uint64_t self, uint64_t peer, bool old_dialed_here,
                                                 bool new_dialed_here)
{
    return old_dialed_here == new_dialed_here || new_dialed_here == (self < peer);
}

/* This node: its identity with boot and incarnation as they are now. Lends until the next step. */
const struct thsi_identity *thsi_membership_self(const struct thsi_membership *membership);

/* Whether no other member is known: then look for seeds. */
bool thsi_membership_alone(const struct thsi_membership *membership);

/* Members by place, this node first, the others in no order; for @index < count. Lends until the next step. */
size_t thsi_membership_count(const struct thsi_membership *membership);
const struct thsi_member *thsi_membership_at(const struct thsi_membership *membership, size_t index);

/* The member with this uid, or NULL. Lends until the next step. */
const struct thsi_member *thsi_membership_find(const struct thsi_membership *membership, uint64_t uid);

/* The member with this name, or NULL. Names are unique among members. Lends until the next step. */
const struct thsi_member *thsi_membership_find_name(const struct thsi_membership *membership, const char *name);

/* Whether @uid is remembered as buried; *@state (may be NULL) then is DEAD or LEFT. */
bool thsi_membership_is_buried(const struct thsi_membership *membership, uint64_t uid, enum ths_member_state *state);

/* Assert all that is believed about the structure. */
void thsi_membership_check(const struct thsi_membership *membership);

#endif /* THSI_CLUSTER_MEMBERSHIP_H */
