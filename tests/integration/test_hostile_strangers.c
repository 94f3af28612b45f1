/* Strangers at a node's port, with plain sockets and without the cluster's key. Each costs the node a place of a fixed number
 * for a while, and nothing else. What members do that lie: test_hostile.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/root.h"
#include "node/base/prng.h"
#include "tests/lib/siege.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SILENT = SIEGE_SANITIZED ? 400 : 8000,  /* two descriptors each, of 20,000 */
    VISITS = SIEGE_SANITIZED ? 1000 : 5000,
    AT_ONCE = 32,                           /* fewer than there are places: none is closed for that */
};

static uint8_t hello[THSI_HANDSHAKE_FRAME_MAX], answer[THSI_HANDSHAKE_FRAME_MAX];

/* The first message of a node, as a stranger may have recorded it. */
static size_t record_hello(void)
{
    uint8_t random[THSI_LINK_RANDOM_SIZE] = { 7 };
    struct thsi_link_core link;
    struct thsi_keyring keys;
    size_t len;

    thsi_keyring_none(&keys);
    assert_int_equal(thsi_link_init(&link, ths_env_os(), true, &keys, "thiasos", &siege.forger->self, NULL), THS_OK);
    assert_int_equal(thsi_link_start(&link, random), THS_OK);
    len = link.out_len;
    memcpy(hello, link.out, len);
    thsi_link_fini(&link);
    return len;
}

/* All that the node says until it closes the connection. */
static size_t receive_all(int fd)
{
    struct pollfd there = { .fd = fd, .events = POLLIN };
    size_t len = 0;
    ssize_t got;

    do {
        assert_int_equal(poll(&there, 1, SIEGE_LIMIT_MS), 1);
        got = recv(fd, answer + len, sizeof answer - len, 0);
        len += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    (void)close(fd);
    return len;
}

/* Say @bytes and nothing more. The node may close the connection at any moment. */
static int visit(const uint8_t *bytes, size_t len)
{
    int fd = forger_connect(siege_port());

    (void)send(fd, bytes, len, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    return fd;
}

static void nobody_came_in(void)
{
    assert_int_equal(ths_cluster_members(siege.node, NULL, NULL), 2);
}

/* ---- Connections ---------------------------------------------------------------------------- */

/* The node closes all but its fixed number of places, so each new stranger costs an old one its place. */
static void thousands_of_silent_connections_leave_members_served(void **state)
{
    static int fds[SILENT];
    unsigned files = siege_raise_files(), count = SILENT;

    (void)state;
    if (files < 2 * SILENT + 300)
        count = (files - 300) / 2;
    for (unsigned i = 0; i < count; i++) {
        fds[i] = forger_connect(siege_port());
        if (i % 500 == 0)
            siege_members_are_served();
    }
    siege_await_closed_for(THS_TOO_MANY, count - THSI_UNVERIFIED_MAX);
    siege_memory_is_flat();
    siege_members_are_served();
    for (unsigned i = 0; i < count; i++)
        (void)close(fds[i]);
}

static void connections_that_come_and_go_without_pause_leave_members_served(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VISITS; i++) {
        (void)close(forger_connect(siege_port()));
        if (i % 500 == 0)
            siege_members_are_served();
    }
    nobody_came_in();
}

/* The time for a handshake does not begin again with each byte. */
static void one_byte_a_second_is_not_waited_for(void **state)
{
    struct pollfd slow[AT_ONCE];
    size_t len = record_hello(), sent = 0;
    unsigned open = AT_ONCE;

    (void)state;
    for (unsigned i = 0; i < AT_ONCE; i++)
        slow[i] = (struct pollfd){ .fd = forger_connect(siege_port()), .events = POLLIN };
    for (; open > 0 && sent < len; sent++) {
        for (unsigned i = 0; i < AT_ONCE; i++)
            if (slow[i].fd >= 0)
                (void)send(slow[i].fd, hello + sent, 1, MSG_NOSIGNAL);
        while (open > 0 && poll(slow, AT_ONCE, 1000) > 0)
            for (unsigned i = 0; i < AT_ONCE; i++) {
                if (slow[i].fd < 0 || !slow[i].revents)
                    continue;
                assert_true(recv(slow[i].fd, answer, sizeof answer, 0) <= 0);
                (void)close(slow[i].fd);
                slow[i].fd = -1;
                open--;
            }
        siege_members_are_served();
    }
    assert_int_equal(open, 0);
    assert_true(sent < len);
    nobody_came_in();
}

/* ---- What is no handshake ------------------------------------------------------------------- */

static void garbage_is_closed(void **state)
{
    static uint8_t garbage[4096];
    struct thsi_prng random;
    int fds[AT_ONCE];

    (void)state;
    thsi_prng_init(&random, 7, 7);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < AT_ONCE; i++) {
            size_t len = 1 + thsi_prng_below(&random, sizeof garbage);

            for (size_t at = 0; at < len; at++)
                garbage[at] = (uint8_t)thsi_prng_below(&random, 256);
            fds[i] = visit(garbage, len);
        }
        for (unsigned i = 0; i < AT_ONCE; i++)
            assert_int_equal(receive_all(fds[i]), 0);
        siege_members_are_served();
    }
    nobody_came_in();
}

