/* A supervisor whose children may run on other nodes, which the test plays: it keeps the signals that the router gets,
 * and hands in the answers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/runtime.h"
#include "node/start.h"
#include "tests/lib/puppet.h"
#include "thiasos/lifecycle.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { B = 0xb, C = 0xc, SENT_MAX = 256 };

/* One signal that left, with what the tests look at. */
struct sent {
    struct thsi_signal signal;
    struct ths_spawn_options options;
    char behaviour[64], label[32];
    bool seen;
};

static struct {
    struct thsi_router router;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct sent sent[SENT_MAX];
    size_t count;
    struct thsi_router_member members[4];
    size_t members_count;
    ths_ref watcher;
} net = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

/* ---- The router --------------------------------------------------------------------------- */

static enum ths_err net_send(struct thsi_router *router, const struct thsi_signal *signal)
{
    struct sent *sent;

    (void)router;
    (void)pthread_mutex_lock(&net.lock);
    sent = &net.sent[net.count++ % SENT_MAX];
    *sent = (struct sent){ .signal = *signal };
    if (signal->kind == THSI_SPAWN) {
        (void)snprintf(sent->behaviour, sizeof sent->behaviour, "%s", signal->text);
        sent->options = *signal->options;
        (void)snprintf(sent->label, sizeof sent->label, "%s", ((const struct puppet_start *)signal->body)->label);
    }
    (void)pthread_cond_broadcast(&net.more);
    (void)pthread_mutex_unlock(&net.lock);
    return THS_OK;
}

static enum ths_err net_resolve(struct thsi_router *router, const char *name, uint64_t *uid)
{
    (void)router;
    (void)name;
    (void)uid;
    return THS_NOT_FOUND;
}

static size_t net_members(struct thsi_router *router, const char *role, struct thsi_router_member *out, size_t max)
{
    size_t count = 0;

    (void)router;
    (void)pthread_mutex_lock(&net.lock);
    for (; strcmp(role, "worker") == 0 && count < net.members_count && count < max; count++)
        out[count] = net.members[count];
    (void)pthread_mutex_unlock(&net.lock);
    return count;
}

static enum ths_err net_watch(struct thsi_router *router, ths_ref whom)
{
    (void)router;
    (void)pthread_mutex_lock(&net.lock);
    net.watcher = whom;
    (void)pthread_cond_broadcast(&net.more);
    (void)pthread_mutex_unlock(&net.lock);
    return THS_OK;
}

static void net_ended(struct thsi_router *router, ths_ref whom)
{
    (void)router;
    (void)whom;
}

/* ---- What the tests say ---------------------------------------------------------------------- */

#define have_members(node, ...) have_members_of(node, (const uint64_t[]){ __VA_ARGS__ },                        \
                                                sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static void have_members_of(struct ths_node *node, const uint64_t *uids, size_t count)
{
    ths_ref watcher;

    (void)pthread_mutex_lock(&net.lock);
    net.members_count = count;
    for (size_t i = 0; i < count; i++) {
        net.members[i].uid = uids[i];
        (void)snprintf(net.members[i].name, sizeof net.members[i].name, "n%x", (unsigned)(uids[i] & 0xff));
    }
    watcher = net.watcher;
    (void)pthread_mutex_unlock(&net.lock);
    if (!ths_ref_is_nobody(watcher))
        assert_err(ths_tell(node, watcher, ths_members_changed, .version = 1), OK);
}

/* Wait for the next signal of this kind to this node that was not seen yet. */
static struct sent await(enum thsi_signal_kind kind, uint64_t uid)
{
    struct sent found = { .seen = false };
    struct timespec limit;
    int waited = 0;

    (void)clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += PROBE_LIMIT_MS / 1000;
    (void)pthread_mutex_lock(&net.lock);
    while (!found.seen && waited == 0) {
        for (size_t i = 0; i < net.count && i < SENT_MAX && !found.seen; i++) {
            struct sent *sent = &net.sent[i];
            if (sent->seen || sent->signal.kind != kind || sent->signal.to.node != uid)
                continue;
            sent->seen = true;
            found = *sent;
        }
        if (!found.seen)
            waited = pthread_cond_timedwait(&net.more, &net.lock, &limit);
    }
    (void)pthread_mutex_unlock(&net.lock);
    assert_true(found.seen);
    return found;
}

