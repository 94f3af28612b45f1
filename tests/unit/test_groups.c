/* Groups: entries, picks, and how three nodes come to hold the same, whatever is lost on the way. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/groups.h"
#include "tests/lib/test_env.h"

#define NODES 3
#define SECOND UINT64_C(1000000000)

/* Packets between nodes, in the order they were sent. */
struct packet {
    int from, to;
    size_t len;
    struct packet *next;
    uint8_t bytes[];
};

static struct test_env env;
static struct thsi_groups *nodes[NODES];
static const char *scopes[NODES];
static bool linked[NODES][NODES];
static struct packet *queue;
static struct thsi_groups_update update;
static unsigned lose_every, sent;
static size_t changes[NODES]; /* seen by watchers: joins less leaves */
static uint64_t now_ns;

static uint64_t uid_of(int at)
{
    return 10 + (uint64_t)at;
}

static ths_ref actor(int at, uint32_t slot)
{
    return (ths_ref){ .node = uid_of(at), .slot = slot, .generation = 1 };
}

static void enqueue(int at, const struct thsi_gossip_send *send)
{
    struct packet *packet = malloc(sizeof *packet + send->len);
    struct packet **end = &queue;

    assert_non_null(packet);
    assert_true(send->len <= THSI_GOSSIP_MAX && send->ordered);
    assert_true(thsi_gossip_is_for_groups(send->packet, send->len));
    *packet = (struct packet){ .from = at, .to = (int)(send->uid - 10), .len = send->len };
    memcpy(packet->bytes, send->packet, send->len);
    while (*end)
        end = &(*end)->next;
    *end = packet;
}

/* What a driver does: send, then tell. */
static void carry_out(int at)
{
    for (size_t i = 0; i < update.sends_count; i++) {
        assert_true(linked[at][update.sends[i].uid - 10]);
        if (lose_every == 0 || ++sent % lose_every != 0)
            enqueue(at, &update.sends[i]);
    }
    for (size_t i = 0; i < update.changes_count; i++) {
        assert_non_null(strchr(update.changes[i].group, '/'));
        changes[at] += update.changes[i].joined ? 1 : (size_t)-1;
    }
    thsi_groups_check(nodes[at]);
    assert_int_equal(changes[at], thsi_groups_total(nodes[at]));
}

static void settle(void)
{
    while (queue) {
        struct packet *packet = queue;

        queue = packet->next;
        if (linked[packet->from][packet->to]) {
            assert_int_equal(thsi_groups_receive(nodes[packet->to], uid_of(packet->from), packet->bytes, packet->len,
                                                 &update),
                             THS_OK);
            carry_out(packet->to);
        }
        free(packet);
    }
}

static void pass_seconds(unsigned seconds)
{
    while (seconds-- > 0) {
        now_ns += SECOND;
        for (int i = 0; i < NODES; i++) {
            assert_true(thsi_groups_deadline_ns(nodes[i]) <= now_ns);
            thsi_groups_time_passed(nodes[i], now_ns, &update);
            carry_out(i);
        }
        settle();
    }
}

static void link_half(int at, int other)
{
    linked[at][other] = true;
    assert_int_equal(thsi_groups_link_up(nodes[at], uid_of(other), scopes[other], &update), THS_OK);
    carry_out(at);
}

static void link_up(int a, int b)
{
    linked[a][b] = linked[b][a] = true;
    link_half(a, b);
    link_half(b, a);
    settle();
}

static void link_down(int a, int b)
{
    linked[a][b] = linked[b][a] = false;
    thsi_groups_link_down(nodes[a], uid_of(b));
    thsi_groups_link_down(nodes[b], uid_of(a));
}

static void link_all(void)
{
    for (int a = 0; a < NODES; a++)
        for (int b = a + 1; b < NODES; b++)
            link_up(a, b);
}

static enum ths_err join(int at, const char *group, uint32_t slot, unsigned weight)
{
    enum ths_err err = thsi_groups_join(nodes[at], group, actor(at, slot), weight, &update);

