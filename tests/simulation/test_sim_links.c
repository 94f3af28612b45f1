/* Links that end at any byte, again and again, while messages of all sizes are on them: what arrives is whole and in order,
 * nothing arrives twice, what is lost is told to its sender before anything later arrives, control signals arrive exactly once.
 *
 *     test_sim_links                    what fits into a test run
 *     test_sim_links SEEDS [FIRST]      that many, from the seed FIRST on */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/root.h"
#include "node/base/blob.h"
#include "thiasos/sim.h"
#include "thiasos/thiasos.h"

enum { SHIPPERS = 3, PORTS = 2, SEEDS = 40, LOAD_MAX = 300000, ROUNDS = 60, BREAKS = 12 };

THS_MESSAGE(cargo, "test.links.cargo", 1, u32(shipper), u32(port), u64(n), u64(tell), bytes(load, .max = LOAD_MAX))
THS_MESSAGE(question, "test.links.question", 1, u32(shipper), u32(port), u64(n), bytes(load, .max = LOAD_MAX))
THS_MESSAGE(answer, "test.links.answer", 1, u64(n), bytes(load, .max = LOAD_MAX))
THS_MESSAGE(ship, "test.links.ship", 1)
THS_MESSAGE(quit, "test.links.quit", 1)

/* One story at a time. */
static struct {
    struct ths_sim *sim;
    ths_ref ports[PORTS];
    uint64_t sent, arrived, wrong, asked, ended, downs, monitors;
    uint64_t last[SHIPPERS][PORTS];
    uint64_t tells[SHIPPERS][PORTS], came[SHIPPERS][PORTS], told[SHIPPERS][PORTS]; /* sent, arrived, told as lost */
    uint8_t load[LOAD_MAX + 256];
} story;

/* Bytes that tell which message they belong to. */
static struct ths_bytes load_of(uint64_t n, size_t len)
{
    return (struct ths_bytes){ story.load + n % 256, (uint32_t)len };
}

/* What came from a shipper: later than all before, and whole. */
static void check(uint32_t shipper, uint32_t port, uint64_t n, struct ths_bytes load)
{
    story.wrong += n <= story.last[shipper][port] || memcmp(load.data, story.load + n % 256, load.len) != 0;
    story.last[shipper][port] = n;
}

/* ---- The second node ------------------------------------------------------------------------ */

struct port { char none; };

THS_ON(port, cargo)
{
    uint64_t *came = &story.came[msg->shipper][msg->port];

    check(msg->shipper, msg->port, msg->n, msg->load);
    story.wrong += msg->tell - 1 - *came > story.told[msg->shipper][msg->port]; /* lost, and its sender does not know */
    (*came)++;
    story.arrived++;
}

THS_ON(port, question)
{
    check(msg->shipper, msg->port, msg->n, msg->load);
    ths_reply(ctx, answer, .n = msg->n, .load = msg->load);
}

THS_ON(port, quit)
{
    ths_stop(ctx);
}

THS_BEHAVIOUR(port, cargo, question, quit)

/* ---- The first ------------------------------------------------------------------------------ */

struct shipper { uint64_t n; };

static uint32_t shipper_of(struct ths_ctx *ctx)
{
    return ths_self(ctx).slot % SHIPPERS;
}

static size_t any_length(void)
{
    static const size_t lengths[] = { 0, 64, 64, 64, 1000, 20000, 40000, 65000, 70000, 140000, LOAD_MAX };

    return lengths[ths_sim_random(story.sim, sizeof lengths / sizeof *lengths)];
}

THS_ON_REPLY(shipper, answered, answer)
{
    story.ended++;
    if (err == THS_OK)
        story.wrong += memcmp(reply->load.data, story.load + reply->n % 256, reply->load.len) != 0;
}

