/* Type names: finding a message type by what a person typed.
 *
 * People write greet for demo.greet, and sometimes gret. The last part of a name is enough when only one type ends so;
 * when none does, the names that are spelt most alike are offered. Reads the message table and nothing else. Thread:
 * any. */

#ifndef THSI_CLUSTER_TYPE_NAMES_H
#define THSI_CLUSTER_TYPE_NAMES_H

#include "cluster/control_messages.h"
#include "node/base/message_table.h"

struct thsi_near_names {
    const char *names[THSI_NEAR_MAX]; /* lent for the life of the process */
    uint32_t count;
};

/* The newest type named @name, or the only one whose name ends in ".@name". With a @fingerprint that is not 0 only that
 * very version. Errors: UNKNOWN_TYPE (@near: names like it, else some that are known), INVALID (@near: all that fit),
 * TYPE_MISMATCH (the name is known, not with this version and fingerprint). */
THS_MUST_CHECK enum ths_err thsi_type_lookup(const char *name, uint32_t version, uint64_t fingerprint,
                                             const struct thsi_type_info **out, struct thsi_near_names *near);

/* How many letters must be added, removed or changed to make @b of @a; of each at most THSI_TYPE_NAME_MAX are
 * looked at. Pure. */
unsigned thsi_edit_distance(const char *a, const char *b);

/* The last part of a name with dots. Lends a pointer into @name. */
const char *thsi_last_part(const char *name);

#endif /* THSI_CLUSTER_TYPE_NAMES_H */
