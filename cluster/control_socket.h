/* Control socket: the file that a control server listens on, and who may talk through it.
 *
 * Everything that concerns the file system and the kernel's word on who is at the other end. */

#ifndef THSI_CLUSTER_CONTROL_SOCKET_H
#define THSI_CLUSTER_CONTROL_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "thiasos/err.h"

struct thsi_control_file {
    char path[108]; /* as long as a Unix address can be */
    dev_t device;   /* which file it is, so that no other one is removed */
    ino_t inode;
};

/* Listen on @path. The file has mode 0600 from its first moment. What a dead process of the same user left there is
 * replaced. On success *@fd belongs to the caller and @file is for thsi_control_remove. @why (of @why_size bytes, may
 * be NULL) says what is wrong. Errors: INVALID (path), NAME_TAKEN (somebody listens there), IO. */
THS_MUST_CHECK enum ths_err thsi_control_listen(const char *path, int *fd, struct thsi_control_file *file, char *why,
                                                size_t why_size);

/* Remove the file, if it still is the one that was made. */
void thsi_control_remove(const struct thsi_control_file *file);

/* Connect to @path; the process there must be of the same user. Gives *@fd.
 * Errors: NOT_FOUND (no such file), CLOSED (nobody listens), REFUSED (another user's), INVALID (path), IO. */
THS_MUST_CHECK enum ths_err thsi_control_connect(const char *path, int *fd);

/* Whether the process at the other end of @fd has this process's effective user. */
bool thsi_control_is_own_user(int fd);

#endif /* THSI_CLUSTER_CONTROL_SOCKET_H */
