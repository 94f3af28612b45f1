/* Learn: how a node declares a message type. What goes wrong is printed here, so callers only pass the exit status on. */

#ifndef THSI_TOOLS_LEARN_H
#define THSI_TOOLS_LEARN_H

#include "tools/control_client.h"

/* What the node of @to says of the type called @name, in full or its last part; with a @fingerprint that is not 0 of that
 * version alone. *@described is lent until the next request. Returns 0 or an exit status. */
int thsi_learn_description(struct thsi_client *client, ths_ref to, const char *name, uint32_t version, uint64_t fingerprint,
                           const struct ths_described **described);

#endif /* THSI_TOOLS_LEARN_H */