    carry_out(at);
    return err;
}

/* Without a look at all invariants after each. Before there are links. */
static void join_many(int at, const char *group, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(thsi_groups_join(nodes[at], group, actor(at, first + i), i % 5, &update), THS_OK);
    assert_int_equal(update.sends_count, 0);
    changes[at] += count;
}

static enum ths_err leave(int at, const char *group, uint32_t slot)
{
    enum ths_err err = thsi_groups_leave(nodes[at], group, actor(at, slot), &update);

    carry_out(at);
    return err;
}

static size_t members(int at, const char *group)
{
    return thsi_groups_members(nodes[at], group, NULL, 0);
}

static void bury(int at, int other)
{
    linked[at][other] = false;
    thsi_groups_bury(nodes[at], uid_of(other), &update);
    carry_out(at);
}

/* Every node holds of every other what that one says of itself. */
static void assert_same_everywhere(void)
{
    for (int at = 0; at < NODES; at++)
        for (int of = 0; of < NODES; of++)
            assert_int_equal(thsi_groups_entries(nodes[at], uid_of(of)), thsi_groups_entries(nodes[of], uid_of(of)));
}

static int begin(void **state)
{
    (void)state;
    test_env_init(&env, 1);
    now_ns = 5 * SECOND;
    lose_every = sent = 0;
    memset(linked, 0, sizeof linked);
    memset(changes, 0, sizeof changes);
    for (int i = 0; i < NODES; i++) {
        scopes[i] = i == 2 ? "default" : "default,orders";
        nodes[i] = thsi_groups_create(&env.env, uid_of(i), scopes[i], (uint64_t)i, now_ns);
        assert_non_null(nodes[i]);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    while (queue) {
        struct packet *next = queue->next;

        free(queue);
        queue = next;
    }
    for (int i = 0; i < NODES; i++)
        thsi_groups_destroy(nodes[i]);
    test_env_assert_clean(&env);
    return 0;
}

/* ---- Names ---------------------------------------------------------------------------------- */

static void names_get_the_default_scope(void **state)
{
    char whole[THSI_GROUP_NAME_SIZE];

    (void)state;
    assert_int_equal(thsi_group_parse("workers", whole), THS_OK);
    assert_string_equal(whole, "default/workers");
    assert_string_equal(thsi_group_text(whole), "workers");
    assert_int_equal(thsi_group_parse("orders/w\xc3\xb6rk ers", whole), THS_OK);
    assert_string_equal(whole, "orders/w\xc3\xb6rk ers");
    assert_string_equal(thsi_group_text(whole), whole);
}

static void wrong_names_are_refused(void **state)
{
    static const char *const wrong[] = { "", "/", "a/", "/a", "a/b/c", "a b/c", "\xc3\xb6/c", "a\n", "\xff", "a\x7f" };
    char whole[THSI_GROUP_NAME_SIZE], text[THSI_GROUP_PART_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(thsi_group_parse(wrong[i], whole), THS_INVALID);
    assert_int_equal(thsi_group_parse(NULL, whole), THS_INVALID);
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(thsi_group_parse(text, whole), THS_INVALID);
    text[sizeof text - 2] = '\0';
    assert_int_equal(thsi_group_parse(text, whole), THS_OK);
}

static void scopes_are_parsed_once_each(void **state)
{
    char out[THSI_GROUP_SCOPES_MAX * 3 + 8];

    (void)state;
    assert_int_equal(thsi_group_scopes_parse(NULL, out, sizeof out), THS_OK);
    assert_string_equal(out, "default");
    assert_int_equal(thsi_group_scopes_parse(" b , a,,b ", out, sizeof out), THS_OK);
    assert_string_equal(out, "b,a");
    assert_int_equal(thsi_group_scopes_parse("a b", out, sizeof out), THS_INVALID);
    assert_int_equal(thsi_group_scopes_parse("a/b", out, sizeof out), THS_INVALID);
    assert_int_equal(thsi_group_scopes_parse("abcdef", out, 6), THS_TOO_BIG);
    assert_int_equal(thsi_group_scopes_parse("1,2,3,4,5,6,7,8,9,a,b,c,d,e,f,g,h", out, sizeof out), THS_TOO_MANY);
}

/* ---- Own entries ---------------------------------------------------------------------------- */

static void join_and_leave_are_changes(void **state)
{
    (void)state;
    assert_int_equal(join(0, "default/w", 1, 0), THS_OK);
    assert_int_equal(update.changes_count, 1);
    assert_true(update.changes[0].joined);
    assert_string_equal(update.changes[0].group, "default/w");
    assert_int_equal(members(0, "default/w"), 1);
    assert_int_equal(leave(0, "default/w", 1), THS_OK);
    assert_int_equal(update.changes_count, 1);
    assert_false(update.changes[0].joined);
    assert_string_equal(update.changes[0].group, "default/w");
    assert_int_equal(members(0, "default/w"), 0);
    assert_int_equal(leave(0, "default/w", 1), THS_NOT_FOUND);
}

static void joining_again_changes_the_weight_only(void **state)
{
    (void)state;
    assert_int_equal(join(0, "default/w", 1, 1), THS_OK);
    assert_int_equal(join(0, "default/w", 1, 5), THS_OK);
    assert_int_equal(update.changes_count, 0);
    assert_int_equal(members(0, "default/w"), 1);
}

static void scope_of_others_and_huge_weight_are_refused(void **state)
{
    (void)state;
    assert_int_equal(join(2, "orders/w", 1, 1), THS_INVALID);
    assert_int_equal(join(0, "defaul/w", 1, 1), THS_INVALID);
    assert_int_equal(join(0, "default/w", 1, THSI_GROUP_WEIGHT_MAX + 1), THS_INVALID);
    assert_int_equal(thsi_groups_total(nodes[0]), 0);
}

static void ended_actor_leaves_all_its_groups(void **state)
{
    (void)state;
    link_all();
    for (uint32_t i = 0; i < 20; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "%s/g%u", i % 2 ? "orders" : "default", i);
        assert_int_equal(join(0, name, 1, 1), THS_OK);
        assert_int_equal(join(0, name, 2, 1), THS_OK);
    }
    settle();
    assert_int_equal(thsi_groups_entries(nodes[1], uid_of(0)), 40);
    assert_int_equal(thsi_groups_entries(nodes[2], uid_of(0)), 20);
    thsi_groups_actor_ended(nodes[0], actor(0, 1), &update);
    carry_out(0);
    assert_int_equal(update.changes_count, 20);
    settle();
    assert_int_equal(thsi_groups_entries(nodes[1], uid_of(0)), 20);
    assert_int_equal(thsi_groups_entries(nodes[2], uid_of(0)), 10);
    thsi_groups_actor_ended(nodes[0], actor(0, 3), &update);
    assert_int_equal(update.changes_count + update.sends_count, 0);
}

static void own_entries_are_bounded(void **state)
{
    char name[32];

    (void)state;
    for (uint32_t i = 0; i < THSI_GROUP_NAMES_MAX; i++) {
        (void)snprintf(name, sizeof name, "default/g%u", i);
        assert_int_equal(thsi_groups_join(nodes[0], name, actor(0, i), 1, &update), THS_OK);
    }
    assert_int_equal(thsi_groups_join(nodes[0], "default/more", actor(0, 1), 1, &update), THS_TOO_MANY);
    join_many(0, "default/g0", THSI_GROUP_NAMES_MAX, THSI_GROUP_ENTRIES_MAX - THSI_GROUP_NAMES_MAX);
    assert_int_equal(thsi_groups_join(nodes[0], "default/g0", actor(0, THSI_GROUP_ENTRIES_MAX), 1, &update),
                     THS_TOO_MANY);
    changes[0] = THSI_GROUP_ENTRIES_MAX;

    /* All of them reach another node, in parts. */
    linked[0][1] = linked[1][0] = true;
    link_half(1, 0);
    link_half(0, 1);
    assert_true(update.sends_count > 3);
    settle();
    assert_int_equal(thsi_groups_entries(nodes[1], uid_of(0)), THSI_GROUP_ENTRIES_MAX);
    assert_int_equal(members(1, "default/g0"), THSI_GROUP_ENTRIES_MAX - THSI_GROUP_NAMES_MAX + 1);
    bury(1, 0);
    assert_int_equal(update.changes_count, THSI_GROUP_ENTRIES_MAX);
}

static void lack_of_memory_changes_nothing(void **state)
{
    (void)state;
    TEST_ENV_EACH_FAILURE(&env, join(0, "default/w", 1, 1) == THS_OK)
    {
        assert_int_equal(thsi_groups_total(nodes[0]), 0);
        assert_int_equal(update.changes_count, 0);
    }
    assert_int_equal(members(0, "default/w"), 1);
    TEST_ENV_EACH_FAILURE(&env, join(0, "default/w", 2, 1) == THS_OK)
    {
        assert_int_equal(members(0, "default/w"), 1);
    }
    env.fail_at = 1, env.calls = 0;
    assert_int_equal(leave(0, "default/w", 1), THS_OK);
    assert_null(thsi_groups_create(&env.env, 5, "default", 0, 0));
    assert_int_equal(thsi_groups_link_up(nodes[0], 99, "default", &update), THS_NOMEM);
    env.fail_at = 0;
    assert_int_equal(members(0, "default/w"), 1);
}

/* ---- Picks ---------------------------------------------------------------------------------- */

static void pick_of_an_empty_group_is_nobody(void **state)
{
    (void)state;
    for (int how = THS_PICK_RANDOM; how <= THS_PICK_ROUND_ROBIN; how++)
        assert_true(ths_ref_is_nobody(thsi_groups_pick(nodes[0], "default/w", (enum ths_pick)how, 7, NULL, NULL)));
}

static void random_picks_follow_the_weights(void **state)
{
    unsigned counts[4] = { 0 };

    (void)state;
    link_all();
    assert_int_equal(join(0, "default/w", 1, 1), THS_OK);
    assert_int_equal(join(0, "default/w", 2, 2), THS_OK);
    assert_int_equal(join(1, "default/w", 3, 7), THS_OK);
    settle();
    for (uint64_t random = 0; random < 1000; random++)
        counts[thsi_groups_pick(nodes[0], "default/w", THS_PICK_RANDOM, random, NULL, NULL).slot]++;
    assert_int_equal(counts[1], 100);
    assert_int_equal(counts[2], 200);
    assert_int_equal(counts[3], 700);
}

static void local_first_takes_others_only_without_own(void **state)
{
    (void)state;
    link_all();
    assert_int_equal(join(1, "default/w", 3, 100), THS_OK);
    settle();
    assert_int_equal(thsi_groups_pick(nodes[0], "default/w", THS_PICK_LOCAL_FIRST, 5, NULL, NULL).slot, 3);
    assert_int_equal(join(0, "default/w", 1, 1), THS_OK);
    for (uint64_t random = 0; random < 50; random++)
        assert_int_equal(thsi_groups_pick(nodes[0], "default/w", THS_PICK_LOCAL_FIRST, random, NULL, NULL).slot, 1);
}

static void round_robin_gives_each_its_turns(void **state)
{
    unsigned counts[4] = { 0 };

    (void)state;
    link_all();
    assert_int_equal(join(0, "default/w", 1, 1), THS_OK);
    assert_int_equal(join(1, "default/w", 2, 3), THS_OK);
    settle();
    for (int i = 0; i < 40; i++)
        counts[thsi_groups_pick(nodes[0], "default/w", THS_PICK_ROUND_ROBIN, 0, NULL, NULL).slot]++;
    assert_int_equal(counts[1], 10);
    assert_int_equal(counts[2], 30);
    assert_int_equal(leave(0, "default/w", 1), THS_OK);
    assert_int_equal(thsi_groups_pick(nodes[0], "default/w", THS_PICK_ROUND_ROBIN, 0, NULL, NULL).slot, 2);
}

static bool slot_rests(void *bits, ths_ref who)
{
    return *(const unsigned *)bits >> who.slot & 1;
}

static void resting_member_is_picked_only_when_all_rest(void **state)
{
    static const enum ths_pick hows[] = { THS_PICK_RANDOM, THS_PICK_LOCAL_FIRST, THS_PICK_ROUND_ROBIN };

    (void)state;
    link_all();
    assert_int_equal(join(0, "default/w", 1, 1), THS_OK);
    assert_int_equal(join(0, "default/w", 2, 100), THS_OK);
    assert_int_equal(join(1, "default/w", 3, 1), THS_OK);
    settle();
    for (unsigned bits = 0; bits < 16; bits += 2) { /* who of the three rests */
        unsigned counts[3][4] = { { 0 } };

        for (uint64_t random = 0; random < 300; random++)
            for (unsigned i = 0; i < 3; i++)
                counts[i][thsi_groups_pick(nodes[0], "default/w", hows[i], random * 7919, slot_rests, &bits).slot]++;
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(counts[i][0], 0);
            for (unsigned slot = 1; slot <= 3; slot++)
                assert_true(bits == 14 || !(bits >> slot & 1) || counts[i][slot] == 0);
        }
        assert_true((bits & 6) == 6 || counts[1][3] == 0); /* LOCAL_FIRST leaves this node only when all here rest */
    }
}

