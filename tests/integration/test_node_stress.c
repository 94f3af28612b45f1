/* Many actors on several workers do everything at once: mailboxes, stealing, timers, reuse of slots, links, kills, asks,
 * and a thread outside in between. What is checked is what must hold whatever the threads do: each pair's order, nothing
 * twice, nothing lost, every monitor and link told exactly once, no ref reaching a later actor. Meant for the sanitizers, too. A
 * round is a fixed amount of work; with $THIASOS_TEST_STRESS_S there are as many rounds as begin within so many seconds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/probe.h"

#include <stdatomic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLAYERS = 48, ROUNDS = 1500, NESTS = 16, WATCHES = 64, BALLS = 4, OUTSIDERS = 1000, MAILBOX = 128, LONG_MS = 300000 };

/* How a mayfly ends. */
enum fate { STOPS, FAILS, KILLED_BY_OWNER, ASKED_TO_STOP, STOPS_BY_TIMER, KILLED_BY_ANOTHER, FATES };

THS_MESSAGE(player_start, "test.player_start", 1, u32(index))
THS_MESSAGE(go, "test.go", 1)
THS_MESSAGE(ball, "test.ball", 1, u32(from), u32(seq), string(text))
THS_MESSAGE(hatch, "test.hatch", 1, ref(owner), u64(nest), u32(fate), u32(eggs))
THS_MESSAGE(egg, "test.egg", 1, u64(nest), u32(n))
THS_MESSAGE(late, "test.late", 1)
THS_MESSAGE(watch, "test.watch", 1, ref(who), u32(kill), u32(soon_forget))
THS_MESSAGE(ring, "test.ring", 1, u32(n))
THS_MESSAGE(riddle, "test.riddle", 1, u32(n))
THS_MESSAGE(solution, "test.solution", 1, u32(n))
THS_MESSAGE(progress, "test.progress", 1)
THS_MESSAGE(progress_is, "test.progress_is", 1, u32(quiet))

/* A mayfly as its owner sees it. */
struct nest {
    uint64_t serial;
    ths_ref who;
    ths_monitor_id monitor;
    uint32_t eggs;
    bool open, linked, exited;
};

/* What a player knows; outside of its state, so that the test can read it in the end. */
struct player {
    ths_ref ref;
    uint64_t random;
    uint32_t rounds;
    uint32_t sent[PLAYERS], got[PLAYERS + 1]; /* balls; the last sender is the thread outside */
    uint64_t serial;
    struct nest nests[NESTS];
    struct { ths_monitor_id monitor; ths_ref who; } watches[WATCHES];
    uint32_t asked, answered, timers, rung;
    uint64_t downs, exits;
    bool stalled; /* no nest was free */
};

static struct player players[PLAYERS];
static _Atomic(const char *) broken;
static uint64_t round_number; /* seeds what players draw */

static void check(bool holds, const char *what)
{
    const char *nothing = NULL;

    if (!holds)
        (void)atomic_compare_exchange_strong(&broken, &nothing, what);
}

static uint32_t draw(uint64_t *random, uint32_t below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (uint32_t)(*random >> 33) % below;
}

/* ---- Mayflies ---------------------------------------------------------------------------- */

struct mayfly { char none; };

THS_ON(mayfly, hatch)
{
    uint32_t laid = 0;

    for (uint32_t i = 0; i < msg->eggs; i++)
        laid += ths_try_tell(ctx, msg->owner, egg, .nest = msg->nest, .n = laid + 1) == THS_OK;
    if (msg->fate == STOPS)
        ths_stop(ctx);
    else if (msg->fate == FAILS)
        ths_fail(ctx, "%u", laid);
    else if (msg->fate == STOPS_BY_TIMER)
        (void)ths_after(ctx, 1, late);
}

THS_ON(mayfly, late)
{
    ths_stop(ctx);
}

THS_BEHAVIOUR(mayfly, hatch, late)

/* ---- Players ----------------------------------------------------------------------------- */