THS_ON(shipper, ship)
{
    uint32_t port = (uint32_t)ths_sim_random(story.sim, PORTS), shipper = shipper_of(ctx);
    ths_ref to = story.ports[port];

    switch (ths_sim_random(story.sim, 8)) {
    case 0:
        story.monitors++;
        (void)ths_monitor(ctx, to);
        break;
    case 1:
        story.asked++;
        self->n++;
        ths_ask(ctx, to, question, answered, 5000, .shipper = shipper, .port = port, .n = self->n,
                .load = load_of(self->n, any_length()));
        break;
    default:
        self->n++;
        if (ths_try_tell(ctx, to, cargo, .shipper = shipper, .port = port, .n = self->n,
                         .tell = story.tells[shipper][port] + 1, .load = load_of(self->n, any_length())) == THS_OK) {
            story.sent++;
            story.tells[shipper][port]++;
        }
    }
}

THS_ON(shipper, ths_undelivered)
{
    (void)self;
    for (unsigned port = 0; port < PORTS; port++)
        if (ths_ref_equal(msg->to, story.ports[port]))
            story.told[shipper_of(ctx)][port] += msg->count;
    story.wrong += msg->err != THS_NODE_LOST;
}

THS_ON(shipper, ths_down)
{
    (void)ctx, (void)self, (void)msg;
    story.downs++;
}

THS_BEHAVIOUR(shipper, ship, ths_down, ths_undelivered)

/* ---- Stories -------------------------------------------------------------------------------- */

static void begin(uint64_t seed, ths_ref *shippers)
{
    memset(&story.sent, 0, offsetof(typeof(story), load) - offsetof(typeof(story), sent));
    story.sim = ths_sim_create(.seed = seed, .nodes = 2);
    assert_non_null(story.sim);
    for (size_t i = 0; i < sizeof story.load; i++)
        story.load[i] = (uint8_t)i; /* 256 messages begin at 256 places */
    ths_sim_run_ms(story.sim, 5000);
    for (unsigned i = 0; i < PORTS; i++)
        story.ports[i] = ths_sim_spawn(story.sim, 2, port, .mailbox = 100000);
    for (unsigned i = 0; i < SHIPPERS; i++)
        shippers[i] = ths_sim_spawn(story.sim, 1, shipper);
}

/* Whether some shipper was told of fewer than it lost, or of more than it sent. */
static bool somebody_was_told_wrong(unsigned breaks)
{
    for (unsigned shipper = 0; shipper < SHIPPERS; shipper++)
        for (unsigned port = 0; port < PORTS; port++) {
            uint64_t sent = story.tells[shipper][port], told = story.told[shipper][port];
            if (sent - story.came[shipper][port] > told || told > (breaks > 0 ? sent : 0))
                return true;
        }
    return false;
}

static void tell_of(uint64_t seed, unsigned breaks)
{
    ths_ref shippers[SHIPPERS];
    struct ths_node_stats stats;
    struct ths_node *node;

    begin(seed, shippers);
    node = ths_sim_node(story.sim, 1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < SHIPPERS; i++)
            assert_int_equal(ths_try_tell(node, shippers[i], ship), THS_OK);
        ths_sim_run_ms(story.sim, ths_sim_random(story.sim, 4));
        if (ths_sim_random(story.sim, ROUNDS) < breaks)
            ths_sim_break(story.sim, 1, 2);
    }
    ths_sim_run_ms(story.sim, 10000);
    for (unsigned i = 0; i < PORTS; i++)
        assert_int_equal(ths_try_tell(ths_sim_node(story.sim, 2), story.ports[i], quit), THS_OK);
    ths_sim_run_ms(story.sim, 5000);
    ths_node_stats(node, &stats);
    if (story.wrong > 0 || somebody_was_told_wrong(breaks) || story.downs != story.monitors || story.ended != story.asked ||
        story.arrived > story.sent || story.sent - story.arrived > stats.dead_letters[THS_NODE_LOST] ||
        (breaks == 0 && story.sent != story.arrived))
        fail_msg("seed %llu: %llu sent, %llu arrived, %llu reported lost, %llu wrong, %llu asks, %llu ended, %llu monitors, "
                 "%llu downs", (unsigned long long)seed, (unsigned long long)story.sent, (unsigned long long)story.arrived,
                 (unsigned long long)stats.dead_letters[THS_NODE_LOST], (unsigned long long)story.wrong,
                 (unsigned long long)story.asked, (unsigned long long)story.ended, (unsigned long long)story.monitors,
                 (unsigned long long)story.downs);
    ths_sim_destroy(story.sim);
}

