#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS_MAX = 16 };

struct proxy {
    pthread_t thread;
    pthread_mutex_t lock; /* over the pairs */
    int listener;
    int bell[2];          /* a byte: look again; the end of the pipe: stop */
    unsigned port, target;
    int pairs[PAIRS_MAX][2];
    unsigned count;
};

static struct sockaddr_in loopback(unsigned port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };

    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void close_pair(struct proxy *proxy, unsigned index)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    for (unsigned end = 0; end < 2; end++) {
        (void)setsockopt(proxy->pairs[index][end], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        (void)close(proxy->pairs[index][end]);
    }
    proxy->count--;
    memcpy(proxy->pairs[index], proxy->pairs[proxy->count], sizeof proxy->pairs[index]);
}

static void take_connection(struct proxy *proxy)
{
    struct sockaddr_in address = loopback(proxy->target);
    int near = accept(proxy->listener, NULL, NULL);
    int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (near < 0 || far < 0 || proxy->count == PAIRS_MAX ||
        connect(far, (struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(near);
        (void)close(far);
        return;
    }
    proxy->pairs[proxy->count][0] = near;
    proxy->pairs[proxy->count++][1] = far;
}

/* Pass on what there is. False: the connection is over. */
static bool pass(int from, int to)
{
    char bytes[65536];
    ssize_t len = recv(from, bytes, sizeof bytes, MSG_DONTWAIT);

    for (ssize_t at = 0; at < len;) {
        ssize_t sent = send(to, bytes + at, (size_t)(len - at), MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
    }
    return len > 0;
}

static void *run(void *arg)
{
    struct proxy *proxy = arg;
    char byte;

    for (;;) {
        struct pollfd fds[2 + 2 * PAIRS_MAX] = { { proxy->bell[0], POLLIN, 0 }, { proxy->listener, POLLIN, 0 } };
        unsigned count;
        (void)pthread_mutex_lock(&proxy->lock);
        count = proxy->count;
        for (unsigned i = 0; i < 2 * count; i++)
            fds[2 + i] = (struct pollfd){ proxy->pairs[i / 2][i % 2], POLLIN, 0 };
        (void)pthread_mutex_unlock(&proxy->lock);
        (void)poll(fds, 2 + 2 * count, -1);
        if (fds[0].revents && read(proxy->bell[0], &byte, 1) <= 0)
            return NULL;
        if (fds[0].revents)
            continue; /* the pairs are others now */
        (void)pthread_mutex_lock(&proxy->lock);
        /* Backwards, as a closed pair's place is taken by the last one. A cut in between makes the numbers wrong: then
         * the bell rings, and only what is still there is looked at. */
        for (unsigned i = count; i-- > 0;)
            for (unsigned end = 0; end < 2 && i < proxy->count; end++)
                if (fds[2 + 2 * i + end].revents && fds[2 + 2 * i + end].fd == proxy->pairs[i][end] &&
                    !pass(proxy->pairs[i][end], proxy->pairs[i][1 - end]))
                    close_pair(proxy, i);
        if (fds[1].revents)
            take_connection(proxy);
        (void)pthread_mutex_unlock(&proxy->lock);
    }
}

struct proxy *proxy_start(void)
{
    struct proxy *proxy = calloc(1, sizeof *proxy);
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;

    assert_non_null(proxy);
    (void)pthread_mutex_init(&proxy->lock, NULL);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(proxy->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(proxy->listener, 16), 0);
    assert_int_equal(getsockname(proxy->listener, (struct sockaddr *)&address, &len), 0);
    proxy->port = ntohs(address.sin_port);
    assert_int_equal(pipe(proxy->bell), 0);
    assert_int_equal(pthread_create(&proxy->thread, NULL, run, proxy), 0);
    return proxy;
}

void proxy_stop(struct proxy *proxy)
{
    (void)close(proxy->bell[1]);
    (void)pthread_join(proxy->thread, NULL);
    while (proxy->count > 0)
        close_pair(proxy, 0);
    (void)close(proxy->bell[0]);
    (void)close(proxy->listener);
    (void)pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

unsigned proxy_port(const struct proxy *proxy)
{
    return proxy->port;
}

void proxy_lead_to(struct proxy *proxy, unsigned port)
{
    (void)pthread_mutex_lock(&proxy->lock);
    proxy->target = port;
    (void)pthread_mutex_unlock(&proxy->lock);
}

unsigned proxy_cut(struct proxy *proxy)
{
    unsigned count;

    (void)pthread_mutex_lock(&proxy->lock);
    count = proxy->count;
    while (proxy->count > 0)
        close_pair(proxy, 0);
    (void)pthread_mutex_unlock(&proxy->lock);
    assert_int_equal(write(proxy->bell[1], "", 1), 1);
    return count;
}
