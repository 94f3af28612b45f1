/* Credentials: the files that say who this node is and whom it admits, read and checked. */

#ifndef THSI_CLUSTER_CREDENTIALS_H
#define THSI_CLUSTER_CREDENTIALS_H

#include "codec/identity.h"
#include "codec/trust.h"
#include "thiasos/cluster.h"

#define THSI_PATH_SIZE 1024

/* Paths; "": not given. */
struct thsi_credential_files {
    char node_key[THSI_PATH_SIZE], certificate[THSI_PATH_SIZE], allow[THSI_PATH_SIZE], revoked[THSI_PATH_SIZE];
};

/* Copy the paths of @options and see whether they fit together. @why (of THSI_KEY_WHY_SIZE bytes) says what does not.
 * Errors: INVALID. Thread: any. */
THS_MUST_CHECK
enum ths_err thsi_credential_files_of(struct thsi_credential_files *files, const struct ths_cluster_options *options,
                                      char *why);

static inline bool thsi_credential_files_given(const struct thsi_credential_files *files)
{
    return files->node_key[0] != '\0';
}

/* Read the node key into @credential, unless it is there already (reload), then the certificate, which must be of that
 * key and fit @self's name and roles now, and both lists into @trust, which is empty. Blocks for the disk. @why as above.
 * Thread: any but a worker. Errors: BAD_KEY (what a file holds is not fit), IO, NOMEM. @trust is empty then. */
THS_MUST_CHECK
enum ths_err thsi_credentials_load(const struct thsi_credential_files *files, struct ths_env *env,
                                   const struct thsi_identity *self, bool with_key, struct thsi_credential *credential,
                                   struct thsi_trust *trust, char *why);

#endif /* THSI_CLUSTER_CREDENTIALS_H */