static void all_arrives_in_order_on_a_link_that_holds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS / 4; seed++)
        tell_of(seed, 0);
}

static void nothing_is_doubled_reordered_or_lost_in_silence_when_links_end_at_any_byte(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        tell_of(seed, BREAKS);
}

/* Nothing of what is told to a node that is gone may vanish without a word, in whatever order its end is noticed. */
static void tells_to_a_node_that_crashes_are_told_as_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS / 4; seed++) {
        ths_ref shippers[SHIPPERS];

        begin(seed, shippers);
        for (unsigned round = 0; round < ROUNDS; round++) {
            for (unsigned i = 0; i < SHIPPERS; i++)
                assert_int_equal(ths_try_tell(ths_sim_node(story.sim, 1), shippers[i], ship), THS_OK);
            ths_sim_run_ms(story.sim, ths_sim_random(story.sim, 4));
            if (round == ROUNDS / 2)
                ths_sim_crash(story.sim, 2);
        }
        ths_sim_run_ms(story.sim, 60000);
        assert_int_equal(story.wrong, 0);
        assert_int_equal(story.downs, story.monitors);
        assert_int_equal(story.ended, story.asked);
        assert_false(somebody_was_told_wrong(1));
        assert_true(story.sent > story.arrived);
        ths_sim_destroy(story.sim);
    }
}

/* ---- One large message ---------------------------------------------------------------------- */

enum { LARGE = 20 << 20 };

THS_MESSAGE(bale, "test.links.bale", 1, blob(load, .max = LARGE))

static struct {
    ths_ref warehouse;
    uint64_t bales, answers, before, full, taken;
    struct ths_blob *load;
} stock;

struct warehouse { char none; };

THS_ON(warehouse, bale)
{
    (void)ctx, (void)self;
    stock.before = stock.answers;
    stock.bales += ths_blob_len(msg->load) == ths_blob_len(stock.load) &&
                   memcmp(ths_blob_data(msg->load), ths_blob_data(stock.load), ths_blob_len(stock.load)) == 0;
}

THS_ON(warehouse, question)
{
    ths_reply(ctx, answer, .n = msg->n, .load = msg->load);
}

THS_BEHAVIOUR(warehouse, bale, question)

struct keeper { char none; };

static void ask_on(struct ths_ctx *ctx);

THS_ON_REPLY(keeper, heard, answer)
{
    (void)self, (void)reply;
    assert_int_equal(err, THS_OK);
    stock.answers++;
    if (stock.bales == 0)
        ask_on(ctx);
}

static void ask_on(struct ths_ctx *ctx)
{
    ths_ask(ctx, stock.warehouse, question, heard, 60000, .n = 1, .load = { story.load, 64 });
}

THS_ON(keeper, ship)
{
    (void)self;
    ask_on(ctx);
}

THS_BEHAVIOUR(keeper, ship)

