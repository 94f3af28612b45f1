/* Three nodes whose links end at any byte, are silent for a while, and whose processes crash and come back, while their actors
 * send to each other in all directions. What holds is checked by a ledger that every actor reports to:
 *
 *     of a pair, what arrives is a part of what was sent, in that order and once, whole, from whom it says (O1, D1, D4, X2);
 *     nothing of an actor arrives after its DOWN, signals and messages are in one order (O2, O3);
 *     nothing later arrives before the sender knows how much is lost (D2);
 *     nothing arrives at another boot, or at another actor (D3); every ask ends once (D5); what waits is bounded (D6);
 *     who watches a group hears of each change once, and in the end all nodes agree on who is in it (G2, G4);
 *     no key seals twice with one nonce (X3).
 *
 *     test_sim_losses                    what fits into a test run
 *     test_sim_losses SEEDS [FIRST]      that many, from the seed FIRST on */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/root.h"
#include "tests/lib/aead_recorder.h"
#include "tests/lib/sanitized.h"
#include "thiasos/sim.h"
#include "thiasos/thiasos.h"

enum { NODES = 3, TRADERS = 3, LIVES = 64, ROUNDS = 80, ASKS = 4096, LOAD_MAX = 150000, SEEDS = SANITIZED ? 60 : 300 };

THS_MESSAGE(begin, "test.losses.begin", 1, u32(life))
THS_MESSAGE(act, "test.losses.act", 1)
THS_MESSAGE(goods, "test.losses.goods", 1, u32(from), u32(to), u64(n), u64(tell), bytes(load, .max = LOAD_MAX))
THS_MESSAGE(order, "test.losses.order", 1, u32(from), u32(to), u64(n), bytes(load, .max = LOAD_MAX))
THS_MESSAGE(receipt, "test.losses.receipt", 1, u64(n), bytes(load, .max = LOAD_MAX))

/* What an actor did to another. */
struct account {
    uint64_t n, last;           /* of the last message sent, and of the last that arrived */
    uint64_t tells, came, told; /* tells sent, arrived, told as lost */
    uint32_t monitors, downs;   /* of `to` by `from` */
    bool member;                /* of the group is `to`, as `from` has heard */
};

static const char *const sight_names[] = { "links ended", "silences", "crashes", "ends", "tells lost and told",
                                           "tells refused and told", "asks failed", "downs by loss", "downs by ends",
                                           "changes of the group" };
enum sight { BREAKS, SILENCES, CRASHES, ENDS, LOST, REFUSALS, FAILED_ASKS, LOST_DOWNS, SEEN_DOWNS, CHANGES, SIGHTS };
static uint64_t sights[SIGHTS];

/* One story at a time. */
static struct {
    struct ths_sim *sim;
    ths_ref refs[LIVES];
    unsigned nodes[LIVES];      /* where it lives; 0: nowhere any more */
    uint32_t lives;             /* life 0 is nobody's */
    bool members[LIVES];        /* of the group */
    struct account accounts[LIVES][LIVES];
    uint64_t asks;
    uint32_t askers[ASKS];      /* of each ask, from 1 */
    uint8_t ended[ASKS];
    const char *wrong;          /* the first thing that is */
    uint64_t silent_until[NODES + 1][NODES + 1], down_until[NODES + 1];
} story;
static uint8_t filling[LOAD_MAX + 256];

static void expect(bool holds, const char *otherwise)
{
    if (!holds && !story.wrong)
        story.wrong = otherwise;
}

static uint32_t life_of(ths_ref ref)
{
    uint32_t life = story.lives;

    while (life > 0 && !ths_ref_equal(story.refs[life], ref))
        life--;
    return life;
}

/* Bytes that tell which message they belong to. */
static struct ths_bytes load_of(uint64_t n)
{
    static const uint32_t lengths[] = { 0, 64, 64, 64, 64, 1000, 20000, 40000, 66000, LOAD_MAX };

    return (struct ths_bytes){ filling + n % 256, lengths[ths_sim_random(story.sim, sizeof lengths / sizeof *lengths)] };
}

static bool is_load(struct ths_bytes load, uint64_t n)
{
    return memcmp(load.data, filling + n % 256, load.len) == 0;
}

/* ---- Actors --------------------------------------------------------------------------------- */

struct trader {
    uint32_t life;
    uint32_t ask;   /* the open one; 0: none */
    uint64_t ask_n; /* and its message */
};

