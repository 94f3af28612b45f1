/* The simulated network alone: order, pieces, cut, crash, and the same story for the same seed. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cluster/transport_sim.h"

#define MS UINT64_C(1000000)

static uint64_t clock_ns;
static struct thsi_simnet *net;
static struct thsi_transport *host[4]; /* [0] is not used */
static unsigned released;
static char bound[64];

static int setup_seed(uint64_t seed)
{
    struct thsi_simnet_options options = { .hosts = 3, .seed = seed, .delay_ns_min = MS / 10, .delay_ns_max = 2 * MS,
                                           .now_ns = &clock_ns };

    clock_ns = 1000 * MS;
    released = 0;
    net = thsi_simnet_create(&options);
    for (unsigned i = 1; i <= 3; i++)
        host[i] = thsi_simnet_transport(net, i);
    assert_int_equal(host[2]->bind(host[2], "tcp://127.0.0.2:7400", bound, sizeof bound), THS_OK);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_seed(1);
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        if (host[i])
            host[i]->destroy(host[i]);
        host[i] = NULL;
    }
    thsi_simnet_destroy(net);
    return 0;
}

/* Let time pass until host @at has an event, @limit_ms at most. */
static bool await(unsigned at, struct thsi_transport_event *event, uint64_t limit_ms)
{
    uint64_t end = clock_ns + limit_ms * MS, due;

    while (!host[at]->next(host[at], event)) {
        due = thsi_simnet_deadline_ns(net, at);
        assert_true(due > clock_ns);
        if (due > end) {
            clock_ns = end;
            return false;
        }
        clock_ns = due;
    }
    return true;
}

static struct thsi_transport_event expect(unsigned at, enum thsi_transport_event_type type)
{
    struct thsi_transport_event event;

    assert_true(await(at, &event, 10000));
    assert_int_equal(event.type, type);
    return event;
}

static void connect_1_to_2(thsi_link *one, thsi_link *two)
{
    assert_int_equal(host[1]->dial(host[1], "127.0.0.2:7400", one), THS_OK);
    *two = expect(2, THSI_LINK_ACCEPTED).link;
    assert_true(expect(1, THSI_LINK_DIALED).link == *one);
}

static void release(struct thsi_chunk *chunk)
{
    released++;
    free(chunk);
}

static enum ths_err send(unsigned from, thsi_link link, const void *bytes, size_t len)
{
    struct thsi_chunk *chunk = malloc(sizeof *chunk + len);
    enum ths_err err;

    chunk->data = (uint8_t *)(chunk + 1);
    chunk->len = len;
    chunk->release = release;
    memcpy(chunk->data, bytes, len);
    err = host[from]->send(host[from], link, chunk);
    if (err != THS_OK)
        free(chunk);
    return err;
}

static void bytes_arrive_in_order_and_in_pieces(void **state)
{
    static uint8_t bytes[100000], got[100000];
    struct thsi_transport_event event;
    size_t len = 0, pieces = 0;
    thsi_link one, two;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    connect_1_to_2(&one, &two);
    assert_int_equal(send(1, one, bytes, sizeof bytes), THS_OK);
    assert_int_equal(released, 1);
    while (len < sizeof bytes) {
        event = expect(2, THSI_LINK_DATA);
        assert_true(event.link == two && event.len <= THSI_SIM_PIECE_MAX);
        memcpy(got + len, event.data, event.len);
        len += event.len;
        pieces++;
    }
    assert_memory_equal(bytes, got, sizeof bytes);
    assert_true(pieces > sizeof bytes / THSI_SIM_PIECE_MAX);
}

static void nothing_arrives_before_the_least_delay(void **state)
{
    struct thsi_transport_event event;
    thsi_link one, two;
    uint64_t begin;

    (void)state;
    connect_1_to_2(&one, &two);
    begin = clock_ns;
    assert_int_equal(send(1, one, "x", 1), THS_OK);
    assert_false(host[2]->next(host[2], &event));
    (void)expect(2, THSI_LINK_DATA);
    assert_true(clock_ns - begin >= MS / 10 && clock_ns - begin <= 2 * MS);
    (void)two;
}

