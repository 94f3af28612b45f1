/* The ZeroMQ transport on loopback: two transports in one process, driven in turn, and strangers with plain sockets. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cluster/transport_zmq.h"

#define LIMIT_NS UINT64_C(60000000000)
#define MS UINT64_C(1000000)

static struct thsi_transport *here, *there;
static char bound[64];
static uint8_t buffer[1 << 16];
static atomic_uint released;

/* What came at the side that was not asked for: both must be driven for either to get on. */
static struct inbox {
    struct thsi_transport_event events[256];
    uint8_t data[64]; /* of one DATA event, short ones only */
    unsigned first, end;
} inbox_here, inbox_there;

static uint64_t now(void)
{
    return ths_env_os()->now_ns(ths_env_os());
}

static void release(struct thsi_chunk *chunk)
{
    atomic_fetch_add(&released, 1);
    free(chunk);
}

/* A chunk that holds a copy of @len bytes; its release counts. */
static struct thsi_chunk *chunk_of(const void *data, size_t len)
{
    struct thsi_chunk *chunk = malloc(sizeof *chunk + len);

    assert_non_null(chunk);
    chunk->data = (uint8_t *)(chunk + 1);
    chunk->len = len;
    chunk->release = release;
    memcpy(chunk->data, data, len);
    return chunk;
}

static int setup(void **state)
{
    (void)state;
    here = thsi_transport_zmq_create(ths_env_os());
    there = thsi_transport_zmq_create(ths_env_os());
    inbox_here.first = inbox_here.end = inbox_there.first = inbox_there.end = 0;
    atomic_store(&released, 0);
    return here && there && there->bind(there, "tcp://127.0.0.1:0", bound, sizeof bound) == THS_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    if (here)
        here->destroy(here);
    if (there)
        there->destroy(there);
    return 0;
}

static void collect(struct thsi_transport *transport, struct inbox *inbox)
{
    struct thsi_transport_event *event = &inbox->events[inbox->end];

    if (!transport || !transport->next(transport, event))
        return;
    assert_true(++inbox->end < 256);
    if (event->type == THSI_LINK_DATA) {
        assert_true(event->len <= sizeof inbox->data);
        memcpy(inbox->data, event->data, event->len);
        event->data = inbox->data;
    }
}

/* The next event of @transport; fails the test after the limit. */
static struct thsi_transport_event expect(struct thsi_transport *transport, enum thsi_transport_event_type type)
{
    struct inbox *inbox = transport == here ? &inbox_here : &inbox_there;
    struct thsi_transport_event event;
    uint64_t end = now() + LIMIT_NS;

    while (inbox->first == inbox->end) {
        collect(here, &inbox_here);
        collect(there, &inbox_there);
        if (inbox->first == inbox->end)
            transport->wait(transport, 1 * MS);
        assert_true(now() < end);
    }
    event = inbox->events[inbox->first++];
    if (inbox->first == inbox->end)
        inbox->first = inbox->end = 0;
    assert_int_equal(event.type, type);
    return event;
}

static void connect_both(thsi_link *ours, thsi_link *theirs)
{
    struct thsi_transport_event event;

    assert_int_equal(here->dial(here, bound + 6, ours), THS_OK);
    event = expect(here, THSI_LINK_DIALED);
    assert_true(event.link == *ours);
    event = expect(there, THSI_LINK_ACCEPTED);
    *theirs = event.link;
    assert_string_equal(event.peer, "127.0.0.1");
}

static void send_text(struct thsi_transport *from, thsi_link link, const char *text)
{
    assert_int_equal(from->send(from, link, chunk_of(text, strlen(text))), THS_OK);
}

static void expect_text(struct thsi_transport *at, thsi_link link, const char *text)
{
    struct thsi_transport_event event = expect(at, THSI_LINK_DATA);

    assert_true(event.link == link);
    assert_int_equal(event.len, strlen(text));
    assert_memory_equal(event.data, text, event.len);
}

static void both_sides_exchange_text(void **state)
{
    thsi_link ours, theirs;

    (void)state;
    connect_both(&ours, &theirs);
    send_text(here, ours, "hello");
    expect_text(there, theirs, "hello");
    send_text(there, theirs, "welcome");
    expect_text(here, ours, "welcome");
}