THS_ON(trader, begin)
{
    self->life = msg->life;
    (void)ths_group_watch(ctx, "traders");
    story.members[self->life] = ths_group_join(ctx, "traders", 1) == THS_OK;
}

/* Something came from a trader. */
static struct account *arrived(struct ths_ctx *ctx, const struct trader *self, uint32_t from, uint32_t to, uint64_t n,
                               struct ths_bytes load)
{
    struct account *account = &story.accounts[from][self->life];

    expect(to == self->life, "it arrived at another actor or boot than it was sent to");
    expect(ths_ref_equal(ths_sender(ctx), story.refs[from]), "it is from another than it says");
    expect(n > account->last, "it arrived twice, or out of order");
    expect(is_load(load, n), "its bytes are others");
    expect(story.accounts[self->life][from].downs == 0, "it arrived after the DOWN of its sender");
    account->last = n;
    return account;
}

THS_ON(trader, goods)
{
    struct account *account = arrived(ctx, self, msg->from, msg->to, msg->n, msg->load);

    expect(story.nodes[msg->from] == 0 || msg->tell - 1 - account->came <= account->told,
           "tells before it are lost, and their sender does not know");
    account->came++;
}

THS_ON(trader, order)
{
    (void)arrived(ctx, self, msg->from, msg->to, msg->n, msg->load);
    ths_reply(ctx, receipt, .n = msg->n, .load = load_of(msg->n));
}

THS_ON_REPLY(trader, answered, receipt)
{
    expect(self->ask > 0, "an ask ended twice");
    expect(err != THS_OK || (reply->n == self->ask_n && is_load(reply->load, reply->n)), "the reply is to another ask");
    sights[FAILED_ASKS] += err != THS_OK;
    story.ended[self->ask]++;
    self->ask = 0;
}

THS_ON(trader, ths_undelivered)
{
    uint32_t to = life_of(msg->to);

    expect(to > 0, "it is told of an actor that it does not know");
    if (msg->err == THS_NODE_LOST) {
        story.accounts[self->life][to].told += msg->count;
        sights[LOST]++;
    } else { /* one that was told as lost may have arrived, and have been refused there */
        expect(story.nodes[to] == 0, "a tell to one that lives is refused");
        sights[REFUSALS]++;
    }
}

THS_ON(trader, ths_down)
{
    uint32_t who = life_of(msg->who);
    struct account *account = &story.accounts[self->life][who];

    account->downs++;
    expect(account->downs <= account->monitors, "a DOWN came twice");
    expect(story.nodes[who] == 0, "a DOWN came of one that lives");
    sights[msg->reason == THS_REASON_NODE_LOST ? LOST_DOWNS : SEEN_DOWNS]++;
}

THS_ON(trader, ths_group_change)
{
    struct account *account = &story.accounts[self->life][life_of(msg->who)];

    expect(account->member != msg->joined, "a change of the group came twice, or its opposite never came");
    account->member = msg->joined;
    sights[CHANGES]++;
}

static void change_group(struct ths_ctx *ctx, const struct trader *self)
{
    bool *member = &story.members[self->life];

    if (*member)
        *member = ths_group_leave(ctx, "traders") != THS_OK;
    else
        *member = ths_group_join(ctx, "traders", 1) == THS_OK;
}

static void tell(struct ths_ctx *ctx, const struct trader *self, uint32_t to)
{
    struct account *account = &story.accounts[self->life][to];
    uint64_t n = account->n + 1;
    enum ths_err err = ths_try_tell(ctx, story.refs[to], goods, .from = self->life, .to = to, .n = n, .tell = account->tells + 1,
                                    .load = load_of(n));

    if (err == THS_OK) {
        account->n = n;
        account->tells++;
    }
}

static void ask(struct ths_ctx *ctx, struct trader *self, uint32_t to)
{
    struct account *account = &story.accounts[self->life][to];

    if (self->ask || story.asks == ASKS - 1)
        return;
    self->ask = (uint32_t)++story.asks;
    self->ask_n = ++account->n;
    story.askers[self->ask] = self->life;
    ths_ask(ctx, story.refs[to], order, answered, 1 + (unsigned)ths_sim_random(story.sim, 500), .from = self->life, .to = to,
            .n = self->ask_n, .load = load_of(self->ask_n));
}

/* Mostly one that lives; never itself. */
static uint32_t pick(uint32_t self)
{
    uint32_t life = 1 + (uint32_t)ths_sim_random(story.sim, story.lives);

    for (unsigned tries = 0; tries < 8 && (life == self || story.nodes[life] == 0); tries++)
        life = 1 + (uint32_t)ths_sim_random(story.sim, story.lives);
    return life;
}

