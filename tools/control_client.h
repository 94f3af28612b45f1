/* Control client: a command's side of the control socket. What goes wrong is printed here, so callers only pass the
 * exit status on. */

#ifndef THSI_TOOLS_CONTROL_CLIENT_H
#define THSI_TOOLS_CONTROL_CLIENT_H

#include "cluster/control_frame.h"
#include "cluster/control_messages.h"
#include "tools/socket_path.h"

struct thsi_client {
    const char *command; /* for messages */
    char path[THSI_SOCKET_PATH_SIZE];
    struct thsi_control_link link;
    enum ths_err err;    /* of the last request that the node refused */
};

/* Connect to the node at @socket (NULL: see thsi_socket_choose). Returns 0, or an exit status: then there is nothing to
 * close. */
int thsi_client_open(struct thsi_client *client, const char *command, const char *socket);

void thsi_client_close(struct thsi_client *client);

/* Send @msg and wait for the @answer_type; *@answer is lent until the next request. @what says what is being done, for
 * the message of an error: "echo@b could not be asked". @hint is what to do about a refusal, NULL: one that fits.
 * Returns 0 or an exit status. */
int thsi_client_request(struct thsi_client *client, struct ths_type *type, const void *msg,
                        struct ths_type *answer_type, unsigned timeout_ms, const char *what, const char *hint,
                        const void **answer);

/* Who is @target: NAME, NAME@NODE or a ref. Returns 0 or an exit status. */
int thsi_client_find(struct thsi_client *client, const char *target, ths_ref *to);

#endif /* THSI_TOOLS_CONTROL_CLIENT_H */
