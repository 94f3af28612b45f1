/* Proxy: a port on loopback that passes connections on to another, until the test cuts them.
 *
 * For links that are lost while both nodes live. One thread each; all calls from the test's own thread. */

#ifndef THS_TESTS_LIB_PROXY_H
#define THS_TESTS_LIB_PROXY_H

struct proxy;

/* Listen on a port of its own. Gives; proxy_stop. */
struct proxy *proxy_start(void);
void proxy_stop(struct proxy *proxy);

/* The port it listens on; the port that connections go to, to be set before the first one comes. */
unsigned proxy_port(const struct proxy *proxy);
void proxy_lead_to(struct proxy *proxy, unsigned port);

/* Close every connection there is, at both ends, with what is on its way in them. Returns how many there were. */
unsigned proxy_cut(struct proxy *proxy);

#endif /* THS_TESTS_LIB_PROXY_H */
