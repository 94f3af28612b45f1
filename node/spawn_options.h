/* Spawn options: what an actor is spawned with, checked and copied in one place for every way to spawn one: at once, as the
 * child of a supervisor, on another node. Pure but for the memory it is given. */

#ifndef THSI_NODE_SPAWN_OPTIONS_H
#define THSI_NODE_SPAWN_OPTIONS_H

#include "node/inbox.h"
#include "thiasos/actor.h"

/* Bits: where the options are to be used. */
enum {
    THSI_OPTIONS_OF_CHILD = 1, /* name and start message are said otherwise, and it is tied to its supervisor */
    THSI_OPTIONS_ELSEWHERE = 2 /* on another node, perhaps */
};

/* Errors: INVALID, UNSUPPORTED, NOMEM (for an urgent type); *@why then says in a line what is wrong. */
THS_MUST_CHECK enum ths_err thsi_spawn_options_check(const struct ths_spawn_options *options, unsigned use, const char **why);

/* Whether nothing is asked for. */
bool thsi_spawn_options_are_default(const struct ths_spawn_options *options);

/* What kind of mailbox they ask for; its capacity is 0 when a plain one will do. */
struct thsi_inbox_options thsi_spawn_options_inbox(const struct ths_spawn_options *options);

/* A copy that needs nothing of the original. */
struct thsi_kept_options {
    struct ths_spawn_options options; /* of a child: without name, start, link, monitor */
    void *block;                      /* the key and the list of urgent types; NULL: neither */
};

/* Of options of a child that were checked. Errors: NOMEM; nothing to drop then. / Free it; all zeros are fine. */
THS_MUST_CHECK enum ths_err thsi_spawn_options_keep(struct ths_env *env, const struct ths_spawn_options *options,
                                                    struct thsi_kept_options *kept);
void thsi_spawn_options_drop(struct ths_env *env, struct thsi_kept_options *kept);

#endif /* THSI_NODE_SPAWN_OPTIONS_H */