static void members_list_own_first_and_nodes_together(void **state)
{
    ths_ref out[8];

    (void)state;
    link_all();
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(join((int)i % NODES, "default/w", i, 1), THS_OK);
    settle();
    assert_int_equal(thsi_groups_members(nodes[1], "default/w", out, 8), 6);
    for (size_t i = 0; i < 6; i += 2)
        assert_true(out[i].node == out[i + 1].node);
    assert_true(out[0].node == uid_of(1));
    assert_int_equal(thsi_groups_members(nodes[1], "default/w", out, 3), 6);
}

static void count_visited(void *arg, const char *name, size_t all, size_t local)
{
    assert_string_equal(name, "default/w");
    assert_int_equal(all, 3);
    assert_int_equal(local, 2);
    (*(int *)arg)++;
}

static void visit_tells_all_and_local_members(void **state)
{
    int visited = 0;

    (void)state;
    link_all();
    assert_int_equal(join(0, "default/w", 1, 1), THS_OK);
    assert_int_equal(join(0, "default/w", 2, 1), THS_OK);
    assert_int_equal(join(1, "default/w", 2, 1), THS_OK);
    settle();
    thsi_groups_visit(nodes[0], count_visited, &visited);
    assert_int_equal(visited, 1);
}

/* ---- Copies --------------------------------------------------------------------------------- */

