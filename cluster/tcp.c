#include "cluster/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_SIZE = 256, PORT_SIZE = 6 };

/* "HOST:PORT" or "[HOST]:PORT" into its parts. False: not that, or too long. */
static bool split(const char *address, char host[static HOST_SIZE], char port[static PORT_SIZE])
{
    const char *colon = strrchr(address, ':'), *start = address;
    size_t host_len, port_len;

    if (!colon)
        return false;
    host_len = (size_t)(colon - address);
    port_len = strlen(colon + 1);
    if (port_len == 0 || port_len >= PORT_SIZE || strspn(colon + 1, "0123456789") != port_len ||
        strtoul(colon + 1, NULL, 10) > 65535)
        return false;
    if (host_len >= 2 && address[0] == '[' && colon[-1] == ']') {
        start++;
        host_len -= 2;
    } else if (memchr(address, ':', host_len)) {
        return false; /* IPv6 needs its brackets, or the port would be a guess. */
    }
    if (host_len >= HOST_SIZE)
        return false;
    memcpy(host, start, host_len);
    host[host_len] = '\0';
    memcpy(port, colon + 1, port_len + 1);
    return true;
}

static struct addrinfo *look_up(const char *address, int flags)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *found = NULL;
    char host[HOST_SIZE], port[PORT_SIZE];

    if (!split(address, host, port))
        return NULL;
    if (strcmp(host, "*") == 0 || host[0] == '\0')
        memcpy(host, "0.0.0.0", sizeof "0.0.0.0");
    hints.ai_flags = flags | AI_NUMERICSERV;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return NULL;
    return found;
}

static bool print(const struct addrinfo *info, char out[static THSI_TCP_ADDRESS_SIZE])
{
    char host[THSI_TCP_ADDRESS_SIZE], port[PORT_SIZE];
    int len;

    if (getnameinfo(info->ai_addr, info->ai_addrlen, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return false;
    len = snprintf(out, THSI_TCP_ADDRESS_SIZE, info->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return len > 0 && len < THSI_TCP_ADDRESS_SIZE;
}

size_t thsi_tcp_resolve(const char *address, char out[][THSI_TCP_ADDRESS_SIZE], size_t max)
{
    struct addrinfo *found = look_up(address, 0);
    size_t count = 0;

    for (const struct addrinfo *info = found; info && count < max; info = info->ai_next) {
        bool known = false;
        if ((info->ai_family != AF_INET && info->ai_family != AF_INET6) || !print(info, out[count]))
            continue;
        for (size_t i = 0; i < count && !known; i++)
            known = strcmp(out[i], out[count]) == 0;
        if (!known)
            count++;
    }
    if (found)
        freeaddrinfo(found);
    return count;
}

bool thsi_tcp_is_numeric(const char *address)
{
    char host[HOST_SIZE], port[PORT_SIZE];
    struct addrinfo *found;

    if (strlen(address) >= THSI_TCP_ADDRESS_SIZE || !split(address, host, port) || strtoul(port, NULL, 10) == 0 ||
        host[0] == '\0' || host[0] == '*')
        return false;
    found = look_up(address, AI_NUMERICHOST);
    if (!found)
        return false;
    freeaddrinfo(found);
    return true;
}

int thsi_tcp_probe_begin(const char *address, bool *refused)
{
    struct linger reset = { .l_onoff = 1, .l_linger = 0 }; /* Leave nothing behind if somebody does answer. */
    struct addrinfo *found = look_up(address, AI_NUMERICHOST);
    int probe;

    *refused = false;
    if (!found)
        return -1;
    probe = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe >= 0) {
        (void)setsockopt(probe, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        if (connect(probe, found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) {
            *refused = errno == ECONNREFUSED;
            (void)close(probe);
            probe = -1;
        }
    }
    freeaddrinfo(found);
    return probe;
}

bool thsi_tcp_probe_end(int probe)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(probe, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = 0;
    (void)close(probe);
    return error == ECONNREFUSED;
}
