/* Dynamic type: a message type made at run time from a node's description of it.
 *
 * The command was never compiled with the messages of the program it talks to. From the description it makes the same
 * field table that THS_MESSAGE would have made, so that everything that works by the table (check, pack, JSON, print)
 * works for it too. */

#ifndef THSI_TOOLS_DYNAMIC_TYPE_H
#define THSI_TOOLS_DYNAMIC_TYPE_H

#include "cluster/control_messages.h"
#include "node/base/message_table.h"

/* The entry of the type that @described (borrowed) describes, interned; it lives as long as the program.
 * Errors: MALFORMED (no description of a message: lists of different lengths, unknown kinds, a name twice; or the
 * fingerprint does not come out the same), NOMEM. */
THS_MUST_CHECK enum ths_err thsi_dynamic_type(const struct ths_described *described,
                                              const struct thsi_type_info **out);

/* The fields as a person reads them: "name string, times u32, ids list(u64)". Writes at most @size bytes, NUL included,
 * and returns @out. */
char *thsi_type_fields_text(const struct thsi_type_info *info, char *out, size_t size);

#endif /* THSI_TOOLS_DYNAMIC_TYPE_H */
