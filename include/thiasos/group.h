/* Process groups: named sets of actors that span the nodes of a cluster.
 *
 * A group lives in a scope; "workers" means group workers of scope default, "orders/workers" of scope orders. Each node is the
 * only writer of its own actors' entries; what others know of them arrives in order, and entries of a dead node go in
 * the same step as its death. An actor that ends leaves its groups before its DOWN. */

#ifndef THIASOS_GROUP_H
#define THIASOS_GROUP_H

#include "thiasos/cluster.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Join the running actor to @group with a weight for picks (0 means 1). Joining again changes the weight.
 * Errors: INVALID (name, or a scope this node takes no part in), TOO_MANY, NOMEM, UNSUPPORTED (node without cluster). */
THS_API enum ths_err ths_group_join(struct ths_ctx *ctx, const char *group, unsigned weight);
THS_API enum ths_err ths_group_leave(struct ths_ctx *ctx, const char *group);

enum ths_pick { THS_PICK_RANDOM, THS_PICK_LOCAL_FIRST, THS_PICK_ROUND_ROBIN };

/* One member of the group, or THS_NOBODY. One of this node that waits for its restart is picked only when there is no other. */
#define ths_group_pick(where, group, how) thsp_group_pick(THSP_WHERE(where), group, how)

/* Copy up to @max members, those of this node first. Returns how many there are. */
#define ths_group_members(where, group, out, max) thsp_group_members(THSP_WHERE(where), group, out, max)

/* ths_group_tell(where, "workers", tick, .n = 1): to every member, with one network message for each node.
 * Returns how many members it was sent to. */
#define ths_group_tell(where, group, ...) \
    thsp_group_tell(THSP_WHERE(where), group, THSP_TYPE_V(__VA_ARGS__), THSP_LITERAL_V(__VA_ARGS__))

/* Tell the running actor of joins and leaves, as ths_group_change messages, until it ends; present members first. They are
 * signals: a full mailbox takes them. */
THS_API enum ths_err ths_group_watch(struct ths_ctx *ctx, const char *group);

#ifndef __cplusplus
/* An actor joined (joined true) or left a watched group. */
THS_MESSAGE(ths_group_change, "ths.group_change", 1, ref(who), boolean(joined), string(group))
#endif

/* Visit the groups known here: name with scope, members in all, members here. Nothing without a cluster. Thread: any. */
struct ths_group_info {
    const char *name; /* lent for the call */
    size_t members, members_local;
};
THS_API void ths_groups(struct ths_node *node, void (*visit)(void *arg, const struct ths_group_info *group), void *arg);

THS_API ths_ref thsp_group_pick(struct ths_ctx *ctx, const char *group, enum ths_pick how);
THS_API size_t thsp_group_members(struct ths_ctx *ctx, const char *group, ths_ref *out, size_t max);
THS_API size_t thsp_group_tell(struct ths_ctx *ctx, const char *group, struct ths_type *type, const void *body);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_GROUP_H */