/* Bytes that repeat with a period that no chunk has: what is lost, doubled or moved does not fit any more. */
enum { PERIOD = 65521 };
static uint8_t pattern[PERIOD + sizeof buffer];

static void fill_pattern(void)
{
    uint32_t x = 1;

    for (size_t i = 0; i < sizeof pattern; i++) {
        x = i == PERIOD ? 1 : x;
        x = x * 1664525u + 1013904223u;
        pattern[i] = (uint8_t)(x >> 24);
    }
}

/* Send @total bytes of the pattern from @from and check them at @to, whatever the chunks. */
static void pump(struct thsi_transport *from, thsi_link out, struct thsi_transport *to, thsi_link in, size_t total)
{
    size_t sent = 0, got = 0, full = 0, writable = 0;
    struct thsi_chunk *chunk = NULL;
    struct thsi_transport_event event;
    uint64_t end = now() + LIMIT_NS;

    while (got < total) {
        while (sent < total) {
            enum ths_err err;
            if (!chunk)
                chunk = chunk_of(pattern + sent % PERIOD, sizeof buffer);
            if ((err = from->send(from, out, chunk)) == THS_FULL) {
                full++;
                break;
            }
            assert_int_equal(err, THS_OK);
            chunk = NULL;
            sent += sizeof buffer;
        }
        while (from->next(from, &event)) {
            assert_int_equal(event.type, THSI_LINK_WRITABLE);
            writable++;
        }
        while (to->next(to, &event)) {
            if (event.type == THSI_LINK_WRITABLE)
                continue; /* of an earlier pump in the other direction: it had no more to send when it came */
            assert_int_equal(event.type, THSI_LINK_DATA);
            assert_true(event.link == in && event.len > 0);
            assert_true(event.len <= sizeof buffer);
            assert_memory_equal(event.data, pattern + got % PERIOD, event.len);
            got += event.len;
            end = now() + LIMIT_NS; /* however slow the machine: only what stands still is broken */
        }
        to->wait(to, 1 * MS);
        assert_true(now() < end);
    }
    assert_int_equal(got, total);
    assert_true(writable <= full);
}

#ifdef __SANITIZE_THREAD__
enum { CHUNKS = 40 }; /* it looks up a suppression for whatever ZeroMQ touches */
#else
enum { CHUNKS = 1600 };
#endif

static void hundred_megabytes_keep_their_order_in_each_direction(void **state)
{
    thsi_link ours, theirs;

    (void)state;
    fill_pattern();
    connect_both(&ours, &theirs);
    pump(here, ours, there, theirs, CHUNKS * sizeof buffer);
    pump(there, theirs, here, ours, CHUNKS * sizeof buffer);
}

static void every_chunk_is_released_once_at_the_latest_by_destroy(void **state)
{
    thsi_link ours, theirs;
    unsigned sent = 0;

    (void)state;
    connect_both(&ours, &theirs);
    for (;;) { /* Nobody takes them at the other side. */
        struct thsi_chunk *chunk = chunk_of(buffer, sizeof buffer);
        if (here->send(here, ours, chunk) != THS_OK) {
            free(chunk);
            break;
        }
        sent++;
        assert_true(sent < 10000);
    }
    here->destroy(here);
    here = NULL;
    assert_int_equal(atomic_load(&released), sent);
}

static void full_link_takes_nothing_until_writable(void **state)
{
    thsi_link ours, theirs;
    struct thsi_chunk *chunk = chunk_of(buffer, sizeof buffer);
    struct thsi_transport_event event;
    bool writable = false;
    uint64_t end = now() + LIMIT_NS;

    (void)state;
    connect_both(&ours, &theirs);
    while (here->send(here, ours, chunk) == THS_OK)
        chunk = chunk_of(buffer, sizeof buffer);
    /* What the kernel still takes makes room once; then nothing moves. */
    while (here->send(here, ours, chunk) == THS_FULL && !writable) {
        while (there->next(there, &event))
            assert_int_equal(event.type, THSI_LINK_DATA);
        while (here->next(here, &event)) {
            assert_int_equal(event.type, THSI_LINK_WRITABLE);
            assert_true(event.link == ours);
            writable = true;
        }
        here->wait(here, MS);
        assert_true(now() < end);
    }
    (void)theirs;
}

