/* Large messages between two live nodes over loopback, while small ones go on. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/base/blob.h"
#include "tests/lib/puppet.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LARGE = 64u << 20 };
#else
enum { LARGE = 200u << 20 };
#endif
enum { LONG_MS = 120000, ANSWERS = 20 };

THS_MESSAGE(bale, "test.large.bale", 1, blob(load, .max = THS_MESSAGE_MAX), blob(second, .max = THS_MESSAGE_MAX))
THS_MESSAGE(after, "test.large.after", 1)
THS_MESSAGE(ping, "test.large.ping", 1, u32(n))
THS_MESSAGE(pong, "test.large.pong", 1, u32(n))
THS_MESSAGE(go, "test.large.go", 1, ref(to))

static struct ths_node *a, *b;
static _Atomic uint32_t answers;
static _Atomic bool arrived;

/* ---- Actors --------------------------------------------------------------------------------- */

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i ^ i >> 8 ^ i >> 16 ^ i >> 24);
}

static bool is_whole(const struct ths_blob *load)
{
    const uint8_t *data = ths_blob_data(load);

    for (size_t i = 0; i < ths_blob_len(load); i++)
        if (data[i] != byte_at(i))
            return false;
    return ths_blob_len(load) == LARGE;
}

struct store { char none; };

THS_ON(store, bale)
{
    (void)ctx, (void)self;
    arrived = true;
    probe_note("bale %s, %s", is_whole(msg->load) ? "whole" : "broken", answers >= ANSWERS ? "asks went on" : "asks waited");
}

THS_ON(store, after)
{
    (void)ctx, (void)self, (void)msg;
    probe_note("after");
}

THS_ON(store, ping)
{
    ths_reply(ctx, pong, .n = msg->n);
}

THS_BEHAVIOUR(store, bale, after, ping)

struct asker { ths_ref to; };

static void ask_on(struct ths_ctx *ctx, struct asker *self);

THS_ON_REPLY(asker, heard, pong)
{
    (void)reply;
    if (err != THS_OK)
        probe_note("asking failed: %s", ths_err_name(err));
    answers++;
    if (!arrived)
        ask_on(ctx, self);
}

static void ask_on(struct ths_ctx *ctx, struct asker *self)
{
    ths_ask(ctx, self->to, ping, heard, LONG_MS, .n = answers);
}

THS_ON(asker, go)
{
    self->to = msg->to;
    ask_on(ctx, self);
}

THS_BEHAVIOUR(asker, go)

/* ---- Nodes ---------------------------------------------------------------------------------- */

static struct ths_node *start_node(const char *name, const char *seeds)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = name, .workers = 1 });

    assert_non_null(node);
    assert_int_equal(ths_cluster_join(node, &(struct ths_cluster_options){ .bind = "tcp://127.0.0.1:0", .seeds = seeds,
                                                                           .suspect_ms = LONG_MS, .bury_ms = LONG_MS },
                                      NULL, 0),
                     THS_OK);
    return node;
}

static int set_up(void **state)
{
    (void)state;
    probe_reset();
    answers = 0;
    arrived = false;
    a = start_node("a", "");
    b = start_node("b", ths_cluster_endpoint(a) + strlen("tcp://"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ths_node_stop(b, 1000);
    ths_node_stop(a, 1000);
    return 0;
}

static struct ths_blob *make_load(uint32_t len)
{
    struct ths_blob *load = thsi_blob_create(ths_env_os(), len);

    assert_non_null(load);
    for (size_t i = 0; i < len; i++)
        load->data[i] = byte_at(i);
    return load;
}

/* ---- Facts ---------------------------------------------------------------------------------- */

static void large_message_arrives_whole_while_small_asks_go_on(void **state)
{
    ths_ref store = ths_spawn(b, store, .name = "store"), asker = ths_spawn(a, asker);
    struct ths_blob *load = make_load(LARGE);

    (void)state;
    assert_true(ths_ref_equal(ths_whereis(a, "store@b", LONG_MS), store));
    assert_int_equal(ths_try_tell(a, asker, go, .to = store), THS_OK);
    assert_int_equal(ths_try_tell(a, store, bale, .load = load), THS_OK);
    assert_int_equal(ths_try_tell(a, store, after), THS_OK);
    ths_blob_release(load);
    assert_noted("bale whole, asks went on\nafter\n");
}

static void message_over_256_mib_is_refused_here_and_to_another_node(void **state)
{
    ths_ref store = ths_spawn(b, store, .name = "store");
    struct ths_blob *load = make_load(THS_MESSAGE_MAX / 2), *none = NULL;

    (void)state;
    assert_true(ths_ref_equal(ths_whereis(a, "store@b", LONG_MS), store));
    assert_int_equal(ths_try_tell(a, store, bale, .load = load, .second = load), THS_TOO_BIG);
    assert_int_equal(ths_try_tell(b, store, bale, .load = load, .second = load), THS_TOO_BIG);
    assert_int_equal(ths_blob_new(a, load->data, (size_t)THS_MESSAGE_MAX + 1, &none), THS_TOO_BIG);
    assert_null(none);
    ths_blob_release(load);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(large_message_arrives_whole_while_small_asks_go_on),
        TEST(message_over_256_mib_is_refused_here_and_to_another_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