static void entries_reach_those_that_take_part_in_the_scope(void **state)
{
    (void)state;
    link_all();
    assert_int_equal(join(0, "orders/w", 1, 1), THS_OK);
    assert_int_equal(join(0, "default/w", 1, 1), THS_OK);
    settle();
    assert_int_equal(members(1, "orders/w"), 1);
    assert_int_equal(members(2, "orders/w"), 0);
    assert_int_equal(members(2, "default/w"), 1);
}

static void new_link_gets_a_snapshot(void **state)
{
    (void)state;
    join_many(0, "default/w", 100000, 2500);
    join_many(0, "orders/w", 100000, 2500);
    link_up(0, 1);
    link_up(0, 2);
    assert_int_equal(members(1, "orders/w"), 2500);
    assert_int_equal(members(2, "default/w"), 2500);
    assert_int_equal(thsi_groups_total(nodes[2]), 2500);
}

static void entries_stay_while_a_link_is_down_and_are_corrected_by_the_next(void **state)
{
    (void)state;
    link_all();
    assert_int_equal(join(0, "default/w", 1, 1), THS_OK);
    assert_int_equal(join(0, "default/w", 2, 1), THS_OK);
    settle();
    link_down(0, 1);
    assert_int_equal(leave(0, "default/w", 1), THS_OK);
    assert_int_equal(join(0, "default/x", 3, 1), THS_OK);
    settle();
    assert_int_equal(members(1, "default/w"), 2);
    assert_int_equal(members(2, "default/w"), 1);
    link_up(0, 1);
    assert_int_equal(members(1, "default/w"), 1);
    assert_int_equal(members(1, "default/x"), 1);
}