static void close_by_the_dialer_is_seen_by_the_other(void **state)
{
    thsi_link ours, theirs;

    (void)state;
    connect_both(&ours, &theirs);
    here->close(here, ours, false);
    assert_true(expect(there, THSI_LINK_CLOSED).link == theirs);
    assert_int_equal(there->send(there, theirs, &(struct thsi_chunk){ buffer, 4, release }), THS_CLOSED);
    assert_int_equal(here->send(here, ours, &(struct thsi_chunk){ buffer, 4, release }), THS_CLOSED);
    assert_int_equal(atomic_load(&released), 0);
}

static void close_by_the_accepter_is_seen_by_the_other(void **state)
{
    thsi_link ours, theirs;
    struct thsi_transport_event event;

    (void)state;
    connect_both(&ours, &theirs);
    there->close(there, theirs, false);
    event = expect(here, THSI_LINK_CLOSED);
    assert_true(event.link == ours);
    assert_false(event.refused);
}

static void last_words_before_a_drained_close_arrive(void **state)
{
    thsi_link ours, theirs;

    (void)state;
    for (int i = 0; i < 50; i++) {
        connect_both(&ours, &theirs);
        send_text(there, theirs, "refused: no");
        there->close(there, theirs, true);
        expect_text(here, ours, "refused: no");
        assert_true(expect(here, THSI_LINK_CLOSED).link == ours);
    }
    for (int i = 0; i < 50; i++) {
        connect_both(&ours, &theirs);
        send_text(here, ours, "goodbye");
        here->close(here, ours, true);
        expect_text(there, theirs, "goodbye");
        assert_true(expect(there, THSI_LINK_CLOSED).link == theirs);
    }
}

static void drain_of_a_peer_that_takes_nothing_ends(void **state)
{
    thsi_link ours, theirs;
    unsigned sent = 0;
    struct thsi_transport_event event;
    uint64_t end = now() + LIMIT_NS;

    (void)state;
    connect_both(&ours, &theirs);
    for (struct thsi_chunk *chunk; (chunk = chunk_of(buffer, sizeof buffer)); sent++) {
        if (there->send(there, theirs, chunk) != THS_OK) {
            free(chunk);
            break;
        }
    }
    there->close(there, theirs, true);
    while (atomic_load(&released) < sent) {
        if (there->next(there, &event))
            assert_true(event.link != theirs); /* a link that was closed is not heard of again */
        there->wait(there, 10 * MS); /* the last release may come from ZeroMQ's thread, and wakes nobody */
        assert_true(now() < end);
    }
    (void)ours;
}

static void dial_of_a_port_without_listener_is_refused(void **state)
{
    struct thsi_transport_event event;
    thsi_link link;
    uint64_t begin = now();

    (void)state;
    there->destroy(there);
    there = NULL;
    assert_int_equal(here->dial(here, bound + 6, &link), THS_OK);
    event = expect(here, THSI_LINK_CLOSED);
    assert_true(event.link == link);
    assert_true(event.refused);
    assert_true(now() - begin < THSI_ZMQ_DIAL_NS);
}

static void dial_without_an_answer_ends_as_closed_not_refused(void **state)
{
    int full = socket(AF_INET, SOCK_STREAM, 0), fill[8];
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    struct thsi_transport_event event;
    char text[64];
    thsi_link link;

    (void)state;
    /* A queue of no more connections answers nothing. */
    assert_int_equal(bind(full, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(full, 0), 0);
    assert_int_equal(getsockname(full, (struct sockaddr *)&address, &size), 0);
    for (size_t i = 0; i < 8; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fill[i], (struct sockaddr *)&address, size);
    }
    (void)snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(here->dial(here, text, &link), THS_OK);
    event = expect(here, THSI_LINK_CLOSED);
    assert_true(event.link == link);
    assert_false(event.refused);
    for (size_t i = 0; i < 8; i++)
        (void)close(fill[i]);
    (void)close(full);
}

