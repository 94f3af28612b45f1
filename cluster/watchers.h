/* Watchers: actors of this node that want to be told of members and groups.
 *
 * A list with the few kinds of interest there are. The caller serialises all calls, and so tells everybody in the
 * order of the changes. */

#ifndef THSI_CLUSTER_WATCHERS_H
#define THSI_CLUSTER_WATCHERS_H

#include "cluster/groups.h"
#include "cluster/membership.h"
#include "node/runtime.h"

enum thsi_watch_kind {
    THSI_WATCH_EVENTS, /* ths_member, for each change of a member */
    THSI_WATCH_SET,    /* ths_members_changed, when the set of usable members is another */
    THSI_WATCH_GROUP   /* ths_group_change of one group */
};

struct thsi_watcher {
    ths_ref whom;
    enum thsi_watch_kind kind;
    char group[THSI_GROUP_NAME_SIZE]; /* whole name */
};

struct thsi_watchers {
    struct thsi_runtime *runtime; /* borrowed */
    struct thsi_watcher *items;
    size_t count, cap;
};

void thsi_watchers_init(struct thsi_watchers *watchers, struct thsi_runtime *runtime);
void thsi_watchers_fini(struct thsi_watchers *watchers);

/* Watching twice is watching once; *@is_new (may be NULL) tells. @group is NULL unless kind is GROUP. Errors: NOMEM. */
THS_MUST_CHECK enum ths_err thsi_watchers_add(struct thsi_watchers *watchers, ths_ref whom, enum thsi_watch_kind kind,
                                              const char *group, bool *is_new);

/* @whom has ended. */
void thsi_watchers_remove(struct thsi_watchers *watchers, ths_ref whom);

/* Tell those whom it concerns. @ctx is the running actor's when the caller is one's handler, else NULL. */
void thsi_watchers_member(struct thsi_watchers *watchers, const struct thsi_member *member,
                          enum ths_member_state state);
void thsi_watchers_set(struct thsi_watchers *watchers, uint64_t version);
void thsi_watchers_group(struct thsi_watchers *watchers, const struct thsi_group_change *change, struct ths_ctx *ctx);

/* Tell one actor of a member, or of an entry, as it is now. */
void thsi_watchers_tell_member(struct thsi_watchers *watchers, ths_ref whom, const struct thsi_member *member,
                               enum ths_member_state state, struct ths_ctx *ctx);
void thsi_watchers_tell_group(struct thsi_watchers *watchers, ths_ref whom, const struct thsi_group_change *change,
                              struct ths_ctx *ctx);

#endif /* THSI_CLUSTER_WATCHERS_H */