static void dial_where_nobody_listens_is_refused(void **state)
{
    thsi_link link;

    (void)state;
    assert_int_equal(host[1]->dial(host[1], "127.0.0.2:7401", &link), THS_OK);
    while (!host[2]->next(host[2], &(struct thsi_transport_event){ 0 }) && thsi_simnet_deadline_ns(net, 2) != UINT64_MAX)
        clock_ns = thsi_simnet_deadline_ns(net, 2);
    assert_true(expect(1, THSI_LINK_CLOSED).refused);
    thsi_simnet_crash(net, 2);
    host[2] = NULL;
    assert_int_equal(host[1]->dial(host[1], "127.0.0.2:7400", &link), THS_OK);
    assert_true(expect(1, THSI_LINK_CLOSED).refused);
}

static void dial_to_no_host_ends_after_two_seconds(void **state)
{
    uint64_t begin = clock_ns;
    thsi_link link;

    (void)state;
    assert_int_equal(host[1]->dial(host[1], "127.0.0.77:7400", &link), THS_OK);
    assert_false(expect(1, THSI_LINK_CLOSED).refused);
    assert_true(clock_ns - begin == THSI_SIM_DIAL_NS);
}

static void wrong_addresses_are_refused(void **state)
{
    thsi_link link;

    (void)state;
    assert_int_equal(host[1]->dial(host[1], "10.0.0.1:80", &link), THS_INVALID);
    assert_int_equal(host[1]->dial(host[1], "127.0.0.2", &link), THS_INVALID);
    assert_int_equal(host[1]->dial(host[1], "127.0.0.2:0", &link), THS_INVALID);
    assert_int_equal(host[1]->bind(host[1], "127.0.0.1:80", bound, sizeof bound), THS_INVALID);
    assert_int_equal(host[1]->bind(host[1], "tcp://127.0.0.2:80", bound, sizeof bound), THS_IO);
    assert_int_equal(host[1]->bind(host[1], "tcp://127.0.0.1:0", bound, sizeof bound), THS_OK);
}

static void names_resolve(void **state)
{
    char out[8][64];

    (void)state;
    assert_int_equal(host[1]->resolve(host[1], "nodes:7400", out, 8), 3);
    assert_string_equal(out[2], "127.0.0.3:7400");
    assert_int_equal(host[1]->resolve(host[1], "nodes:7400", out, 2), 2);
    assert_int_equal(host[1]->resolve(host[1], "n2:80", out, 8), 1);
    assert_string_equal(out[0], "127.0.0.2:80");
    assert_int_equal(host[1]->resolve(host[1], "n4:80", out, 8), 0);
    assert_int_equal(host[1]->resolve(host[1], "other:80", out, 8), 0);
}

static void a_cut_delays_what_is_sent_until_it_is_healed(void **state)
{
    struct thsi_transport_event event;
    thsi_link one, two;

    (void)state;
    connect_1_to_2(&one, &two);
    assert_int_equal(send(1, one, "a", 1), THS_OK);
    thsi_simnet_cut(net, 2, 1);
    assert_int_equal(send(1, one, "b", 1), THS_OK);
    assert_int_equal(send(2, two, "c", 1), THS_OK);
    assert_false(await(2, &event, 60000));
    assert_false(await(1, &event, 60000));
    thsi_simnet_heal(net, 1, 2);
    assert_int_equal(expect(2, THSI_LINK_DATA).data[0], 'a');
    assert_int_equal(expect(2, THSI_LINK_DATA).data[0], 'b');
    assert_int_equal(expect(1, THSI_LINK_DATA).data[0], 'c');
}

static void a_dial_through_a_cut_gives_up_and_leaves_nothing_behind(void **state)
{
    struct thsi_transport_event event;
    thsi_link link;

    (void)state;
    thsi_simnet_cut(net, 1, 2);
    assert_int_equal(host[1]->dial(host[1], "127.0.0.2:7400", &link), THS_OK);
    assert_false(expect(1, THSI_LINK_CLOSED).refused);
    thsi_simnet_heal(net, 1, 2);
    assert_false(await(2, &event, 10000));
}

static void a_cut_of_others_changes_nothing(void **state)
{
    thsi_link one, two;

    (void)state;
    connect_1_to_2(&one, &two);
    thsi_simnet_cut(net, 1, 3);
    thsi_simnet_cut(net, 2, 3);
    assert_int_equal(send(1, one, "a", 1), THS_OK);
    assert_true(expect(2, THSI_LINK_DATA).link == two);
}