static void entries_of_a_buried_node_go_in_one_step(void **state)
{
    (void)state;
    link_all();
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(join(0, i % 2 ? "default/w" : "default/x", i, 1), THS_OK);
    assert_int_equal(join(1, "default/w", 1, 1), THS_OK);
    settle();
    bury(1, 0);
    assert_int_equal(update.changes_count, 10);
    assert_int_equal(members(1, "default/w"), 1);
    assert_int_equal(members(1, "default/x"), 0);
    bury(1, 0);
    assert_int_equal(update.changes_count, 0);
}

static void lost_delta_is_noticed_by_the_next_one(void **state)
{
    (void)state;
    link_all();
    lose_every = 1;
    assert_int_equal(join(0, "default/w", 1, 1), THS_OK);
    lose_every = 0;
    assert_int_equal(join(0, "default/w", 2, 1), THS_OK);
    settle();
    assert_same_everywhere();
    assert_int_equal(members(1, "default/w"), 2);
}

static void lost_delta_is_noticed_by_the_digest(void **state)
{
    (void)state;
    link_all();
    assert_int_equal(join(0, "default/w", 1, 1), THS_OK);
    settle();
    lose_every = 1;
    assert_int_equal(leave(0, "default/w", 1), THS_OK);
    lose_every = 0;
    settle();
    assert_int_equal(members(1, "default/w"), 1);
    pass_seconds(1);
    assert_int_equal(members(1, "default/w"), 0);
    assert_int_equal(members(2, "default/w"), 0);
}

