/* Cluster: nodes that find each other, watch each other and carry each other's messages. */

#ifndef THIASOS_CLUSTER_H
#define THIASOS_CLUSTER_H

#include "thiasos/node.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Every text option that is NULL is taken from the environment variable named beside it, if set. */
struct ths_cluster_options {
    const char *bind;        /* THIASOS_BIND: "tcp://HOST:PORT"; PORT may be 0. NULL: "tcp://127.0.0.1:7400" */
    const char *advertise;   /* THIASOS_ADVERTISE: "HOST:PORT" that members spread; NULL: host name (loopback:
                              * 127.0.0.1) and port */
    const char *seeds;       /* THIASOS_SEEDS: "HOST[:PORT],..." ; names may have several addresses; "" or NULL: first node */
    const char *key_file;    /* THIASOS_KEY_FILE: needed to bind beyond loopback. Read again by ths_cluster_reload_keys */
    const char *node_key;    /* THIASOS_NODE_KEY: this node's own key; the nodes of a cluster all have one, or none */
    const char *allow;       /* THIASOS_ALLOW: list of the nodes and authorities to admit; needed with a node key */
    const char *certificate; /* THIASOS_CERTIFICATE: what an authority has signed for the node key, or NULL */
    const char *revoked;     /* THIASOS_REVOKED: list of keys and certificates not to admit any more, or NULL */
    const char *cluster;     /* THIASOS_CLUSTER: name of the cluster, "thiasos" */
    const char *roles;       /* THIASOS_ROLES: "counter,web" */
    const char *scopes;      /* THIASOS_SCOPES: scopes of groups that this node takes part in, "default" */
    const char *socket;      /* THIASOS_SOCKET: path of the control socket, or NULL: none. Mode 0600 */
    unsigned heartbeat_ms;   /* 0: 250 */
    unsigned suspect_ms;     /* silence before a member is suspected; 0: 1,000 */
    unsigned bury_ms;        /* suspicion before it is declared dead; 0: 2,000 */
    unsigned rekey_ms;       /* a link gets new keys when the present ones are so old; 0: 3,600,000 (an hour) */
    unsigned rekey_mib;      /* or have sealed so much, in MiB; 0: 1,024 */
    bool bury_exits;         /* a living node that learns it was buried: end the process (status 75) after stopping its actors */
};

/* Join @node to a cluster: listen, look for the seeds (again and again while alone), keep membership. Copies. Returns
 * when listening; members come as events. Text of what is wrong goes to the log and, if not NULL, to @why (of @why_size bytes).
 * Errors: INVALID (a bad address or seed), IO (port in use), NO_KEY, BAD_KEY (key file, certificate, lists), NOMEM. Thread:
 * any but a worker. */
THS_API enum ths_err ths_cluster_join(struct ths_node *node, const struct ths_cluster_options *options, char *why,
                                      size_t why_size);

/* Tell the others and leave: their DOWNs say NODE_LOST with certainty OBSERVED. Done by ths_node_stop too. */
THS_API void ths_cluster_leave(struct ths_node *node);

/* Read the key file again, which was changed (thiasos key install, promote, remove), and take it up: handshakes begin
 * with its first key and are accepted with any, and the links that are up go over to it without losing anything, each as
 * soon as the other side holds the key too. Links with which no key is left in common are closed after 10 seconds. The
 * file must still hold one of the keys in use. With a node key the allow list, the revocation list and the certificate are
 * read again too: links to nodes that are not admitted any more are closed, the others go on with the rights that their
 * nodes have now. When one of the files is not fit nothing changes. Blocks for the disk. Text of
 * what is wrong goes to @why, as for join.
 * Errors: INVALID (not in a cluster, or joined without key files), BAD_KEY (a file; nothing has changed), IO, NOMEM.
 * Thread: any but a worker. */
THS_API enum ths_err ths_cluster_reload_keys(struct ths_node *node, char *why, size_t why_size);

/* "tcp://HOST:PORT" really bound. Lends until the node stops; NULL without a cluster. */
THS_API const char *ths_cluster_endpoint(struct ths_node *node);

enum ths_member_state {
    THS_MEMBER_JOINING,
    THS_MEMBER_UP,
    THS_MEMBER_SUSPECT,
    THS_MEMBER_LEAVING,
    THS_MEMBER_DEAD,
    THS_MEMBER_LEFT
};

/* "joining", "up", ... Lends a constant. */
THS_API const char *ths_member_state_text(enum ths_member_state state);

struct ths_member_info {
    uint64_t uid, boot;
    const char *name, *address, *roles; /* lent for the call of the visitor */
    enum ths_member_state state;
    uint64_t incarnation;
    uint64_t rtt_us;                    /* of the last heartbeat, 0: none yet */
    bool self;
};

/* Visit the members known now, this node first. Returns their number. @visit may be NULL. Thread: any. */
THS_API size_t ths_cluster_members(struct ths_node *node,
                                   void (*visit)(void *arg, const struct ths_member_info *member), void *arg);

/* Have member events told to the running actor, as ths_member messages, until it ends; those that are UP now first. They are
 * signals: a full mailbox takes them. */
THS_API enum ths_err ths_watch_members(struct ths_ctx *ctx);

#ifndef __cplusplus
/* A member changed its state (enum ths_member_state). */
THS_MESSAGE(ths_member, "ths.member", 1, u64(uid), u64(boot), u8(state), string(name), string(roles))
#endif

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_CLUSTER_H */