/* A key is tried for each; none is answered with a session, whichever bit it is. */
static void every_flipped_bit_of_a_hello_is_refused_without_pause(void **state)
{
    size_t len = record_hello();
    int fds[AT_ONCE];

    (void)state;
    for (size_t bit = 0; bit < 8 * len; bit += AT_ONCE) {
        unsigned count = (unsigned)(8 * len - bit < AT_ONCE ? 8 * len - bit : AT_ONCE);

        for (unsigned i = 0; i < count; i++) {
            hello[(bit + i) / 8] ^= (uint8_t)(1u << (bit + i) % 8);
            fds[i] = visit(hello, len);
            hello[(bit + i) / 8] ^= (uint8_t)(1u << (bit + i) % 8);
        }
        for (unsigned i = 0; i < count; i++)
            if (receive_all(fds[i]) > 4)
                assert_int_equal(answer[4], THSI_FRAME_REFUSAL);
        siege_members_are_served();
    }
    nobody_came_in();
}

static void another_protocol_version_is_refused_with_those_spoken_here(void **state)
{
    size_t len = record_hello();
    int fd = forger_connect(siege_port());

    (void)state;
    thsi_put_u16(hello + 9, 7);
    thsi_put_u16(hello + 11, 9);
    assert_int_equal(send(fd, hello, len, MSG_NOSIGNAL), len); /* and waits: who hangs up hears no refusal */
    assert_true(receive_all(fd) >= 15);
    assert_int_equal(answer[4], THSI_FRAME_REFUSAL);
    assert_int_equal(thsi_get_u16(answer + 9), THSI_VERSION_MIN);
    assert_int_equal(thsi_get_u16(answer + 11), THSI_VERSION_MAX);
    assert_int_equal(thsi_get_u16(answer + 13), THS_BAD_VERSION);
    siege_await_closed_for(THS_BAD_VERSION, 1);
}

/* A recording is answered each time, and nothing that can be said behind it opens. */
static void recorded_handshake_opens_nothing(void **state)
{
    enum { TIMES = 100 };
    uint8_t proof[THSI_SEALED_OVERHEAD] = { 0, 0, 0, THSI_SEALED_OVERHEAD - THSI_LENGTH_SIZE, THSI_FRAME_SEALED };
    size_t len = record_hello();

    (void)state;
    for (unsigned i = 0; i < TIMES; i++) {
        int fd = forger_connect(siege_port());
        assert_int_equal(send(fd, hello, len, MSG_NOSIGNAL), len);
        assert_int_equal(send(fd, proof, sizeof proof, MSG_NOSIGNAL), sizeof proof);
        (void)receive_all(fd);
        assert_int_equal(answer[4], THSI_FRAME_HELLO2);
    }
    siege_await_closed_for(THS_FORGED, TIMES);
    nobody_came_in();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        siege_test(thousands_of_silent_connections_leave_members_served),
        siege_test(connections_that_come_and_go_without_pause_leave_members_served),
        siege_test(one_byte_a_second_is_not_waited_for),
        siege_test(garbage_is_closed),
        siege_test(every_flipped_bit_of_a_hello_is_refused_without_pause),
        siege_test(another_protocol_version_is_refused_with_those_spoken_here),
        siege_test(recorded_handshake_opens_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
