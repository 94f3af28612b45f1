#define _GNU_SOURCE

#include "gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bench.h"

enum { OPEN_MAX_AT_ONCE = 10000, PORTS_OF_AN_ADDRESS = 15000, GARBAGE = 4096, ENDLESS = 65536 };

static int sockets[OPEN_MAX_AT_ONCE]; /* -1: none */

/* From one of many addresses of loopback, so that ports do not run out. */
static int dial(unsigned port, unsigned number)
{
    struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number / PORTS_OF_AN_ADDRESS % 100);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return -1;
    (void)bind(fd, (const struct sockaddr *)&from, sizeof from);
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* The first bytes of a dialer that is taken seriously: ZMTP 3's greeting for CURVE, or the head of HELLO1. */
static size_t put_beginning(uint8_t *out, bool zmtp)
{
    static const uint8_t hello1[] = { 0, 0, 0, 97, 1 };
    static const uint8_t greeting[64] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1, 'C', 'U', 'R', 'V', 'E' };

    memcpy(out, zmtp ? greeting : hello1, zmtp ? sizeof greeting : sizeof hello1);
    return zmtp ? sizeof greeting : sizeof hello1;
}

static size_t compose(const struct attack *attack, bool zmtp, uint8_t *out)
{
    /* A command of 2^40 bytes in ZMTP; the longest frame that a stranger may announce here. */
    static const uint8_t long_command[] = { 0x06, 0, 0, 1, 0, 0, 0, 0, 0 };
    static const uint8_t long_frame[] = { 0, 0, 3, 0xfc, 1 };
    size_t len = 0;

    switch (attack->says) {
    case SAYS_GARBAGE:
        return getrandom(out, GARBAGE, 0) == GARBAGE ? GARBAGE : 0;
    case SAYS_HELLO:
        /* Random where the keys stand: the cost is the check. CURVE's HELLO is a command of 200 bytes. */
        len = put_beginning(out, zmtp);
        if (zmtp) {
            memcpy(out + len, "\x04\xc8\x05HELLO\x01\x00", 10);
            len += 10;
        }
        if (getrandom(out + len, 200, 0) != 200)
            return 0;
        return zmtp ? len + 192 : len + 96;
    case SAYS_ENDLESSLY:
        if (zmtp) {
            len = put_beginning(out, true);
            memcpy(out + len, long_command, sizeof long_command);
            return len + sizeof long_command;
        }
        memcpy(out, long_frame, sizeof long_frame);
        return sizeof long_frame;
    default:
        return 0;
    }
}

static void speak(const struct attack *attack, bool zmtp, int fd)
{
    uint8_t words[GARBAGE];
    struct pollfd ready = { .fd = fd, .events = POLLOUT };
    size_t len = compose(attack, zmtp, words);

    if (len > 0 && poll(&ready, 1, 100) == 1)
        (void)send(fd, words, len, MSG_NOSIGNAL);
}

/* What goes on on the connections that are kept: more bytes, or one. */
static void go_on(const struct attack *attack)
{
    static const uint8_t more[ENDLESS];
    size_t len = attack->says == SAYS_ENDLESSLY ? sizeof more : attack->says == SAYS_A_BYTE_A_SECOND ? 1 : 0;

    for (unsigned i = 0; i < attack->connections && len > 0; i++)
        if (sockets[i] >= 0)
            (void)send(sockets[i], more, len, MSG_NOSIGNAL);
    (void)poll(NULL, 0, attack->says == SAYS_ENDLESSLY ? 10 : 1000);
}

static void replace(const struct attack *attack, unsigned port, bool zmtp, unsigned number)
{
    int *slot = &sockets[number % attack->connections];

    if (*slot >= 0)
        (void)close(*slot);
    *slot = dial(port, number);
    if (*slot >= 0)
        speak(attack, zmtp, *slot);
}

static void attack_forever(const struct attack *attack, unsigned port, bool zmtp)
{
    uint64_t started_ns = bench_now_ns();
    unsigned made = 0;

    while (made < attack->connections || attack->rate > 0) {
        uint64_t due = attack->rate == 0 ? attack->connections
                                         : (bench_now_ns() - started_ns) * attack->rate / 1000000000u;

        if (made >= due)
            (void)poll(NULL, 0, 1);
        else
            replace(attack, port, zmtp, made++);
    }
    for (;;)
        go_on(attack);
}

pid_t attack_start(const struct attack *attack, unsigned port, bool zmtp)
{
    pid_t pid = fork();

    if (pid < 0)
        bench_die("no process for the attack");
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (unsigned i = 0; i < OPEN_MAX_AT_ONCE; i++)
        sockets[i] = -1;
    attack_forever(attack, port, zmtp);
    _exit(0);
}

void attack_stop(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}