/* A snapshot may be large, and a REPAIR is ten bytes. */
static void repairs_are_answered_once_a_second(void **state)
{
    static const uint8_t repair[] = "\x92\x13\xa7" "default";
    size_t answers = 0;

    (void)state;
    link_all();
    settle();
    for (int second = 1; second <= 2; second++) {
        for (int i = 0; i < 100; i++) {
            assert_int_equal(thsi_groups_receive(nodes[0], uid_of(1), repair, sizeof repair - 1, &update), THS_OK);
            answers += update.sends_count;
        }
        assert_int_equal(answers, second);
        pass_seconds(1);
    }
}

static void many_losses_converge_in_the_end(void **state)
{
    uint32_t random = 1;

    (void)state;
    scopes[2] = scopes[1];
    thsi_groups_destroy(nodes[2]);
    nodes[2] = thsi_groups_create(&env.env, uid_of(2), scopes[2], 2, now_ns);
    assert_non_null(nodes[2]);
    link_all();
    lose_every = 3;
    for (int i = 0; i < 3000; i++) {
        char name[24];

        random = random * 1103515245u + 12345u;
        (void)snprintf(name, sizeof name, "%s/g%u", random & 0x10000 ? "orders" : "default", random >> 17 & 7);
        if (random >> 20 & 1)
            assert_int_equal(join(i % NODES, name, random >> 21 & 63, random >> 27 & 3), THS_OK);
        else
            (void)leave(i % NODES, name, random >> 21 & 63);
        if (i % 10 == 0)
            settle();
        if (i % 500 == 0)
            link_up(0, 1);
    }
    settle();
    lose_every = 0;
    pass_seconds(2);
    assert_same_everywhere();
    assert_true(thsi_groups_total(nodes[0]) > 100);
    /* And once all is well nobody asks any more. */
    pass_seconds(1);
    thsi_groups_time_passed(nodes[0], now_ns + SECOND, &update);
    assert_int_equal(update.sends_count, 2);
}

