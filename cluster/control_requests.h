/* Control requests: what a control socket's server does for one client.
 *
 * A session belongs to the client's task. Only the call that it waits for may be touched by the thread that stops the
 * server, under the session's mutex. */

#ifndef THSI_CLUSTER_CONTROL_REQUESTS_H
#define THSI_CLUSTER_CONTROL_REQUESTS_H

#include <pthread.h>

#include "cluster/control_call.h"
#include "cluster/control_frame.h"

#define THSI_CONTROL_IDLE_MS 60000u   /* a client that asks nothing for so long is closed */
#define THSI_CONTROL_LOOKUP_MS 2000u  /* for finding a name and for the types actor of another node */

struct thsi_control_session {
    struct ths_node *node;
    struct thsi_control_link link;
    pthread_mutex_t mutex;          /* over the two below */
    struct thsi_control_call *call; /* waited for, or NULL */
    bool cancelled;
};

/* Take one request and answer it. An error means that the client is to be closed. */
THS_MUST_CHECK enum ths_err thsi_control_serve(struct thsi_control_session *session);

/* Give up what is waited for, now and from now on. Thread: any. */
void thsi_control_session_cancel(struct thsi_control_session *session);

/* Answer the requests that only need looking (control_tables.c, control_observe.c).
 * Errors: those of thsi_control_write, NOMEM. */
THS_MUST_CHECK enum ths_err thsi_control_answer_info(struct thsi_control_session *session);
THS_MUST_CHECK enum ths_err thsi_control_answer_members(struct thsi_control_session *session);
THS_MUST_CHECK enum ths_err thsi_control_answer_groups(struct thsi_control_session *session);
THS_MUST_CHECK enum ths_err thsi_control_answer_actors(struct thsi_control_session *session, const struct control_actors *msg);
THS_MUST_CHECK enum ths_err thsi_control_answer_stats(struct thsi_control_session *session);
THS_MUST_CHECK enum ths_err thsi_control_answer_tree(struct thsi_control_session *session);

/* The same for one actor of this node, which is asked; for a wait of at most THSI_CONTROL_LOOKUP_MS. Errors: also those of
 * ths_inspect but TIMEOUT, and then nothing was sent: *@refused. */
THS_MUST_CHECK enum ths_err thsi_control_answer_inspect(struct thsi_control_session *session, const struct control_inspect *msg,
                                                        bool *refused);

#endif /* THSI_CLUSTER_CONTROL_REQUESTS_H */
