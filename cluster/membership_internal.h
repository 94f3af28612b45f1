/* Membership, inside: what the files of its core share. README.md shows how they fit together. */

#ifndef THSI_CLUSTER_MEMBERSHIP_INTERNAL_H
#define THSI_CLUSTER_MEMBERSHIP_INTERNAL_H

#include "cluster/membership.h"
#include "node/base/prng.h"

#define THSI_MS UINT64_C(1000000)
#define THSI_NEWS_ROUNDS 3u                    /* how often a change is told to everybody */
#define THSI_TABLE_TOMBS 64u                   /* latest burials that a new link is told of */
#define THSI_QUICK_BURY_NS (40 * THSI_MS)      /* suspicion of a node whose host says it is gone */
#define THSI_QUICK_DIAL_NS (15 * THSI_MS)      /* and when its host is asked again */
#define THSI_MEMBER_INDEX 2048u                /* a power of two, at least twice the members */

/* What is remembered of a buried member. */
struct thsi_tomb {
    uint64_t uid, boot, incarnation;
    uint8_t id[THSI_NODE_ID_SIZE];
    char name[THSI_NODE_NAME_SIZE];
    enum ths_member_state state; /* DEAD or LEFT */
    bool met;                    /* a session with it was up once */
    unsigned gossip_left;
};

struct thsi_membership {
    struct ths_env *env;
    uint64_t heartbeat_ns, suspect_ns, bury_ns, leave_ns;
    struct thsi_prng random;     /* of jitter */
    const char *cluster;         /* NULL: ids are not checked */

    struct thsi_member self;
    bool met_anybody;            /* some session was up once: the boot id cannot change any more */
    bool inert;                  /* buried, or left */
    bool news_urgent;            /* tell everybody in this step */
    bool put_off;                /* something was due, but memory was out: again soon */

    struct thsi_member *members[THSI_MEMBERS_MAX - 1]; /* the others */
    size_t count;
    uint16_t index[THSI_MEMBER_INDEX];                 /* place in members + 1, by uid; linear probing; 0: free */
    struct thsi_tomb tombs[THSI_TOMBS_MAX];            /* ring, tomb_next is the oldest once it is full */
    size_t tombs_count, tomb_next;

    uint64_t heartbeat_due_ns, leave_due_ns;
    uint64_t deadline_ns;        /* not later than the earliest timer; exact after each passing of time */
    uint64_t digest;
    bool digest_valid;

    /* The update. */
    struct thsi_gossip_batch batch;
    struct thsi_member_change *changes;
    struct thsi_membership_dial *dials;
    uint64_t *closes;
    size_t changes_count, changes_cap, dials_count, dials_cap, closes_count, closes_cap;
    struct thsi_member *graves;  /* buried in this step, freed at the next */
    enum ths_err self_buried;
    bool boot_raised, left_done;
};

/* One thing that a node says of a member. */
struct thsi_rumour {
    struct thsi_identity who;
    enum ths_member_state state; /* UP and worse */
};

/* ---- membership_table.c --------------------------------------------------------------------- */

struct thsi_member *thsi_membership_get(const struct thsi_membership *m, uint64_t uid);

/* Another member with this id, or else with this name. */
struct thsi_member *thsi_membership_rival(const struct thsi_membership *m, const struct thsi_identity *identity);

struct thsi_tomb *thsi_membership_tomb(struct thsi_membership *m, uint64_t uid);

/* The @age-th youngest tomb, 0 the youngest; age < tombs_count. */
struct thsi_tomb *thsi_membership_tomb_by_age(struct thsi_membership *m, size_t age);

/* Room in the update for whatever happens to one member in one go. Asked before anything is changed. */
bool thsi_membership_reserve(struct thsi_membership *m);

/* A new member in state JOINING, not announced. NULL when memory is out or the table is full. */
struct thsi_member *thsi_membership_add(struct thsi_membership *m, const struct thsi_identity *identity,
                                        uint64_t now_ns);