struct player_actor { struct player *it; };

static struct nest *nest_where(struct player *it, uint64_t serial, ths_ref who)
{
    for (unsigned i = 0; i < NESTS; i++)
        if (it->nests[i].open && (it->nests[i].serial == serial || ths_ref_equal(it->nests[i].who, who)))
            return &it->nests[i];
    return NULL;
}

static void throw_balls(struct ths_ctx *ctx, struct player *it, uint32_t me)
{
    static const char text[] = "................................................................................"
                               "................................................................................";

    for (unsigned i = 0; i < BALLS; i++) {
        uint32_t to = draw(&it->random, PLAYERS);
        const char *some = text + draw(&it->random, sizeof text); /* of several size classes */

        if (ths_try_tell(ctx, players[to].ref, ball, .from = me, .seq = it->sent[to] + 1, .text = some) == THS_OK)
            it->sent[to]++;
    }
}

THS_ON_REPLY(player_actor, solved, solution)
{
    self->it->answered++;
    check(self->it->answered <= self->it->asked, "an ask was answered twice");
    check(err == THS_OK || err == THS_FULL, "an ask failed");
}

static void breed(struct ths_ctx *ctx, struct player *it, struct nest *nest)
{
    uint32_t fate = draw(&it->random, FATES);
    bool link = draw(&it->random, 2);
    struct player *other = &players[draw(&it->random, PLAYERS)];

    *nest = (struct nest){ .serial = ++it->serial, .open = true, .linked = link };
    nest->who = ths_spawn(ctx, mayfly, .link = link,
                          .start = THS_MSG(hatch, .owner = ths_self(ctx), .nest = nest->serial, .fate = fate,
                                           .eggs = draw(&it->random, 4)));
    check(!ths_ref_is_nobody(nest->who), "a spawn failed");
    nest->monitor = ths_monitor(ctx, nest->who);
    if (ths_try_tell(ctx, other->ref, watch, .who = nest->who, .kill = fate == KILLED_BY_ANOTHER,
                     .soon_forget = draw(&it->random, 4) == 0) != THS_OK && fate == KILLED_BY_ANOTHER)
        fate = KILLED_BY_OWNER;
    if (fate == KILLED_BY_OWNER)
        ths_kill(ctx, nest->who);
    else if (fate == ASKED_TO_STOP)
        ths_ask_to_stop(ctx, nest->who);
}

static void next_round(struct ths_ctx *ctx, struct player *it)
{
    if (it->rounds < ROUNDS && ths_try_tell(ctx, it->ref, go) != THS_OK)
        (void)ths_after(ctx, 1, go);
}

THS_ON(player_actor, player_start)
{
    self->it = &players[msg->index];
    self->it->ref = ths_self(ctx);
    self->it->random = msg->index + 1 + round_number * PLAYERS;
}

THS_ON(player_actor, go)
{
    struct player *it = self->it;
    struct nest *nest = NULL;
    ths_timer_id timer;

    for (unsigned i = 0; i < NESTS && !nest; i++)
        nest = it->nests[i].open ? NULL : &it->nests[i];
    it->stalled = !nest;
    if (!nest)
        return;
    it->rounds++;
    throw_balls(ctx, it, (uint32_t)(it - players));
    breed(ctx, it, nest);
    it->asked++;
    ths_ask(ctx, players[draw(&it->random, PLAYERS)].ref, riddle, solved, LONG_MS, .n = it->asked);
    timer = ths_after(ctx, draw(&it->random, 3), ring, .n = ++it->timers);
    if (draw(&it->random, 4) == 0) {
        ths_cancel(ctx, timer);
        it->timers--;
    }
    next_round(ctx, it);
}

THS_ON(player_actor, ball)
{
    check(self->it->got[msg->from] + 1 == msg->seq, "a pair's order was broken");
    self->it->got[msg->from] = msg->seq;
}