/* Whether the node of the actor knows where @life is, or was: what is sent to nodes that are not known yet has bounds of its
 * own. */
static bool knows(struct ths_ctx *ctx, uint32_t life)
{
    const struct thsi_cluster *cluster = thsi_cluster_of(ths_node_of(ctx));

    return story.nodes[life] == 0 || story.refs[life].node == ths_self(ctx).node ||
           thsi_remote_find(cluster->driver->remote, story.refs[life].node);
}

THS_ON(trader, act)
{
    uint32_t other = pick(self->life);

    if (other == self->life || !knows(ctx, other))
        return;
    switch (ths_sim_random(story.sim, 64)) {
    case 0:
        sights[ENDS]++;
        tell(ctx, self, other); /* its last words come before its DOWN */
        story.nodes[self->life] = 0;
        ths_stop(ctx);
        break;
    case 1: case 2: case 3: case 4: case 5: case 6: case 7: case 8:
        story.accounts[self->life][other].monitors++;
        (void)ths_monitor(ctx, story.refs[other]);
        break;
    case 9: case 10: case 11: case 12:
        change_group(ctx, self);
        break;
    case 13: case 14: case 15: case 16: case 17: case 18: case 19: case 20: case 21: case 22:
        ask(ctx, self, other);
        break;
    default:
        tell(ctx, self, other);
    }
}

THS_BEHAVIOUR(trader, begin, act, goods, order, ths_undelivered, ths_down, ths_group_change)

/* ---- The story ------------------------------------------------------------------------------ */

static void settle(struct ths_node *node, unsigned number, void *arg)
{
    unsigned living = 0;

    (void)arg;
    for (uint32_t life = 1; life <= story.lives; life++)
        living += story.nodes[life] == number;
    for (; living < TRADERS && story.lives < LIVES - 1; living++) {
        uint32_t life = ++story.lives;
        story.nodes[life] = number;
        story.refs[life] = ths_spawn(node, trader, .mailbox = 100000, .start = THS_MSG(begin, .life = life));
    }
}

static void crash(unsigned number)
{
    for (unsigned other = 1; other <= NODES; other++)
        if (story.down_until[other])
            return; /* one at a time: the others are to stay what they are */
    sights[CRASHES]++;
    ths_sim_crash(story.sim, number);
    story.down_until[number] = ths_sim_now_ms(story.sim) + 1 + ths_sim_random(story.sim, 400);
    for (uint32_t life = 1; life <= story.lives; life++)
        if (story.nodes[life] == number)
            story.nodes[life] = 0;
}

/* What is to be over by now, or in any case, is. */
static void mend(bool all)
{
    uint64_t now_ms = ths_sim_now_ms(story.sim);

    for (unsigned a = 1; a <= NODES; a++) {
        if (story.down_until[a] && (all || story.down_until[a] <= now_ms)) {
            story.down_until[a] = 0;
            ths_sim_restart(story.sim, a);
        }
        for (unsigned b = 1; b < a; b++) {
            if (story.silent_until[a][b] && (all || story.silent_until[a][b] <= now_ms)) {
                story.silent_until[a][b] = 0;
                ths_sim_heal(story.sim, a, b);
            }
        }
    }
}

static void harm(void)
{
    unsigned a = 2 + (unsigned)ths_sim_random(story.sim, NODES - 1), b = 1 + (unsigned)ths_sim_random(story.sim, a - 1);

    switch (ths_sim_random(story.sim, 40)) {
    case 0: case 1: case 2: case 3: case 4: case 5: case 6:
        sights[BREAKS]++;
        ths_sim_break(story.sim, a, b);
        break;
    case 7: case 8:
        sights[SILENCES]++;
        ths_sim_cut(story.sim, a, b);
        story.silent_until[a][b] = ths_sim_now_ms(story.sim) + 1 + ths_sim_random(story.sim, 300);
        break;
    case 9:
        crash(1 + (unsigned)ths_sim_random(story.sim, NODES));
        break;
    default:
        break;
    }
}