static void a_dial_can_be_closed_before_it_is_decided(void **state)
{
    thsi_link link;
    struct thsi_transport_event event;

    (void)state;
    assert_int_equal(here->dial(here, bound + 6, &link), THS_OK);
    here->close(here, link, false);
    assert_false(here->next(here, &event));
    assert_int_equal(here->send(here, link, &(struct thsi_chunk){ buffer, 4, release }), THS_CLOSED);
}

static void two_dials_of_one_address_end_apart(void **state)
{
    thsi_link first, second, first_there, second_there;

    (void)state;
    connect_both(&first, &first_there);
    connect_both(&second, &second_there);
    there->close(there, first_there, false);
    assert_true(expect(here, THSI_LINK_CLOSED).link == first);
    send_text(there, second_there, "still here");
    expect_text(here, second, "still here");
}

static void wrong_addresses_are_refused(void **state)
{
    static const char *const dials[] = { "", "localhost:80", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "::1:80",
                                         "*:80", "127.0.0.1:8x", "tcp://127.0.0.1:80" };
    static const char *const binds[] = { "", "127.0.0.1:0", "tcp://127.0.0.1", "tcp://127.0.0.1:x", "ipc://x:1" };
    char text[64];
    thsi_link link;

    (void)state;
    for (size_t i = 0; i < sizeof dials / sizeof dials[0]; i++)
        assert_int_equal(here->dial(here, dials[i], &link), THS_INVALID);
    for (size_t i = 0; i < sizeof binds / sizeof binds[0]; i++)
        assert_int_equal(here->bind(here, binds[i], text, sizeof text), THS_INVALID);
}

static void a_port_in_use_is_an_io_error(void **state)
{
    char text[64];

    (void)state;
    assert_int_equal(here->bind(here, bound, text, sizeof text), THS_IO);
    assert_int_equal(here->bind(here, "tcp://192.0.2.1:0", text, sizeof text), THS_IO);
    assert_int_equal(here->bind(here, "tcp://localhost:0", text, sizeof text), THS_OK);
    assert_non_null(strchr(text + 6, ':'));
}

static void names_resolve_to_numeric_addresses(void **state)
{
    char out[4][64];

    (void)state;
    assert_true(here->resolve(here, "localhost:7400", out, 4) >= 1);
    assert_non_null(strstr(out[0], ":7400"));
    assert_int_equal(here->resolve(here, "127.0.0.1:80", out, 4), 1);
    assert_string_equal(out[0], "127.0.0.1:80");
    assert_int_equal(here->resolve(here, "[::1]:80", out, 4), 1);
    assert_string_equal(out[0], "[::1]:80");
    assert_int_equal(here->resolve(here, "no-such-host.invalid:80", out, 4), 0);
    assert_int_equal(here->resolve(here, "localhost", out, 4), 0);
}

static void *interrupter(void *arg)
{
    struct thsi_transport *transport = arg;

    transport->interrupt(transport);
    return NULL;
}

static void interrupt_ends_the_wait_that_runs_or_comes_next(void **state)
{
    pthread_t thread;
    uint64_t begin = now();

    (void)state;
    here->wait(here, 0);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(pthread_create(&thread, NULL, interrupter, here), 0);
        here->wait(here, LIMIT_NS);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    here->interrupt(here);
    here->interrupt(here);
    assert_false(here->next(here, &(struct thsi_transport_event){ 0 }));
    here->wait(here, LIMIT_NS);
    assert_true(now() - begin < LIMIT_NS);
}

static void many_links_each_carry_their_own_bytes(void **state)
{
    enum { LINKS = 60 };
    thsi_link ours[LINKS], theirs[LINKS];
    char text[32];

    (void)state;
    for (int i = 0; i < LINKS; i++)
        connect_both(&ours[i], &theirs[i]);
    for (int i = 0; i < LINKS; i++) {
        (void)snprintf(text, sizeof text, "link %d", i);
        send_text(here, ours[i], text);
        expect_text(there, theirs[i], text);
        send_text(there, theirs[i], text);
        expect_text(here, ours[i], text);
    }
    for (int i = 0; i < LINKS; i++) {
        here->close(here, ours[i], false);
        assert_true(expect(there, THSI_LINK_CLOSED).link == theirs[i]);
    }
}