static void receiver_out_of_memory_is_repaired(void **state)
{
    (void)state;
    link_all();
    assert_int_equal(join(0, "default/w", 1, 1), THS_OK);
    assert_non_null(queue);
    for (struct packet *packet = queue; packet; packet = packet->next) {
        enum ths_err err;

        env.fail_at = 1, env.calls = 0;
        err = thsi_groups_receive(nodes[packet->to], uid_of(0), packet->bytes, packet->len, &update);
        env.fail_at = 0;
        assert_int_equal(err, THS_NOMEM);
        assert_int_equal(update.changes_count, 0);
        thsi_groups_check(nodes[packet->to]);
        packet->len = 0; /* not again */
        linked[0][packet->to] = false;
    }
    settle();
    linked[0][1] = linked[0][2] = true;
    pass_seconds(1);
    assert_same_everywhere();
    assert_int_equal(members(1, "default/w"), 1);
}

/* ---- Bad input ------------------------------------------------------------------------------ */

static enum ths_err receive(const uint8_t *bytes, size_t len)
{
    enum ths_err err = thsi_groups_receive(nodes[2], uid_of(0), bytes, len, &update);

    changes[2] = thsi_groups_total(nodes[2]);
    thsi_groups_check(nodes[2]);
    return err;
}

/* A delta of version 1. */
static size_t delta(uint8_t *bytes, const char *scope, const char *name, uint32_t generation, uint32_t weight)
{
    struct thsi_packer packer;

    thsi_packer_init(&packer, bytes, 256);
    thsi_pack_array(&packer, 7);
    thsi_pack_u64(&packer, THSI_GOSSIP_DELTA);
    thsi_pack_str(&packer, scope, (uint32_t)strlen(scope));
    thsi_pack_u64(&packer, 1);
    thsi_pack_str(&packer, name, (uint32_t)strlen(name));
    thsi_pack_u64(&packer, 4);
    thsi_pack_u64(&packer, generation);
    thsi_pack_u64(&packer, weight);
    assert_int_equal(thsi_packer_finish(&packer), THS_OK);
    return packer.len;
}