/* Answer a spawn with a ref on its node, as if it had worked; returns the ref. */
static ths_ref answer_spawn(struct ths_node *node, struct sent spawn, uint32_t slot)
{
    const ths_ref who = { spawn.signal.to.node, slot, 1 };
    const struct ths_spawned spawned = { who };
    const struct thsi_signal reply = { .kind = THSI_REPLY, .from = { who.node, 0, 0 }, .to = spawn.signal.from,
                                       .id = spawn.signal.id, .type = &ths_spawned_type, .body = &spawned };
    struct thsi_runtime *runtime = ths_node_runtime(node);

    assert_err(runtime->deliver(runtime, &reply), OK);
    return who;
}

/* As answer_spawn, and the supervisor has taken note of it. */
static ths_ref become(struct ths_node *node, struct sent spawn, uint32_t slot)
{
    ths_ref who = answer_spawn(node, spawn, slot);
    struct sent monitor = await(THSI_MONITOR, who.node);

    assert_true(ths_ref_equal(monitor.signal.to, who));
    return who;
}

static void refuse_spawn(struct ths_node *node, struct sent spawn, enum ths_err err)
{
    const struct thsi_signal reply = { .kind = THSI_REPLY, .from = { spawn.signal.to.node, 0, 0 }, .err = err,
                                       .to = spawn.signal.from, .id = spawn.signal.id };
    struct thsi_runtime *runtime = ths_node_runtime(node);

    assert_err(runtime->deliver(runtime, &reply), OK);
}

static void say_halted(struct ths_node *node, ths_ref supervisor, ths_ref who, uint32_t child, enum ths_reason reason)
{
    const struct thsi_signal halted = { .kind = THSI_HALTED, .from = who, .to = supervisor, .child = child,
                                        .incarnation = 1, .reason = reason };
    struct thsi_runtime *runtime = ths_node_runtime(node);

    assert_err(runtime->deliver(runtime, &halted), OK);
}

static void lose(struct ths_node *node, uint64_t uid)
{
    ths_node_runtime(node)->node_lost(ths_node_runtime(node), uid, THS_ASSUMED);
}

/* Wait until the counters say so. */
static void assert_counters(struct ths_node *node, ths_ref supervisor, uint64_t restarts, uint64_t failovers,
                            uint32_t running)
{
    struct ths_supervisor_stats stats = { 0, 0, 0, 0 };
    ths_ref other = puppet_spawn(node, "other", (struct ths_spawn_options){ 0 });

    for (unsigned tries = 0; tries < 1000000; tries++) {
        assert_err(ths_supervisor_stats(node, supervisor, &stats), OK);
        if (stats.restarts == restarts && stats.failovers == failovers && stats.running == running)
            break;
        puppet_settle(node, other);
    }
    assert_int_equal(stats.restarts, restarts);
    assert_int_equal(stats.failovers, failovers);
    assert_int_equal(stats.running, running);
}

static ths_ref supervise(struct ths_node *node, unsigned count)
{
    const struct ths_child children[] = {
        { .name = "w", .behaviour = "puppet", .restart = THS_PERMANENT, .where = "role=worker", .count = count,
          .spawn = { .mailbox = 77, .memory_max = 4096, .when_full = THS_DROP_OLDEST },
          .start = THS_MSG(puppet_start, .label = "w", .notes = PUPPET_NOTES_START) },
    };
    ths_ref supervisor = ths_supervise(node, children, .name = "supervisor", .restarts = 1);

    assert_false(ths_ref_is_nobody(supervisor));
    return supervisor;
}

static int setup(void **state)
{
    if (puppet_node_setup(state) || puppet_register(*state) != THS_OK)
        return 1;
    net.count = net.members_count = 0;
    net.watcher = THS_NOBODY;
    net.router = (struct thsi_router){ .send = net_send, .resolve = net_resolve, .members = net_members,
                                       .watch_members = net_watch, .actor_ended = net_ended };
    ths_node_runtime(*state)->set_router(ths_node_runtime(*state), &net.router);
    return 0;
}

/* ---- The tests ---------------------------------------------------------------------------------- */

