/* The deadlines of asks, on virtual time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#include "thiasos/sim.h"

enum { MANY = 2000 };

static struct ths_sim *sim;
static uint64_t begun_ms;

static int setup(void **state)
{
    probe_reset();
    sim = ths_sim_create(.seed = 11, .nodes = 1, .alone = true);
    *state = sim ? ths_sim_node(sim, 1) : NULL;
    return sim ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    ths_sim_destroy(sim);
    return 0;
}

#define sim_test(fact) cmocka_unit_test_setup_teardown(fact, setup, teardown)

THS_ON_REPLY(puppet, noted, answer)
{
    probe_note("%s after %u", ths_err_name(err), (unsigned)(ths_now_ms(ctx) - begun_ms));
}

static void ask_for(struct ths_ctx *ctx, const ths_ref *to, unsigned timeout_ms)
{
    ths_ask(ctx, *to, secret, noted, timeout_ms);
}

static void asks_with_deadlines_in_disorder(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    begun_ms = ths_now_ms(ctx);
    ask_for(ctx, to, 500);
    ask_for(ctx, to, 20);
    ask_for(ctx, to, 300);
    ths_ask(ctx, *(const ths_ref *)to, question, noted, 10, .text = "in time");
    ask_for(ctx, to, 100);
}

static void each_ask_ends_at_its_own_deadline(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ 0 });
    ths_ref b = puppet_spawn(*state, "b", (struct ths_spawn_options){ 0 });

    puppet_do(*state, a, asks_with_deadlines_in_disorder, &b);
    ths_sim_run_ms(sim, 1000);
    assert_noted("OK after 0\nTIMEOUT after 21\nTIMEOUT after 101\nTIMEOUT after 301\nTIMEOUT after 501\n");
}

static unsigned heard, asked;

static void ask_one_more(struct ths_ctx *ctx, ths_ref to);

THS_ON_REPLY(puppet, counted, answer)
{
    heard++;
    if (asked < MANY)
        ask_one_more(ctx, self->notes == 7 ? ths_self(ctx) : THS_NOBODY);
}

static void ask_one_more(struct ths_ctx *ctx, ths_ref to)
{
    asked++;
    ths_ask(ctx, to, secret, counted, 1 + asked % 7);
}

static void asks_itself_for_long(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)arg;
    self->notes = 7;
    heard = asked = 0;
    for (int i = 0; i < 20; i++)
        ask_one_more(ctx, ths_self(ctx));
}

static void asks_made_while_others_end_have_their_deadlines_too(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ 0 });

    puppet_do(*state, a, asks_itself_for_long, NULL);
    ths_sim_run_ms(sim, 60000);
    assert_int_equal(asked, MANY);
    assert_int_equal(heard, MANY);
}

static void asks_and_ends(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)to, secret, noted, 50);
    ths_stop(ctx);
}

static void counts(struct ths_ctx *ctx, struct puppet *self, void *out)
{
    (void)ctx;
    *(uint64_t *)out = self->counter;
}

/* The ask comes into b's mailbox while the asker ends. */
static void request_of_an_asker_that_has_ended_is_not_handled(void **state)
{
    ths_ref b = puppet_spawn(*state, "b", (struct ths_spawn_options){ 0 });
    struct ths_node_stats stats;
    uint64_t handled = 0;

    for (int i = 0; i < 20; i++) {
        ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ 0 });
        puppet_do(*state, a, asks_and_ends, &b);
    }
    ths_sim_run_ms(sim, 1000);
    puppet_do(*state, b, counts, &handled);
    ths_node_stats(*state, &stats);
    assert_int_equal(handled + stats.dead_letters[THS_EXPIRED], 20);
    assert_true(stats.dead_letters[THS_EXPIRED] > 0);
    assert_int_equal(probe_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        sim_test(each_ask_ends_at_its_own_deadline),
        sim_test(asks_made_while_others_end_have_their_deadlines_too),
        sim_test(request_of_an_asker_that_has_ended_is_not_handled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