/* Announce a new member that was not linked yet. */
void thsi_membership_announce(struct thsi_membership *m, struct thsi_member *member);

/* Move @member to state @to, which must be an allowed move, and tell subscribers and the others. DEAD and LEFT bury it:
 * it leaves the table, its link is closed. Needs a reserve. */
void thsi_membership_move(struct thsi_membership *m, struct thsi_member *member, enum ths_member_state to);

/* Remember a member as buried; @met: a session with it was up. Those never met only ever displace each other once they are
 * many, so that nobody makes this node forget whom it knew. */
void thsi_membership_entomb(struct thsi_membership *m, const struct thsi_identity *who, enum ths_member_state state, bool met,
                            unsigned gossip_left);

bool thsi_membership_any_linked(const struct thsi_membership *m);
void thsi_membership_close(struct thsi_membership *m, uint64_t uid);
void thsi_membership_free_graves(struct thsi_membership *m);

/* ---- membership_packet.c -------------------------------------------------------------------- */

/* A heartbeat for one linked member. */
void thsi_membership_pack_heartbeat(struct thsi_membership *m, const struct thsi_member *to, uint64_t now_ns);

/* What changed lately, to all linked members; counts as told once. */
void thsi_membership_pack_news(struct thsi_membership *m);

/* All that is known, to one member. */
void thsi_membership_pack_table(struct thsi_membership *m, uint64_t to);

/* What is known of @about, to @to. */
void thsi_membership_pack_one(struct thsi_membership *m, const struct thsi_member *about, uint64_t to);

/* This node leaves, to all linked members. */
void thsi_membership_pack_leaving(struct thsi_membership *m);

/* Act upon a packet of the linked @from. */
THS_MUST_CHECK
enum ths_err thsi_membership_unpack(struct thsi_membership *m, struct thsi_member *from,
                                    const struct thsi_membership_event *event);

/* Over all living members: equal at two nodes that know the same. */
uint64_t thsi_membership_digest(struct thsi_membership *m);

/* ---- membership_rumour.c -------------------------------------------------------------------- */

/* Take one rumour, told by the member @from. Errors: NOMEM. */
THS_MUST_CHECK
enum ths_err thsi_membership_hear(struct thsi_membership *m, uint64_t from, const struct thsi_rumour *rumour,
                                  uint64_t now_ns);

/* The node itself says that its incarnation is @incarnation and that it is well. */
THS_MUST_CHECK
enum ths_err thsi_membership_hear_self(struct thsi_membership *m, struct thsi_member *from, uint64_t incarnation,
                                       uint64_t now_ns);

/* Suspect a living member for at most @for_ns. Needs a reserve. */
void thsi_membership_suspect(struct thsi_membership *m, struct thsi_member *member, uint64_t now_ns, uint64_t for_ns);

/* This node was buried or superseded: nothing is done any more. */
void thsi_membership_die(struct thsi_membership *m, enum ths_err why);

/* ---- membership_links.c: one event each; errors are those of step ----------------------------- */

THS_MUST_CHECK
enum ths_err thsi_membership_link_up(struct thsi_membership *m, const struct thsi_membership_event *event);
THS_MUST_CHECK
enum ths_err thsi_membership_link_down(struct thsi_membership *m, const struct thsi_membership_event *event);
THS_MUST_CHECK
enum ths_err thsi_membership_dial_failed(struct thsi_membership *m, const struct thsi_membership_event *event);
THS_MUST_CHECK
enum ths_err thsi_membership_refused(struct thsi_membership *m, const struct thsi_membership_event *event);

/* ---- membership.c --------------------------------------------------------------------------- */

/* Let time be looked at by @due_ns. */
static inline void thsi_membership_schedule(struct thsi_membership *m, uint64_t due_ns)
{
    if (due_ns < m->deadline_ns)
        m->deadline_ns = due_ns;
}

#endif /* THSI_CLUSTER_MEMBERSHIP_INTERNAL_H */
