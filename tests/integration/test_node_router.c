/* What a node says to other nodes, with a double for the network: relations that cross nodes, and their end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#include <stdatomic.h>

#include "node/runtime.h"

enum { ROUNDS = 20, CROWD = 400, ELSEWHERE = 7 };

/* Takes everything and counts it by kind. */
struct counting_router {
    struct thsi_router router;
    _Atomic unsigned sent[THSI_REFUSED + 1];
};

static enum ths_err count_send(struct thsi_router *router, const struct thsi_signal *signal)
{
    (void)atomic_fetch_add(&((struct counting_router *)router)->sent[signal->kind], 1);
    return THS_OK;
}

static enum ths_err resolve_nobody(struct thsi_router *router, const char *name, uint64_t *uid)
{
    (void)router, (void)name, (void)uid;
    return THS_NOT_FOUND;
}

static size_t no_members(struct thsi_router *router, const char *role, struct thsi_router_member *out, size_t max)
{
    (void)router, (void)role, (void)out, (void)max;
    return 0;
}

static enum ths_err watch_nobody(struct thsi_router *router, ths_ref whom)
{
    (void)router, (void)whom;
    return THS_OK;
}

static void end_nobody(struct thsi_router *router, ths_ref whom)
{
    (void)router, (void)whom;
}

static struct counting_router counting;

static int setup(void **state)
{
    counting = (struct counting_router){ .router = { .send = count_send, .resolve = resolve_nobody, .members = no_members,
                                                     .watch_members = watch_nobody, .actor_ended = end_nobody } };
    if (puppet_node_setup(state))
        return 1;
    ths_node_runtime(*state)->set_router(ths_node_runtime(*state), &counting.router);
    return 0;
}

static int teardown(void **state)
{
    ths_node_runtime(*state)->set_router(ths_node_runtime(*state), NULL);
    return puppet_node_teardown(state);
}

#define router_test(fact) cmocka_unit_test_setup_teardown(fact, setup, teardown)

/* Watches an actor elsewhere, and ends when it is told to. */
struct watcher { char none; };

THS_ON(watcher, ths_started)
{
    (void)ths_monitor(ctx, (ths_ref){ ELSEWHERE, 1, 1 });
}

THS_ON(watcher, word)
{
    ths_stop(ctx);
}

THS_ON(watcher, ths_down)
{
    probe_note("down %s", ths_reason_text((enum ths_reason)msg->reason));
}

THS_BEHAVIOUR(watcher, ths_started, word, ths_down)

/* The list of those with relations to other nodes is changed by all workers at once. */
static void crowd_with_relations_elsewhere_may_end_all_at_once(void **state)
{
    struct ths_node *node = *state;
    static ths_ref crowd[CROWD];
    ths_ref last;

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < CROWD; i++)
            crowd[i] = ths_spawn(node, watcher);
        for (unsigned i = 0; i < CROWD; i++)
            assert_err(ths_tell(node, crowd[i], word, .text = "go"), OK);
        for (unsigned i = 0; i < CROWD; i++)
            assert_ends(node, crowd[i], NORMAL);
    }
    assert_int_equal(atomic_load(&counting.sent[THSI_MONITOR]), ROUNDS * CROWD);
    assert_int_equal(atomic_load(&counting.sent[THSI_DEMONITOR]), ROUNDS * CROWD);
    last = ths_spawn(node, watcher);
    while (atomic_load(&counting.sent[THSI_MONITOR]) <= ROUNDS * CROWD)
        (void)ths_call(node, last, THS_MSG(unheard), PROBE_LIMIT_MS, NULL, NULL);
    ths_node_runtime(node)->node_lost(ths_node_runtime(node), ELSEWHERE, THS_ASSUMED);
    assert_noted("down node_lost\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        router_test(crowd_with_relations_elsewhere_may_end_all_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