/* A peer need not write the shortest forms: both the array and the kind in it have longer ones. */
static void packets_of_groups_are_told_by_their_kind_in_any_form(void **state)
{
    static const uint8_t repair[][8] = { "\x92\x13\xa1s", "\x92\xcc\x13\xa1s", "\xdc\x00\x02\xcd\x00\x13\xa1s" };
    static const size_t lens[] = { 4, 5, 8 };
    static const uint8_t others[][8] = { "\x92\x03\x13", "\x92\xcc\x0f\x13", "\x92\xcc\x14\x13", "\x92\xa1\x13", "\x13\x13" };

    (void)state;
    for (size_t i = 0; i < sizeof repair / sizeof *repair; i++)
        assert_true(thsi_gossip_is_for_groups(repair[i], lens[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(thsi_gossip_is_for_groups(others[i], strlen((const char *)others[i])));
    for (size_t len = 0; len < 2; len++)
        assert_false(thsi_gossip_is_for_groups(repair[0], len));
}

static void malformed_packets_are_refused(void **state)
{
    uint8_t bytes[256];
    size_t len;

    (void)state;
    assert_int_equal(receive(bytes, delta(bytes, "default", "default/w", 1, 1)), THS_REFUSED);
    link_all();
    assert_int_equal(receive(bytes, 0), THS_MALFORMED);
    assert_int_equal(receive(bytes, delta(bytes, "orders", "orders/w", 1, 1)), THS_MALFORMED);   /* not our scope */
    assert_int_equal(receive(bytes, delta(bytes, "default", "orders/w", 1, 1)), THS_MALFORMED);  /* of another */
    assert_int_equal(receive(bytes, delta(bytes, "default", "w", 1, 1)), THS_MALFORMED);         /* not whole */
    assert_int_equal(receive(bytes, delta(bytes, "default", "default/", 1, 1)), THS_MALFORMED);
    assert_int_equal(receive(bytes, delta(bytes, "default", "default/\xff", 1, 1)), THS_MALFORMED);
    assert_int_equal(receive(bytes, delta(bytes, "default", "default/w", 0, 1)), THS_MALFORMED); /* no generation */
    assert_int_equal(receive(bytes, delta(bytes, "default", "default/w", 1, 65536)), THS_MALFORMED);
    len = delta(bytes, "default", "default/w", 1, 1);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(receive(bytes, cut), THS_MALFORMED);
    bytes[len] = 0;
    assert_int_equal(receive(bytes, len + 1), THS_MALFORMED);
    bytes[1] = THSI_GOSSIP_REPAIR + 1;
    assert_int_equal(receive(bytes, len), THS_MALFORMED);
    assert_int_equal(thsi_groups_total(nodes[2]), 0);
    assert_int_equal(receive(bytes, delta(bytes, "default", "default/w", 1, 1)), THS_OK);
    assert_int_equal(thsi_groups_total(nodes[2]), 1);
}

static void snapshot_with_a_missing_part_removes_nothing(void **state)
{
    struct packet *first = NULL;

    (void)state;
    join_many(0, "default/w", 70000, 20000);
    link_all();
    assert_int_equal(members(1, "default/w"), 20000);
    link_half(0, 1);
    first = queue;
    queue = first->next; /* the first part is lost */
    free(first);
    settle();
    assert_int_equal(members(1, "default/w"), 20000);
    assert_int_equal(join(0, "default/w", 1, 1), THS_OK);
    settle();
    assert_int_equal(members(1, "default/w"), 20001);
}

static void nodes_are_bounded(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < THSI_GROUP_OWNERS_MAX; i++)
        assert_int_equal(thsi_groups_link_up(nodes[0], 1000 + i, "default", &update), THS_OK);
    assert_int_equal(thsi_groups_link_up(nodes[0], 999, "default", &update), THS_TOO_MANY);
    assert_int_equal(thsi_groups_link_up(nodes[0], 1000, "default", &update), THS_OK);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        FACT(names_get_the_default_scope),
        FACT(wrong_names_are_refused),
        FACT(scopes_are_parsed_once_each),
        FACT(join_and_leave_are_changes),
        FACT(joining_again_changes_the_weight_only),
        FACT(scope_of_others_and_huge_weight_are_refused),
        FACT(ended_actor_leaves_all_its_groups),
        FACT(own_entries_are_bounded),
        FACT(lack_of_memory_changes_nothing),
        FACT(pick_of_an_empty_group_is_nobody),
        FACT(random_picks_follow_the_weights),
        FACT(local_first_takes_others_only_without_own),
        FACT(resting_member_is_picked_only_when_all_rest),
        FACT(round_robin_gives_each_its_turns),
        FACT(members_list_own_first_and_nodes_together),
        FACT(visit_tells_all_and_local_members),
        FACT(entries_reach_those_that_take_part_in_the_scope),
        FACT(new_link_gets_a_snapshot),
        FACT(entries_stay_while_a_link_is_down_and_are_corrected_by_the_next),
        FACT(entries_of_a_buried_node_go_in_one_step),
        FACT(lost_delta_is_noticed_by_the_next_one),
        FACT(lost_delta_is_noticed_by_the_digest),
        FACT(repairs_are_answered_once_a_second),
        FACT(many_losses_converge_in_the_end),
        FACT(receiver_out_of_memory_is_repaired),
        FACT(packets_of_groups_are_told_by_their_kind_in_any_form),
        FACT(malformed_packets_are_refused),
        FACT(snapshot_with_a_missing_part_removes_nothing),
        FACT(nodes_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