static void check_outboxes(void)
{
    for (unsigned number = 1; number <= NODES; number++) {
        struct ths_node *node = ths_sim_node(story.sim, number);
        const struct thsi_remote *remote = node ? thsi_cluster_of(node)->driver->remote : NULL;
        for (unsigned i = 0; remote && i < remote->peers_count; i++) {
            const struct thsi_outbox *outbox = &remote->peers[i]->outbox;
            if (remote->peers[i]->state == THSI_PEER_FREE)
                continue;
            thsi_outbox_check(outbox);
            expect(thsi_outbox_bytes(outbox) <= THSI_OUTBOX_DATA_MAX + THSI_OUTBOX_CONTROL_MAX + THSI_BULK_BYTES_MAX,
                   "more waits than may");
            expect(outbox->unacked_bytes <= THSI_OUTBOX_WINDOW + THSI_FRAME_PAYLOAD, "more is on its way than may be");
        }
    }
}

static void go_on(unsigned round)
{
    for (uint32_t life = 1; life <= story.lives; life++)
        if (story.nodes[life] && round < ROUNDS)
            ths_tell(ths_sim_node(story.sim, story.nodes[life]), story.refs[life], act);
    ths_sim_run_ms(story.sim, ths_sim_random(story.sim, 12));
    mend(false);
    harm();
    for (unsigned number = 1; number <= NODES; number++)
        if (ths_sim_node(story.sim, number))
            settle(ths_sim_node(story.sim, number), number, NULL);
    check_outboxes();
}

/* When all is quiet: what one that lives owes to another that lives, and what it was owed. */
static void check_accounts(void)
{
    for (uint32_t from = 1; from <= story.lives; from++) {
        for (uint32_t to = 1; to <= story.lives && story.nodes[from]; to++) {
            const struct account *account = &story.accounts[from][to];
            expect(account->downs == (story.nodes[to] ? 0 : account->monitors), "a DOWN is missing");
            expect(!story.nodes[to] || account->tells - account->came <= account->told, "a loss was never told");
            expect(account->told <= account->tells, "more is told than was sent");
            expect(account->member == (story.nodes[to] && story.members[to]), "a change of the group was never told");
        }
    }
    for (uint64_t i = 1; i <= story.asks; i++)
        expect(story.ended[i] == (story.nodes[story.askers[i]] ? 1 : story.ended[i] > 0), "an ask did not end once");
}

/* All nodes know the same group. */
static void check_group(void)
{
    ths_ref found[LIVES];
    size_t members = 0;

    for (uint32_t life = 1; life <= story.lives; life++)
        members += story.nodes[life] && story.members[life];
    for (unsigned number = 1; number <= NODES; number++) {
        size_t count = ths_group_members(ths_sim_node(story.sim, number), "traders", found, LIVES);
        expect(count == members, "a node has another group than there is");
        for (size_t i = 0; i < count; i++)
            expect(story.members[life_of(found[i])], "one is in the group that is not");
    }
}

static bool tell_of(uint64_t seed)
{
    bool good;

    memset(&story, 0, sizeof story);
    aead_recorder_reset();
    story.sim = ths_sim_create(.seed = seed, .nodes = NODES, .setup = settle);
    assert_non_null(story.sim);
    ths_sim_run_ms(story.sim, 3000);
    for (unsigned round = 0; round < ROUNDS && !story.wrong; round++)
        go_on(round);
    mend(true);
    ths_sim_run_ms(story.sim, 20000);
    check_outboxes();
    check_accounts();
    check_group();
    expect(aead_recorder_repeats() == 0 && aead_recorder_seals() > 0, "a key sealed twice with one nonce");
    if (story.wrong)
        (void)fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, story.wrong);
    good = !story.wrong; /* what the end of the simulator brings about is not of the story */
    ths_sim_destroy(story.sim);
    return good;
}

static bool tell_of_all(uint64_t first, uint64_t count)
{
    for (size_t i = 0; i < sizeof filling; i++)
        filling[i] = (uint8_t)i; /* 256 messages begin at 256 places */
    for (uint64_t seed = first; seed < first + count; seed++)
        if (!tell_of(seed))
            return false;
    return true;
}

static void whatever_happens_to_links_and_nodes_every_promise_is_kept(void **state)
{
    (void)state;
    assert_true(tell_of_all(1, SEEDS));
}

static void all_that_may_happen_did(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SIGHTS; i++) {
        printf("    %-24s %llu\n", sight_names[i], (unsigned long long)sights[i]);
        if (sights[i] == 0)
            fail_msg("%s were never seen", sight_names[i]);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_to_links_and_nodes_every_promise_is_kept),
        cmocka_unit_test(all_that_may_happen_did),
    };

    if (argc > 1)
        return !tell_of_all(argc > 2 ? strtoull(argv[2], NULL, 10) : 1, strtoull(argv[1], NULL, 10));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