static void silent_strangers_are_closed_one_by_one(void **state)
{
    enum { STRANGERS = 2000, KEPT = 64 };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    static int sockets[STRANGERS];
    thsi_link kept[KEPT] = { 0 };
    unsigned accepted = 0, ended = 0, strangers = STRANGERS;
    struct rlimit limit;
    uint64_t end = now() + LIMIT_NS;
    char byte;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * STRANGERS + 200)
        strangers = (unsigned)(limit.rlim_cur - 200) / 2;
    address.sin_port = htons((uint16_t)atoi(strrchr(bound, ':') + 1));
    for (unsigned i = 0; i < strangers; i++) {
        struct thsi_transport_event event;
        sockets[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(sockets[i], (struct sockaddr *)&address, sizeof address), 0);
        while (accepted <= i) {
            if (there->next(there, &event)) {
                assert_int_equal(event.type, THSI_LINK_ACCEPTED);
                there->close(there, kept[accepted % KEPT], false);
                kept[accepted++ % KEPT] = event.link;
            } else {
                there->wait(there, 10 * MS);
            }
            assert_true(now() < end);
        }
    }
    for (unsigned i = 0; i + KEPT < strangers; ended++, i++) {
        while (recv(sockets[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN) { /* not closed yet */
            assert_false(there->next(there, &(struct thsi_transport_event){ 0 }));
            there->wait(there, 1 * MS);
            assert_true(now() < end);
        }
    }
    assert_int_equal(ended, strangers - KEPT);
    for (unsigned i = 0; i < strangers; i++)
        (void)close(sockets[i]);
    for (unsigned i = 0; i < KEPT; i++)
        (void)expect(there, THSI_LINK_CLOSED);
    assert_false(there->next(there, &(struct thsi_transport_event){ 0 }));
}

static void a_flood_nobody_takes_holds_bounded_memory(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int stranger = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    size_t taken = 0, stuck = 0;
    ssize_t part;

    (void)state;
    address.sin_port = htons((uint16_t)atoi(strrchr(bound, ':') + 1));
    (void)connect(stranger, (struct sockaddr *)&address, sizeof address);
    (void)expect(there, THSI_LINK_ACCEPTED);
    while (stuck < 200) { /* as often the kernel took nothing in a row */
        part = write(stranger, buffer, sizeof buffer);
        stuck = part > 0 ? 0 : stuck + 1;
        taken += part > 0 ? (size_t)part : 0;
        assert_true(taken < (size_t)64 << 20);
        if (part <= 0)
            here->wait(here, 1 * MS);
    }
    (void)close(stranger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(both_sides_exchange_text),
        TEST(hundred_megabytes_keep_their_order_in_each_direction),
        TEST(every_chunk_is_released_once_at_the_latest_by_destroy),
        TEST(full_link_takes_nothing_until_writable),
        TEST(close_by_the_dialer_is_seen_by_the_other),
        TEST(close_by_the_accepter_is_seen_by_the_other),
        TEST(last_words_before_a_drained_close_arrive),
        TEST(drain_of_a_peer_that_takes_nothing_ends),
        TEST(dial_of_a_port_without_listener_is_refused),
        TEST(dial_without_an_answer_ends_as_closed_not_refused),
        TEST(a_dial_can_be_closed_before_it_is_decided),
        TEST(two_dials_of_one_address_end_apart),
        TEST(wrong_addresses_are_refused),
        TEST(a_port_in_use_is_an_io_error),
        TEST(names_resolve_to_numeric_addresses),
        TEST(interrupt_ends_the_wait_that_runs_or_comes_next),
        TEST(many_links_each_carry_their_own_bytes),
        TEST(silent_strangers_are_closed_one_by_one),
        TEST(a_flood_nobody_takes_holds_bounded_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
