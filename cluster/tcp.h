/* TCP, the plain part: addresses, and whether anybody listens.
 *
 * ZeroMQ carries the bytes of links (transport_zmq.c). What it does not tell is asked of the operating system here: the
 * addresses behind a name, and why a dial failed. */

#ifndef THSI_CLUSTER_TCP_H
#define THSI_CLUSTER_TCP_H

#include <stddef.h>
#include <stdint.h>

#include "thiasos/err.h"

/* A numeric address that fits its text form, "[v6%scope]:port" included. */
#define THSI_TCP_ADDRESS_SIZE 64

/* Turn "HOST:PORT" into numeric addresses, each once, at most @max. May block for as long as DNS takes. A host "" or "*"
 * means every IPv4 address of this machine. Returns how many; 0: bad syntax, or it does not resolve now. Thread: any. */
size_t thsi_tcp_resolve(const char *address, char out[][THSI_TCP_ADDRESS_SIZE], size_t max);

/* Whether @address is "IPV4:PORT" or "[IPV6]:PORT" in numbers, with a port above 0. */
bool thsi_tcp_is_numeric(const char *address);

/* Begin a connection of our own to the numeric @address, only to learn what the host answers. Gives a descriptor that
 * becomes writable with the answer, for thsi_tcp_probe_end; -1: no answer is to be had, or it is in *@refused already. */
int thsi_tcp_probe_begin(const char *address, bool *refused);

/* Take the answer of a writable @probe and close it. True: no process listens there. */
bool thsi_tcp_probe_end(int probe);

#endif /* THSI_CLUSTER_TCP_H */