static void begin_stock(size_t len)
{
    ths_ref shippers[SHIPPERS];

    begin(7, shippers);
    memset(&stock, 0, sizeof stock);
    stock.warehouse = ths_sim_spawn(story.sim, 2, warehouse);
    stock.load = thsi_blob_create(ths_env_os(), (uint32_t)len);
    assert_non_null(stock.load);
    for (size_t i = 0; i < len; i++)
        stock.load->data[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
}

static void end_stock(void)
{
    ths_sim_destroy(story.sim);
    ths_blob_release(stock.load);
}

static bool has_bale(void *arg)
{
    (void)arg;
    return stock.bales > 0;
}

static void asks_are_answered_while_a_large_message_is_on_its_way(void **state)
{
    ths_ref keeper;

    (void)state;
    begin_stock(LARGE);
    keeper = ths_sim_spawn(story.sim, 1, keeper);
    assert_int_equal(ths_try_tell(ths_sim_node(story.sim, 1), stock.warehouse, bale, .load = stock.load), THS_OK);
    assert_int_equal(ths_try_tell(ths_sim_node(story.sim, 1), keeper, ship), THS_OK);
    assert_true(ths_sim_run_until(story.sim, 60000, has_bale, NULL));
    assert_true(stock.before >= 5); /* each of them a way there and back */
    end_stock();
}

static void large_message_arrives_before_its_sender_has_left(void **state)
{
    (void)state;
    begin_stock(LARGE);
    assert_int_equal(ths_try_tell(ths_sim_node(story.sim, 1), stock.warehouse, bale, .load = stock.load), THS_OK);
    ths_cluster_leave(ths_sim_node(story.sim, 1));
    assert_true(ths_sim_run_until(story.sim, 60000, has_bale, NULL));
    end_stock();
}

/* Whatever can wait for the other node does; returns how many messages were taken. */
static uint64_t fill_up(size_t len)
{
    enum ths_err err;
    uint64_t taken = 0;

    while ((err = ths_try_tell(ths_sim_node(story.sim, 1), story.ports[0], cargo, .n = story.sent + 1,
                               .tell = story.sent + 1, .load = load_of(story.sent + 1, len))) == THS_OK) {
        story.sent++;
        taken++;
        if (taken % 16 == 0)
            ths_sim_run_ms(story.sim, 1);
    }
    assert_int_equal(err, THS_FULL);
    return taken;
}

static void sender_to_a_node_that_stands_still_hears_full_and_nothing_is_lost(void **state)
{
    static const size_t lengths[] = { 1000, 40000, LOAD_MAX };

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const struct thsi_outbox *outbox;
        ths_ref shippers[SHIPPERS];

        begin(3, shippers);
        ths_sim_pause(story.sim, 2, true);
        assert_true(fill_up(lengths[i]) > 0);
        outbox = &thsi_remote_find(thsi_cluster_of(ths_sim_node(story.sim, 1))->driver->remote,
                                   story.ports[0].node)->outbox;
        assert_true(thsi_outbox_bytes(outbox) <= THSI_OUTBOX_DATA_MAX + THSI_BULK_BYTES_MAX);
        assert_true(outbox->unacked_bytes <= THSI_OUTBOX_WINDOW + THSI_FRAME_PAYLOAD);
        ths_sim_pause(story.sim, 2, false);
        ths_sim_run_ms(story.sim, 10000);
        assert_int_equal(story.arrived, story.sent);
        assert_int_equal(story.wrong, 0);
        ths_sim_destroy(story.sim);
    }
}

static uint64_t first_seed, seeds;

static void given_seeds_hold(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++)
        tell_of(seed, BREAKS);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_arrives_in_order_on_a_link_that_holds),
        cmocka_unit_test(nothing_is_doubled_reordered_or_lost_in_silence_when_links_end_at_any_byte),
        cmocka_unit_test(tells_to_a_node_that_crashes_are_told_as_lost),
        cmocka_unit_test(asks_are_answered_while_a_large_message_is_on_its_way),
        cmocka_unit_test(large_message_arrives_before_its_sender_has_left),
        cmocka_unit_test(sender_to_a_node_that_stands_still_hears_full_and_nothing_is_lost),
    };
    const struct CMUnitTest given[] = { cmocka_unit_test(given_seeds_hold) };

    if (argc < 2)
        return cmocka_run_group_tests(tests, NULL, NULL);
    seeds = strtoull(argv[1], NULL, 10);
    first_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    return cmocka_run_group_tests(given, NULL, NULL);
}
