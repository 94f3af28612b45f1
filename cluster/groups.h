/* Groups: which actors of which nodes belong to which named set.
 *
 * Each node is the only writer of its own actors' entries, so there are no conflicts, only copies that lag. What is
 * replicated is a *share*: the entries of one owner in one scope. Every change of a share raises its version and goes
 * as a delta to the linked nodes that take part in the scope; a new link gets each share whole; a digest on the same
 * ordered lane tells once a second what the receiver should hold by now, and whoever holds something else asks for a
 * snapshot. So a lost packet costs a second, never the truth. Entries of a buried node go in one step.
 *
 * "workers" is group workers of scope default, "orders/workers" of scope orders. Inside, names are always whole:
 * "default/workers".
 *
 * Pure: no clock, socket, thread or random source; memory through the environment. The caller serialises all calls and
 * sends the packets of an update before it makes the next call, so that they leave in the order of the versions. */

#ifndef THSI_CLUSTER_GROUPS_H
#define THSI_CLUSTER_GROUPS_H

#include "cluster/gossip.h"
#include "thiasos/group.h"

#define THSI_GROUP_PART_MAX 63u                 /* bytes of a scope's or a group's name */
#define THSI_GROUP_NAME_SIZE 128u               /* scope, slash, group, NUL */
#define THSI_GROUP_SCOPES_MAX 16u               /* that one node takes part in */
#define THSI_GROUP_NAMES_MAX 4096u              /* groups that one owner has entries in */
#define THSI_GROUP_ENTRIES_MAX 65536u           /* entries of one owner */
#define THSI_GROUP_OWNERS_MAX 1088u             /* other nodes */
#define THSI_GROUP_WEIGHT_MAX 65535u
#define THSI_GROUP_DIGEST_NS UINT64_C(1000000000)

/* An actor joined or left a group, as far as this node knows. */
struct thsi_group_change {
    const char *group; /* whole name; lent until the next call that fills an update */
    ths_ref who;
    bool joined;
};

/* What the driver does after a call, in this order. Lent until the next call that fills an update. */
struct thsi_groups_update {
    const struct thsi_gossip_send *sends; /* all ordered */
    size_t sends_count;
    const struct thsi_group_change *changes; /* for watchers, in order */
    size_t changes_count;
};

struct thsi_groups;

/* Check a user's group name and write the whole name to @out (THSI_GROUP_NAME_SIZE bytes). A scope has letters, digits,
 * '.', '_' and '-'; a group any UTF-8 but '/' and control characters; both 1 to 63 bytes. Errors: INVALID. */
THS_MUST_CHECK enum ths_err thsi_group_parse(const char *text, char *out);

/* The whole name as users write it: without "default/". Lends from @whole. */
const char *thsi_group_text(const char *whole);

/* Check a user's list of scopes, "orders,default"; NULL or "" is "default". Writes the normal form to @out of @size
 * bytes. Errors: INVALID (a name), TOO_MANY, TOO_BIG (no room). */
THS_MUST_CHECK enum ths_err thsi_group_scopes_parse(const char *text, char *out, size_t size);

/* @scopes is the normal form, copied. Borrows @env for the groups' life. @seed is of the hash alone. The first digest
 * is due THSI_GROUP_DIGEST_NS after @now_ns. Gives; thsi_groups_destroy. NULL when memory is out. */
struct thsi_groups *thsi_groups_create(struct ths_env *env, uint64_t uid, const char *scopes, uint64_t seed,
                                       uint64_t now_ns);
void thsi_groups_destroy(struct thsi_groups *groups);

/* ---- Calls that fill an update -------------------------------------------------------------- */

/* Own actor @who joins @group (whole name) with @weight, 0 means 1; joining again changes the weight and is no change
 * for watchers. After an error nothing has changed. Errors: INVALID (scope of others, weight), TOO_MANY, NOMEM. */
THS_MUST_CHECK
enum ths_err thsi_groups_join(struct thsi_groups *groups, const char *group, ths_ref who, unsigned weight,
                              struct thsi_groups_update *update);

/* Errors: NOT_FOUND (not in this group). */
THS_MUST_CHECK
enum ths_err thsi_groups_leave(struct thsi_groups *groups, const char *group, ths_ref who,
                               struct thsi_groups_update *update);

/* Own actor @who has ended: it leaves all its groups. Cheap when it has none. */
void thsi_groups_actor_ended(struct thsi_groups *groups, ths_ref who, struct thsi_groups_update *update);

/* A session with @uid is up (also when it replaces another): it gets our shares of the scopes in its list @scopes.
 * Errors: NOMEM (close the link), TOO_MANY. */
THS_MUST_CHECK
enum ths_err thsi_groups_link_up(struct thsi_groups *groups, uint64_t uid, const char *scopes,
                                 struct thsi_groups_update *update);

/* A packet of @uid. Errors: MALFORMED (also more than its bounds: close the link), REFUSED (no link with @uid), NOMEM
 * (some of it was not learned; the digest repairs it). After an error @update is still to be carried out. */
THS_MUST_CHECK
enum ths_err thsi_groups_receive(struct thsi_groups *groups, uint64_t uid, const uint8_t *packet, size_t len,
                                 struct thsi_groups_update *update);

/* The session with @uid is over: nothing is sent to it; its entries stay. */
void thsi_groups_link_down(struct thsi_groups *groups, uint64_t uid);

/* Node @uid is buried: all its entries go. */
void thsi_groups_bury(struct thsi_groups *groups, uint64_t uid, struct thsi_groups_update *update);

/* The deadline has come: digests. */
void thsi_groups_time_passed(struct thsi_groups *groups, uint64_t now_ns, struct thsi_groups_update *update);
uint64_t thsi_groups_deadline_ns(const struct thsi_groups *groups);

/* ---- Queries, by whole name ----------------------------------------------------------------- */

/* Copy up to @max members: this node's first, those of one node together. Returns how many there are. */
size_t thsi_groups_members(const struct thsi_groups *groups, const char *group, ths_ref *out, size_t max);

/* Whether a member can do nothing just now, as far as is known here. */
typedef bool thsi_groups_rests(void *arg, ths_ref who);

/* One member, or THS_NOBODY. @random decides RANDOM and LOCAL_FIRST, by weight. ROUND_ROBIN gives each member its
 * weight's number of turns and moves the group's own cursor. One that @rests (NULL: none does) is picked only when all do. */
ths_ref thsi_groups_pick(struct thsi_groups *groups, const char *group, enum ths_pick how, uint64_t random,
                         thsi_groups_rests *rests, void *arg);

/* Visit all groups in no order. @name is the whole name, lent for the call, which must not change the groups. */
void thsi_groups_visit(const struct thsi_groups *groups,
                       void (*visit)(void *arg, const char *name, size_t members, size_t members_local), void *arg);

/* Entries of one owner, and of all; for tests and statistics. */
size_t thsi_groups_entries(const struct thsi_groups *groups, uint64_t uid);
size_t thsi_groups_total(const struct thsi_groups *groups);

/* Assert all that is believed about the structure. */
void thsi_groups_check(const struct thsi_groups *groups);

#endif /* THSI_CLUSTER_GROUPS_H */