static void close_with_drain_delivers_first(void **state)
{
    thsi_link one, two;

    (void)state;
    connect_1_to_2(&one, &two);
    assert_int_equal(send(2, two, "a", 1), THS_OK);
    host[2]->close(host[2], two, true);
    assert_int_equal(send(2, two, "b", 1), THS_CLOSED);
    assert_true(expect(1, THSI_LINK_DATA).link == one);
    assert_true(expect(1, THSI_LINK_CLOSED).link == one);
    assert_int_equal(send(1, one, "b", 1), THS_CLOSED);
}

static void close_without_drain_drops_what_is_queued(void **state)
{
    thsi_link one, two;

    (void)state;
    connect_1_to_2(&one, &two);
    assert_int_equal(send(1, one, "a", 1), THS_OK);
    host[1]->close(host[1], one, false);
    assert_true(expect(2, THSI_LINK_CLOSED).link == two);
}

static void a_crash_closes_the_links_of_its_host_at_the_others(void **state)
{
    thsi_link one, two;
    struct thsi_transport_event event;
    uint64_t begin;
    size_t got = 0;

    (void)state;
    connect_1_to_2(&one, &two);
    for (int i = 0; i < 100; i++)
        assert_int_equal(send(2, two, "x", 1), THS_OK);
    begin = clock_ns;
    thsi_simnet_crash(net, 2);
    host[2] = NULL;
    while (await(1, &event, 1000) && event.type == THSI_LINK_DATA)
        got += event.len;
    assert_int_equal(event.type, THSI_LINK_CLOSED);
    assert_true(event.link == one && !event.refused);
    assert_true(clock_ns > begin);
    assert_true(got < 100); /* of what it sent last, a part is lost with this seed */
    host[2] = thsi_simnet_transport(net, 2);
    assert_int_equal(host[2]->bind(host[2], "tcp://127.0.0.2:7400", bound, sizeof bound), THS_OK);
    connect_1_to_2(&one, &two);
}

static void full_link_becomes_writable_when_half_is_taken(void **state)
{
    static uint8_t bytes[65536];
    struct thsi_transport_event event;
    thsi_link one, two;
    size_t sent = 0, got = 0;

    (void)state;
    connect_1_to_2(&one, &two);
    while (send(1, one, bytes, sizeof bytes) == THS_OK)
        sent += sizeof bytes;
    assert_true(sent >= THSI_SIM_FLYING_MAX);
    assert_false(await(1, &event, 1000));
    while (!host[1]->next(host[1], &event))
        got += expect(2, THSI_LINK_DATA).len;
    assert_int_equal(event.type, THSI_LINK_WRITABLE);
    assert_true(event.link == one && got >= sent - THSI_SIM_FLYING_MAX / 2);
    assert_int_equal(send(1, one, bytes, sizeof bytes), THS_OK);
}

static uint64_t story(uint64_t seed)
{
    static uint8_t bytes[20000];
    struct thsi_transport_event event;
    thsi_link one, two;
    uint64_t sum = 0;

    (void)setup_seed(seed);
    connect_1_to_2(&one, &two);
    (void)send(1, one, bytes, sizeof bytes);
    while (await(2, &event, 1000))
        sum = (sum ^ clock_ns ^ event.len) * UINT64_C(0x100000001b3);
    (void)teardown(NULL);
    return sum;
}

static void the_same_seed_gives_the_same_times_and_pieces(void **state)
{
    (void)state;
    assert_true(story(7) == story(7));
    assert_true(story(7) != story(8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(bytes_arrive_in_order_and_in_pieces),
        TEST(nothing_arrives_before_the_least_delay),
        TEST(dial_where_nobody_listens_is_refused),
        TEST(dial_to_no_host_ends_after_two_seconds),
        TEST(wrong_addresses_are_refused),
        TEST(names_resolve),
        TEST(a_cut_delays_what_is_sent_until_it_is_healed),
        TEST(a_dial_through_a_cut_gives_up_and_leaves_nothing_behind),
        TEST(a_cut_of_others_changes_nothing),
        TEST(close_with_drain_delivers_first),
        TEST(close_without_drain_drops_what_is_queued),
        TEST(a_crash_closes_the_links_of_its_host_at_the_others),
        TEST(full_link_becomes_writable_when_half_is_taken),
        cmocka_unit_test(the_same_seed_gives_the_same_times_and_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
