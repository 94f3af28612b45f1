/* Remote types: what the numbers of the other node's messages stand for here.
 *
 * A type whose fingerprint is known is read by its own table. One that is declared differently is read as the newest of
 * that name that is known here when it is announced, if the two fit (codec/schema_resolve.h), else refused: the sender's node
 * says why, once, and refuses later ones itself. The decision is made once for each announcement and kept with the number.
 *
 * For remote_receive.c. Thread: the driver's. */

#ifndef THSI_CLUSTER_REMOTE_TYPES_H
#define THSI_CLUSTER_REMOTE_TYPES_H

#include "cluster/remote.h"

#define THSI_VIEWS_MAX 1024u /* types of one node that are read by a table made for it; further ones are TYPE_MISMATCH */

/* A TYPE came. Errors: MALFORMED, TOO_BIG, NOMEM: close the link. */
THS_MUST_CHECK enum ths_err thsi_remote_type_announced(struct thsi_remote *remote, struct thsi_peer *peer,
                                                       const struct thsi_envelope *envelope);

/* A TYPE_REFUSED came: from now on the type is refused here, before it is packed. Errors: as above. */
THS_MUST_CHECK enum ths_err thsi_remote_type_refused(struct thsi_remote *remote, struct thsi_peer *peer,
                                                     const struct thsi_envelope *envelope);

/* What @peer announced is forgotten: its node is gone. */
void thsi_remote_types_forget(struct thsi_remote *remote, struct thsi_peer *peer);

#endif /* THSI_CLUSTER_REMOTE_TYPES_H */