static void remote_child_is_spawned_with_all_it_needs_and_watched(void **state)
{
    ths_ref supervisor;
    struct sent spawn;

    have_members(*state, B);
    supervisor = supervise(*state, 1);
    spawn = await(THSI_SPAWN, B);
    assert_string_equal(spawn.behaviour, "puppet");
    assert_string_equal(spawn.label, "w");
    assert_int_equal(spawn.signal.incarnation, THSI_SPAWN_SUPERVISED | THSI_SPAWN_AWAIT);
    assert_int_equal(spawn.signal.child, 0);
    assert_int_equal(spawn.options.mailbox, 77);
    assert_int_equal(spawn.options.memory_max, 4096);
    assert_int_equal(spawn.options.when_full, THS_DROP_OLDEST);
    assert_true(ths_ref_equal(spawn.signal.from, supervisor));
    (void)become(*state, spawn, 5);
    assert_counters(*state, supervisor, 0, 0, 1);
}

static void crash_there_is_restarted_there(void **state)
{
    ths_ref supervisor, child;

    have_members(*state, B);
    supervisor = supervise(*state, 1);
    child = become(*state, await(THSI_SPAWN, B), 5);
    say_halted(*state, supervisor, child, 0, THS_REASON_CRASHED);
    assert_true(ths_ref_equal(await(THSI_RESTART, B).signal.to, child));
    assert_counters(*state, supervisor, 1, 0, 1);
}

static void child_that_halts_before_its_start_is_answered_is_watched_all_the_same(void **state)
{
    const ths_ref who = { B, 5, 1 };
    ths_ref supervisor;
    struct sent spawn;

    have_members(*state, B);
    supervisor = supervise(*state, 1);
    spawn = await(THSI_SPAWN, B);
    say_halted(*state, supervisor, who, 0, THS_REASON_CRASHED);
    assert_true(ths_ref_equal(await(THSI_RESTART, B).signal.to, who));
    assert_true(ths_ref_equal(become(*state, spawn, 5), who));
    assert_counters(*state, supervisor, 1, 0, 1);
}

static void children_wait_for_a_member_with_their_role(void **state)
{
    ths_ref supervisor = supervise(*state, 1);

    assert_counters(*state, supervisor, 0, 0, 0);
    have_members(*state, B);
    (void)become(*state, await(THSI_SPAWN, B), 5);
    assert_counters(*state, supervisor, 0, 0, 1);
}

static void cluster_joined_later_is_noticed(void **state)
{
    struct thsi_runtime *runtime = ths_node_runtime(*state);
    ths_ref supervisor;

    runtime->set_router(runtime, NULL);
    supervisor = supervise(*state, 1);
    assert_counters(*state, supervisor, 0, 0, 0);
    have_members(*state, B);
    runtime->set_router(runtime, &net.router);
    (void)become(*state, await(THSI_SPAWN, B), 5);
}

static void lost_node_s_share_starts_elsewhere(void **state)
{
    ths_ref supervisor;

    have_members(*state, B, C);
    supervisor = supervise(*state, 2);
    (void)become(*state, await(THSI_SPAWN, B), 5);
    (void)become(*state, await(THSI_SPAWN, C), 6);
    have_members(*state, B);
    lose(*state, C);
    (void)become(*state, await(THSI_SPAWN, B), 7);
    assert_counters(*state, supervisor, 1, 1, 2);
}

static void node_lost_while_a_start_is_under_way_is_left(void **state)
{
    ths_ref supervisor;

    have_members(*state, B);
    supervisor = supervise(*state, 1);
    (void)await(THSI_SPAWN, B);
    have_members(*state, C);
    lose(*state, B);
    (void)become(*state, await(THSI_SPAWN, C), 6);
    assert_counters(*state, supervisor, 0, 0, 1);
}

static void joining_node_gets_its_share(void **state)
{
    ths_ref supervisor, first, second;

    have_members(*state, B);
    supervisor = supervise(*state, 2);
    first = become(*state, await(THSI_SPAWN, B), 5);
    second = become(*state, await(THSI_SPAWN, B), 6);
    have_members(*state, B, C);
    assert_true(ths_ref_equal(await(THSI_FINISH, B).signal.to, second));
    lose(*state, B); /* the short way to the DOWN of both */
    (void)become(*state, await(THSI_SPAWN, C), 7);
    (void)first;
    assert_counters(*state, supervisor, 1, 0, 1);
}

