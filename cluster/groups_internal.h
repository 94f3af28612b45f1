/* Groups, inside: what the files of its core share.
 *
 *     owner (a node) ── shares, one for each scope: version, digest
 *       │
 *       └─ segments: its entries in one group ──┐
 *                                               │   entries, each also in the table by actor
 *     group ── segments, this node's first ─────┘
 *
 * A segment is where an owner and a group meet; it holds at least one entry, so groups and segments go with their last
 * entry. */

#ifndef THSI_CLUSTER_GROUPS_INTERNAL_H
#define THSI_CLUSTER_GROUPS_INTERNAL_H

#include "cluster/groups.h"

struct thsi_group_entry {
    ths_ref who;
    uint32_t weight;
    uint32_t place;                     /* in the segment's list */
    struct thsi_group_segment *segment;
    struct thsi_group_entry *next;      /* in the chain of the table by actor */
    uint32_t mark;                      /* snapshot that named it last */
};

struct thsi_group_segment {
    struct thsi_group *group;
    struct thsi_group_owner *owner;
    struct thsi_group_segment *next_of_group, *next_of_owner;
    struct thsi_group_entry **entries;
    uint32_t count, cap;
    uint64_t weight;                    /* of all entries */
};

struct thsi_group {
    struct thsi_group *next;            /* in its chain, or among those freed at the next call */
    struct thsi_group_segment *segments;
    size_t count;
    uint64_t weight;
    uint64_t cursor;                    /* of ROUND_ROBIN */
    uint64_t hash;                      /* of the name */
    unsigned scope;                     /* place in the list of this node's scopes */
    char name[THSI_GROUP_NAME_SIZE];
};

/* The entries of one owner in one scope. */
struct thsi_group_share {
    uint64_t version;                   /* own: of the last change; others': up to which we know */
    uint64_t count;                     /* entries */
    uint64_t digest;                    /* sum over entries */
    uint32_t mark;                      /* of the snapshot being received, 0: none */
    uint32_t part;                      /* that comes next */
    bool asked;                         /* for a snapshot that has not begun yet */
    bool answered;                      /* by this node, with a snapshot of its own share, since the last digest */
};

struct thsi_group_owner {
    uint64_t uid;
    struct thsi_group_owner *next;      /* in its chain */
    bool linked;
    uint32_t scopes;                    /* bits: shared with this node */
    uint32_t names, entries;
    struct thsi_group_segment *segments;
    struct thsi_group_share shares[THSI_GROUP_SCOPES_MAX];
};

#define THSI_GROUP_OWNER_CHAINS 256u

struct thsi_groups {
    struct ths_env *env;
    uint64_t seed;
    unsigned scopes_count;
    char scopes[THSI_GROUP_SCOPES_MAX][THSI_GROUP_PART_MAX + 1];
    uint64_t digest_due_ns;
    uint32_t last_mark;

    struct thsi_group_owner *self;      /* also in the chains */
    struct thsi_group_owner *owners[THSI_GROUP_OWNER_CHAINS];
    size_t owners_count;
    struct thsi_group **groups;         /* chains by name */
    size_t groups_count, groups_chains; /* chains: a power of two */
    struct thsi_group_entry **actors;   /* chains by actor */
    size_t entries_count, actors_chains;

    /* The update. changes_cap >= changes_count + entries_count always: an entry can go without memory. */
    struct thsi_gossip_batch batch;
    struct thsi_group_change *changes;
    size_t changes_count, changes_cap;
    struct thsi_group *graves;          /* groups that changes may name */
};

/* ---- groups_table.c ------------------------------------------------------------------------- */

/* Place of the scope of @len bytes among this node's; scopes_count: none. */
unsigned thsi_groups_scope(const struct thsi_groups *g, const char *scope, size_t len);

struct thsi_group *thsi_groups_find(const struct thsi_groups *g, const char *name);
struct thsi_group_owner *thsi_groups_owner(const struct thsi_groups *g, uint64_t uid);

/* Find or make. NULL when memory is out. */
struct thsi_group_owner *thsi_groups_add_owner(struct thsi_groups *g, uint64_t uid);
void thsi_groups_remove_owner(struct thsi_groups *g, struct thsi_group_owner *owner);

struct thsi_group_entry *thsi_groups_entry(const struct thsi_groups *g, const char *name, ths_ref who);

/* Any entry of an actor, NULL: none. */
struct thsi_group_entry *thsi_groups_entry_of(const struct thsi_groups *g, ths_ref who);

/* A new entry, as a change; the caller has looked that there is none. @name is a whole name in this node's scope number
 * @scope. Versions are the caller's. Nothing has changed after an error. Errors: NOMEM, TOO_MANY. */
THS_MUST_CHECK
enum ths_err thsi_groups_add(struct thsi_groups *g, struct thsi_group_owner *owner, const char *name, unsigned scope,
                             ths_ref who, uint32_t weight, struct thsi_group_entry **entry);
void thsi_groups_weigh(struct thsi_groups *g, struct thsi_group_entry *entry, uint32_t weight);

/* As a change. Cannot fail. */
void thsi_groups_remove(struct thsi_groups *g, struct thsi_group_entry *entry);

void thsi_groups_free_graves(struct thsi_groups *g);

/* ---- groups_packet.c ------------------------------------------------------------------------ */

/* One operation of a delta. Weight 0: left. */
struct thsi_group_op {
    const char *name;
    ths_ref who;
    uint32_t weight;
};

/* One change of our own share @scope, whose version was raised for it, to all that are linked and take part. */
void thsi_groups_pack_delta(struct thsi_groups *g, unsigned scope, const struct thsi_group_op *op);

/* Our share @scope, whole, in as many parts as it takes. */
void thsi_groups_pack_snapshot(struct thsi_groups *g, unsigned scope, uint64_t to);

void thsi_groups_pack_digest(struct thsi_groups *g, const struct thsi_group_owner *to);
void thsi_groups_pack_repair(struct thsi_groups *g, unsigned scope, uint64_t to);

/* Act upon a packet of the linked @from. Errors: MALFORMED, NOMEM. */
THS_MUST_CHECK
enum ths_err thsi_groups_unpack(struct thsi_groups *g, struct thsi_group_owner *from, const uint8_t *packet,
                                size_t len);

#endif /* THSI_CLUSTER_GROUPS_INTERNAL_H */