THS_ON(player_actor, egg)
{
    struct nest *nest = nest_where(self->it, msg->nest, THS_NOBODY);

    check(nest && nest->eggs + 1 == msg->n, "an egg came late, twice or out of order");
    if (nest)
        nest->eggs = msg->n;
}

THS_ON(player_actor, watch)
{
    struct player *it = self->it;
    ths_monitor_id monitor;

    if (msg->kill)
        ths_kill(ctx, msg->who);
    for (unsigned i = 0; i < WATCHES; i++) {
        if (it->watches[i].monitor.value)
            continue;
        monitor = ths_monitor(ctx, msg->who);
        if (msg->soon_forget) {
            ths_demonitor(ctx, monitor); /* from here on its DOWN is one that was not awaited */
            return;
        }
        it->watches[i].monitor = monitor;
        it->watches[i].who = msg->who;
        return;
    }
}

THS_ON(player_actor, ring)
{
    self->it->rung++;
    check(self->it->rung <= self->it->timers, "a timer rang twice, or after it was cancelled");
}

THS_ON(player_actor, riddle)
{
    check(ths_reply(ctx, solution, .n = msg->n) == THS_OK, "a reply was refused");
}

static bool take_watch(struct player *it, const struct ths_down *down)
{
    for (unsigned i = 0; i < WATCHES; i++) {
        if (it->watches[i].monitor.value != down->monitor)
            continue;
        it->watches[i].monitor.value = 0;
        return ths_ref_equal(it->watches[i].who, down->who);
    }
    return false;
}

THS_ON(player_actor, ths_down)
{
    struct player *it = self->it;
    struct nest *nest = nest_where(it, 0, msg->who);

    it->downs++;
    if (!nest || nest->monitor.value != msg->monitor) {
        check(take_watch(it, msg), "a DOWN was told twice or not awaited");
        return;
    }
    check(nest->exited == nest->linked, "a link was not told before the monitor");
    check(msg->reason != THS_REASON_CRASHED || strtoul(msg->text, NULL, 10) == nest->eggs,
          "a DOWN overtook what the dead one sent");
    check(ths_try_tell(ctx, msg->who, late) == THS_GONE, "a ref outlived its actor");
    nest->open = false;
    if (it->stalled) {
        it->stalled = false;
        next_round(ctx, it);
    }
}

THS_ON(player_actor, ths_exited)
{
    struct nest *nest = nest_where(self->it, 0, msg->who);

    if (ths_ref_is_nobody(msg->who)) { /* the node stops */
        ths_shutdown(ctx);
        return;
    }
    self->it->exits++;
    check(nest && nest->linked && !nest->exited, "an exit was told twice or not awaited");
    if (nest)
        nest->exited = true;
}

static bool is_quiet(const struct player *it)
{
    bool quiet = it->rounds == ROUNDS && it->asked == it->answered && it->timers == it->rung;

    for (unsigned i = 0; i < NESTS; i++)
        quiet = quiet && !it->nests[i].open;
    for (unsigned i = 0; i < WATCHES; i++)
        quiet = quiet && !it->watches[i].monitor.value;
    return quiet;
}

THS_ON(player_actor, progress)
{
    (void)ths_reply(ctx, progress_is, .quiet = is_quiet(self->it));
}

THS_BEHAVIOUR(player_actor, player_start, go, ball, egg, watch, ring, riddle, ths_down, ths_exited, progress)

/* ---- The thread outside ------------------------------------------------------------------ */

static void keep_quiet(void *arg, struct ths_message reply)
{
    *(bool *)arg = ((const struct progress_is *)reply.body)->quiet != 0;
}