static void start_that_is_refused_is_tried_again(void **state)
{
    ths_ref supervisor;

    have_members(*state, B);
    supervisor = supervise(*state, 1);
    for (int i = 0; i < 4; i++) /* more than the window allows: refusals elsewhere do not count */
        refuse_spawn(*state, await(THSI_SPAWN, B), THS_UNKNOWN_BEHAVIOUR);
    (void)become(*state, await(THSI_SPAWN, B), 5);
    assert_counters(*state, supervisor, 0, 0, 1);
}

static void actor_of_a_start_that_was_given_up_is_ended(void **state)
{
    struct sent first;
    ths_ref late;

    have_members(*state, B);
    (void)supervise(*state, 1);
    first = await(THSI_SPAWN, B);
    (void)become(*state, await(THSI_SPAWN, B), 6); /* the second one comes when the first has had its time */
    late = answer_spawn(*state, first, 5);
    assert_true(ths_ref_equal(await(THSI_FINISH, B).signal.to, late));
}

static void members_of_this_node_run_here(void **state)
{
    ths_ref supervisor;

    have_members(*state, ths_node_uid(*state));
    supervisor = supervise(*state, 1);
    assert_noted("w: started 1\n");
    assert_counters(*state, supervisor, 0, 0, 1);
    have_members(*state, B);
    assert_counters(*state, supervisor, 0, 0, 1);
}

static void child_of_a_template_with_a_role_can_be_added(void **state)
{
    const struct ths_child template[] = { { .name = "w", .behaviour = "puppet", .where = "role=worker" } };
    ths_ref supervisor, child;

    have_members(*state, ths_node_uid(*state));
    supervisor = ths_supervise((struct ths_node *)*state, template, .strategy = THS_DYNAMIC);
    assert_err(ths_child_add_wait(*state, supervisor, &child, PROBE_LIMIT_MS,
                                  .start = THS_MSG(puppet_start, .label = "d", .notes = PUPPET_NOTES_START)), OK);
    assert_noted("d: started 1\n");
}

static void temporary_child_can_be_added_beside_one_with_a_role(void **state)
{
    ths_ref supervisor, child;

    have_members(*state, ths_node_uid(*state));
    supervisor = supervise(*state, 1);
    assert_noted("w: started 1\n");
    assert_err(ths_child_add_wait(*state, supervisor, &child, PROBE_LIMIT_MS, .name = "t", .behaviour = "puppet",
                                  .restart = THS_TEMPORARY,
                                  .start = THS_MSG(puppet_start, .label = "t", .notes = PUPPET_NOTES_START)), OK);
    assert_noted("w: started 1\nt: started 1\n");
}

static void stopping_ends_remote_children_and_does_not_outwait_them(void **state)
{
    const struct ths_child children[] = {
        { .name = "w", .behaviour = "puppet", .where = "role=worker", .count = 2, .stop_ms = 20,
          .start = THS_MSG(puppet_start, .label = "w") },
    };
    struct ths_node *node = *state;
    ths_ref supervisor, child;

    have_members(node, B);
    supervisor = ths_supervise(node, children);
    child = become(*state, await(THSI_SPAWN, B), 5);
    (void)become(*state, await(THSI_SPAWN, B), 6);
    ths_ask_to_stop(node, supervisor);
    assert_true(ths_ref_equal(await(THSI_FINISH, B).signal.to, child));
    (void)await(THSI_FINISH, B);
    (void)await(THSI_KILL, B);
    assert_ends(*state, supervisor, SHUTDOWN);
}

#define remote_test(fact) cmocka_unit_test_setup_teardown(fact, setup, puppet_node_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        remote_test(remote_child_is_spawned_with_all_it_needs_and_watched),
        remote_test(crash_there_is_restarted_there),
        remote_test(child_that_halts_before_its_start_is_answered_is_watched_all_the_same),
        remote_test(children_wait_for_a_member_with_their_role),
        remote_test(cluster_joined_later_is_noticed),
        remote_test(lost_node_s_share_starts_elsewhere),
        remote_test(node_lost_while_a_start_is_under_way_is_left),
        remote_test(joining_node_gets_its_share),
        remote_test(start_that_is_refused_is_tried_again),
        remote_test(actor_of_a_start_that_was_given_up_is_ended),
        remote_test(members_of_this_node_run_here),
        remote_test(child_of_a_template_with_a_role_can_be_added),
        remote_test(temporary_child_can_be_added_beside_one_with_a_role),
        remote_test(stopping_ends_remote_children_and_does_not_outwait_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
