/* The simulated network: hosts, links between them, and a transport for each host, in memory and on virtual time.
 *
 * Host i of 1 to N has the address 127.0.0.i and the names "n<i>" and, for all of them, "nodes". (Loopback addresses, because a
 * node may listen there without a cluster key.) What is sent on a link arrives in order, each piece after a delay drawn
 * from the seed, and in pieces cut at random, so that whoever reads must put frames together again. A link holds
 * THSI_SIM_FLYING_MAX bytes a direction, then `send` answers FULL.
 *
 * A cut between two hosts holds everything back, dials and ends of links included, until it is healed, as TCP would; dials
 * give up after two seconds. A crash of a host loses what it had sent last, closes its links at the other sides after a delay, and
 * dials to it are refused until it has a new transport.
 *
 * One thread. Everything is decided by the seed and the order of calls. */

#ifndef THSI_CLUSTER_TRANSPORT_SIM_H
#define THSI_CLUSTER_TRANSPORT_SIM_H

#include "cluster/transport.h"

#define THSI_SIM_HOSTS_MAX 64u
#define THSI_SIM_FLYING_MAX ((size_t)1 << 20)
#define THSI_SIM_DIAL_NS UINT64_C(2000000000)
#define THSI_SIM_PIECE_MAX 8192u

struct thsi_simnet;

struct thsi_simnet_options {
    unsigned hosts;                      /* 1 to 64 */
    uint64_t seed;
    uint64_t delay_ns_min, delay_ns_max; /* of a piece */
    const uint64_t *now_ns;              /* the clock; lent for the life of the network */
    /* May be NULL. Every event as it is taken by a host, for a trace; borrows @event. */
    void (*taken)(void *arg, unsigned host, unsigned from, const struct thsi_transport_event *event);
    void *arg;
};

/* Gives; thsi_simnet_destroy, after the transports. NULL when memory is out. */
struct thsi_simnet *thsi_simnet_create(const struct thsi_simnet_options *options);
void thsi_simnet_destroy(struct thsi_simnet *net);

/* The host starts: its transport, one at a time. Gives; its `destroy`, which closes what is open. NULL: memory. */
struct thsi_transport *thsi_simnet_transport(struct thsi_simnet *net, unsigned host);

void thsi_simnet_cut(struct thsi_simnet *net, unsigned a, unsigned b);
/* The links between them end; of what was on its way a part arrives before, up to any byte. */
void thsi_simnet_break(struct thsi_simnet *net, unsigned a, unsigned b);
void thsi_simnet_heal(struct thsi_simnet *net, unsigned a, unsigned b);

/* The process on @host is gone, and its transport with it, which is freed here. Nothing if it has none. */
void thsi_simnet_crash(struct thsi_simnet *net, unsigned host);

/* When `next` of the host's transport may have an event, not before; UINT64_MAX: not by itself. */
uint64_t thsi_simnet_deadline_ns(struct thsi_simnet *net, unsigned host);

#endif /* THSI_CLUSTER_TRANSPORT_SIM_H */