/* Actors of its own that come and go, and balls to the players. */
static void work_outside(struct ths_node *node, uint32_t *sent)
{
    uint64_t random = 4711 + round_number;

    for (uint32_t i = 0; i < OUTSIDERS; i++) {
        uint32_t fate = draw(&random, KILLED_BY_ANOTHER), to = draw(&random, PLAYERS);
        ths_ref fly = ths_spawn(node, mayfly, .start = THS_MSG(hatch, .owner = THS_NOBODY, .fate = fate));
        enum ths_reason reason = THS_REASON_STALE;

        if (fate == KILLED_BY_OWNER)
            ths_kill(node, fly);
        if (fate == ASKED_TO_STOP)
            ths_ask_to_stop(node, fly);
        if (ths_try_tell(node, players[to].ref, ball, .from = PLAYERS, .seq = sent[to] + 1) == THS_OK)
            sent[to]++;
        assert_int_equal(ths_join(node, fly, PROBE_LIMIT_MS, &reason), THS_OK);
        assert_int_equal(reason, fate == FAILS ? THS_REASON_CRASHED : fate == KILLED_BY_OWNER ? THS_REASON_KILLED
                                 : fate == ASKED_TO_STOP ? THS_REASON_SHUTDOWN : THS_REASON_NORMAL);
    }
}

/* Wait until every player says that nothing of its own is under way. Each is asked for the same time. */
static void await_quiet(struct ths_node *node)
{
    for (unsigned i = 0; i < PLAYERS; i++) {
        bool quiet = false;

        for (unsigned tries = 0; !quiet && tries < 10000000 && !atomic_load(&broken); tries++)
            (void)ths_call(node, players[i].ref, THS_MSG(progress), LONG_MS, keep_quiet, &quiet);
    }
}

static void do_everything(unsigned workers)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "stress", .workers = workers });
    uint32_t sent_outside[PLAYERS] = { 0 };
    struct ths_node_stats stats;
    uint64_t downs = 0;

    assert_non_null(node);
    memset(players, 0, sizeof players);
    for (uint32_t i = 0; i < PLAYERS; i++) {
        bool quiet = true;
        ths_ref ref = ths_spawn(node, player_actor, .mailbox = MAILBOX, .trap_exits = true,
                                .start = THS_MSG(player_start, .index = i));
        assert_int_equal(ths_call(node, ref, THS_MSG(progress), LONG_MS, keep_quiet, &quiet), THS_OK);
        assert_false(quiet);
    }
    for (unsigned i = 0; i < PLAYERS; i++) {
        enum ths_err err;

        while ((err = ths_try_tell(node, players[i].ref, go)) == THS_FULL)
            (void)sched_yield(); /* those who were told before have filled its mailbox */
        assert_int_equal(err, THS_OK);
    }
    work_outside(node, sent_outside);
    /* Twice: what another sent before it became quiet itself has then been heard. */
    await_quiet(node);
    await_quiet(node);
    assert_string_equal(atomic_load(&broken) ? atomic_load(&broken) : "nothing is broken", "nothing is broken");
    for (unsigned to = 0; to < PLAYERS; to++) {
        for (unsigned from = 0; from < PLAYERS; from++)
            assert_int_equal(players[to].got[from], players[from].sent[to]);
        assert_int_equal(players[to].got[PLAYERS], sent_outside[to]);
        downs += players[to].downs;
    }
    assert_true(downs >= (uint64_t)PLAYERS * ROUNDS);
    ths_node_stats(node, &stats);
    assert_true(stats.spawned >= (uint64_t)PLAYERS * ROUNDS + OUTSIDERS);
    ths_node_stop(node, PROBE_LIMIT_MS);
}

static void everything_at_once_keeps_every_promise(void **state)
{
    static const unsigned workers[] = { 4, 2, 8, 1, 3 };
    const char *seconds = getenv("THIASOS_TEST_STRESS_S");
    struct ths_env *env = ths_env_os();
    uint64_t end_ns = env->now_ns(env) + (seconds ? strtoull(seconds, NULL, 10) : 0) * 1000000000u;

    (void)state;
    do
        do_everything(workers[round_number++ % (sizeof workers / sizeof workers[0])]);
    while (env->now_ns(env) < end_ns);
    printf("    %llu rounds\n", (unsigned long long)round_number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_at_once_keeps_every_promise),
    };

    ths_env_os_log(THS_LOG_ERROR, false); /* actors fail here by the thousand */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
