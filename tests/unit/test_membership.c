/* Membership: one core and what it makes of single events. What several make of each other: test_membership_net.c. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cluster/membership.h"
#include "tests/lib/test_env.h"

#define MS UINT64_C(1000000)

static struct test_env env;
static struct thsi_membership *core;
static struct thsi_membership_update update;
static uint64_t now_ns;
static bool unchecked; /* while a table grows large, looking at all of it each time takes too long */

static struct thsi_identity node(uint64_t uid, const char *name, uint64_t boot)
{
    struct thsi_identity who = { .uid = uid, .boot = boot, .incarnation = 1 };

    for (size_t i = 0; i < sizeof who.id; i++)
        who.id[i] = (uint8_t)name[i % strlen(name)];
    (void)snprintf(who.name, sizeof who.name, "%s", name);
    (void)snprintf(who.address, sizeof who.address, "%s:7400", name);
    (void)snprintf(who.scopes, sizeof who.scopes, "default");
    return who;
}

static int begin(void **state)
{
    struct thsi_membership_options options = { .self = node(1, "self", 5), .seed = 1 };

    (void)state;
    test_env_init(&env, 1);
    unchecked = false;
    now_ns = 1000 * MS;
    core = thsi_membership_create(&env.env, &options, now_ns);
    assert_non_null(core);
    return 0;
}

static int end(void **state)
{
    (void)state;
    thsi_membership_check(core);
    thsi_membership_destroy(core);
    test_env_assert_clean(&env);
    return 0;
}

/* ---- Events --------------------------------------------------------------------------------- */

static enum ths_err step(struct thsi_membership_event event)
{
    enum ths_err err;

    event.now_ns = now_ns;
    err = thsi_membership_step(core, &event, &update);
    if (!unchecked)
        thsi_membership_check(core);
    return err;
}

static enum ths_err link_up(const struct thsi_identity *who)
{
    return step((struct thsi_membership_event){ .type = THSI_MEMBERSHIP_LINK_UP, .uid = who->uid, .identity = who });
}

static void linked(uint64_t uid, const char *name, uint64_t boot)
{
    struct thsi_identity who = node(uid, name, boot);

    assert_int_equal(link_up(&who), THS_OK);
}

static void link_down(uint64_t uid, enum thsi_link_end how)
{
    assert_int_equal(step((struct thsi_membership_event){ .type = THSI_MEMBERSHIP_LINK_DOWN, .uid = uid, .end = how }),
                     THS_OK);
}

static void dial_failed(uint64_t uid, enum thsi_link_end how)
{
    assert_int_equal(
        step((struct thsi_membership_event){ .type = THSI_MEMBERSHIP_DIAL_FAILED, .uid = uid, .end = how }), THS_OK);
}

static enum ths_err receive(uint64_t from, const void *packet, size_t len)
{
    return step((struct thsi_membership_event){ .type = THSI_MEMBERSHIP_RECEIVED, .uid = from, .packet = packet,
                                                .packet_len = len });
}

/* Let @ms pass, looking whenever the core wants to. @alive (0: nobody) gives a sign of life all the time. */
static void pass_ms(uint64_t ms, uint64_t alive)
{
    for (uint64_t until = now_ns + ms * MS; now_ns < until;) {
        now_ns = thsi_membership_deadline_ns(core) < until ? thsi_membership_deadline_ns(core) : until;
        if (alive)
            thsi_membership_heard(core, alive, now_ns);
        assert_int_equal(step((struct thsi_membership_event){ .type = THSI_MEMBERSHIP_TIME_PASSED }), THS_OK);
    }
}

/* ---- Packets -------------------------------------------------------------------------------- */

static uint8_t bytes[THSI_GOSSIP_MAX + 1];

/* A packet with one rumour. */
static size_t rumour(const struct thsi_identity *who, enum ths_member_state state)
{
    struct thsi_packer packer;

    thsi_packer_init(&packer, bytes, sizeof bytes);
    thsi_pack_array(&packer, 2);
    thsi_pack_u64(&packer, THSI_GOSSIP_MEMBERS);
    thsi_pack_array(&packer, 1);
    thsi_pack_array(&packer, 2);
    thsi_pack_u64(&packer, state);
    thsi_identity_pack(who, &packer);
    return packer.len;
}

static enum ths_err hear(uint64_t from, struct thsi_identity who, enum ths_member_state state)
{
    return receive(from, bytes, rumour(&who, state));
}

static struct thsi_identity with_incarnation(struct thsi_identity who, uint64_t incarnation)
{
    who.incarnation = incarnation;
    return who;
}

static void assert_state(uint64_t uid, enum ths_member_state state)
{
    const struct thsi_member *member = thsi_membership_find(core, uid);

    assert_non_null(member);
    assert_int_equal(member->state, state);
}

static void assert_buried(uint64_t uid, enum ths_member_state state)
{
    enum ths_member_state buried;

    assert_null(thsi_membership_find(core, uid));
    assert_true(thsi_membership_is_buried(core, uid, &buried));
    assert_int_equal(buried, state);
}

static void assert_change(size_t index, uint64_t uid, enum ths_member_state from, enum ths_member_state to)
{
    assert_true(index < update.changes_count);
    assert_int_equal(update.changes[index].member->who.uid, uid);
    assert_int_equal(update.changes[index].from, from);
    assert_int_equal(update.changes[index].to, to);
}

static bool dials(uint64_t uid)
{
    for (size_t i = 0; i < update.dials_count; i++)
        if (update.dials[i].uid == uid)
            return true;
    return false;
}

/* ---- Facts: links --------------------------------------------------------------------------- */

static void new_link_makes_a_member_and_gets_the_table(void **state)
{
    (void)state;
    assert_true(thsi_membership_alone(core));
    linked(2, "b", 1);
    assert_change(0, 2, THS_MEMBER_JOINING, THS_MEMBER_UP);
    assert_true(update.changes[0].is_new);
    assert_false(thsi_membership_alone(core));
    assert_int_equal(update.sends[0].uid, 2);
    assert_int_equal(update.sends[0].packet[1], THSI_GOSSIP_MEMBERS);
    assert_int_equal(update.sends[1].packet[1], THSI_GOSSIP_HEARTBEAT);
    assert_ptr_equal(thsi_membership_find_name(core, "b"), thsi_membership_find(core, 2));
    assert_ptr_equal(thsi_membership_at(core, 0), thsi_membership_find(core, 1));
    assert_true(thsi_membership_at(core, 0)->self);
    assert_null(thsi_membership_find_name(core, "c"));
}

static void closed_link_is_dialed_at_once_and_is_no_burial(void **state)
{
    (void)state;
    linked(2, "b", 1);
    link_down(2, THSI_END_LOST);
    assert_true(dials(2));
    assert_string_equal(update.dials[0].address, "b:7400");
    assert_int_equal(update.changes_count, 0);
    assert_state(2, THS_MEMBER_UP);
}

static void refused_dial_after_a_closed_link_buries_in_milliseconds(void **state)
{
    (void)state;
    linked(2, "b", 1);
    link_down(2, THSI_END_LOST);
    dial_failed(2, THSI_END_REFUSED);
    assert_change(0, 2, THS_MEMBER_UP, THS_MEMBER_SUSPECT);
    pass_ms(20, 0);
    dial_failed(2, THSI_END_REFUSED);
    pass_ms(30, 0);
    assert_buried(2, THS_MEMBER_DEAD);
}

static void link_that_returns_within_the_short_suspicion_saves_the_member(void **state)
{
    (void)state;
    linked(2, "b", 1);
    link_down(2, THSI_END_LOST);
    dial_failed(2, THSI_END_REFUSED);
    linked(2, "b", 1);
    assert_state(2, THS_MEMBER_SUSPECT);
    pass_ms(200, 0);
    assert_state(2, THS_MEMBER_SUSPECT);
    assert_int_equal(hear(2, with_incarnation(node(2, "b", 1), 2), THS_MEMBER_UP), THS_OK);
    assert_state(2, THS_MEMBER_UP);
}

static void failed_dial_of_a_linked_member_means_nothing(void **state)
{
    (void)state;
    linked(2, "b", 1);
    link_down(2, THSI_END_LOST);
    linked(2, "b", 1); /* its dial was faster than ours */
    dial_failed(2, THSI_END_REFUSED);
    assert_state(2, THS_MEMBER_UP);
    assert_false(thsi_membership_find(core, 2)->dialing);
    link_down(2, THSI_END_LOST);
    assert_int_equal(thsi_membership_admit(core, &(struct thsi_identity){ .uid = 3, .name = "b" }, NULL),
                     THS_NAME_TAKEN);
}

static void refused_dial_of_a_node_never_met_shortens_nothing(void **state)
{
    (void)state;
    linked(2, "b", 1);
    assert_int_equal(hear(2, node(3, "c", 1), THS_MEMBER_UP), THS_OK);
    assert_change(0, 3, THS_MEMBER_JOINING, THS_MEMBER_JOINING);
    assert_true(update.changes[0].is_new);
    assert_true(dials(3));
    dial_failed(3, THSI_END_REFUSED);
    pass_ms(1000, 2);
    assert_state(3, THS_MEMBER_JOINING);
    pass_ms(2100, 2);
    assert_state(3, THS_MEMBER_SUSPECT);
}

static void dials_back_off(void **state)
{
    unsigned count = 0;

    (void)state;
    linked(2, "b", 1);
    assert_int_equal(hear(2, node(3, "c", 1), THS_MEMBER_UP), THS_OK);
    for (unsigned ms = 0; ms < 4000; ms += 5) {
        if (thsi_membership_find(core, 3)->dialing) {
            count++;
            dial_failed(3, THSI_END_LOST);
        }
        pass_ms(5, 2);
    }
    assert_in_range(count, 4, 8);
}

static void smaller_uid_dials_first(void **state)
{
    struct thsi_membership_options options = { .self = node(9, "self", 5), .seed = 1 };

    (void)state;
    thsi_membership_destroy(core);
    core = thsi_membership_create(&env.env, &options, now_ns);
    assert_non_null(core);
    linked(2, "b", 1);
    assert_int_equal(hear(2, node(3, "c", 1), THS_MEMBER_UP), THS_OK);
    assert_false(dials(3));
    pass_ms(400, 2);
    assert_true(thsi_membership_find(core, 3)->dialing);
}

static void one_of_two_links_survives_the_same_at_both_ends(void **state)
{
    (void)state;
    for (int old_by_a = 0; old_by_a < 2; old_by_a++)
        for (int new_by_a = 0; new_by_a < 2; new_by_a++)
            assert_int_equal(thsi_membership_new_link_wins(1, 2, old_by_a, new_by_a),
                             thsi_membership_new_link_wins(2, 1, !old_by_a, !new_by_a));
    assert_true(thsi_membership_new_link_wins(1, 2, false, true));
    assert_false(thsi_membership_new_link_wins(1, 2, true, false));
    assert_true(thsi_membership_new_link_wins(1, 2, true, true));
}

/* ---- Facts: rumours ------------------------------------------------------------------------- */

static void only_a_higher_incarnation_ends_a_suspicion(void **state)
{
    (void)state;
    linked(2, "b", 1);
    linked(3, "c", 1);
    assert_int_equal(hear(2, node(3, "c", 1), THS_MEMBER_SUSPECT), THS_OK);
    assert_state(3, THS_MEMBER_SUSPECT);
    assert_int_equal(update.sends[0].uid, 3); /* it is told at once */
    assert_int_equal(hear(2, node(3, "c", 1), THS_MEMBER_UP), THS_OK);
    assert_state(3, THS_MEMBER_SUSPECT);
    assert_int_equal(hear(2, with_incarnation(node(3, "c", 1), 2), THS_MEMBER_UP), THS_OK);
    assert_state(3, THS_MEMBER_UP);
    assert_int_equal(hear(2, node(3, "c", 1), THS_MEMBER_SUSPECT), THS_OK);
    assert_state(3, THS_MEMBER_UP);
}

static void suspicion_of_self_is_refuted_to_everybody(void **state)
{
    (void)state;
    linked(2, "b", 1);
    linked(3, "c", 1);
    assert_int_equal(hear(2, node(1, "self", 5), THS_MEMBER_SUSPECT), THS_OK);
    assert_int_equal(thsi_membership_self(core)->incarnation, 2);
    assert_int_equal(update.sends_count, 2);
    assert_int_equal(hear(2, node(1, "self", 5), THS_MEMBER_SUSPECT), THS_OK);
    assert_int_equal(thsi_membership_self(core)->incarnation, 2);
}

static void burial_is_final_whatever_the_incarnation(void **state)
{
    (void)state;
    linked(2, "b", 1);
    linked(3, "c", 1);
    assert_int_equal(hear(2, with_incarnation(node(3, "c", 1), 7), THS_MEMBER_UP), THS_OK);
    assert_int_equal(hear(2, node(3, "c", 1), THS_MEMBER_DEAD), THS_OK);
    assert_change(0, 3, THS_MEMBER_UP, THS_MEMBER_DEAD);
    assert_int_equal(update.closes_count, 1);
    assert_int_equal(update.closes[0], 3);
    assert_int_equal(hear(2, with_incarnation(node(3, "c", 1), 99), THS_MEMBER_UP), THS_OK);
    assert_buried(3, THS_MEMBER_DEAD);
}

static void node_never_known_is_remembered_as_buried(void **state)
{
    (void)state;
    linked(2, "b", 1);
    assert_int_equal(hear(2, node(3, "c", 1), THS_MEMBER_LEFT), THS_OK);
    assert_int_equal(update.changes_count, 0);
    assert_buried(3, THS_MEMBER_LEFT);
    assert_int_equal(hear(2, node(3, "c", 1), THS_MEMBER_UP), THS_OK);
    assert_buried(3, THS_MEMBER_LEFT);
}

static void node_that_hears_of_its_own_burial_is_inert(void **state)
{
    (void)state;
    linked(2, "b", 1);
    assert_int_equal(hear(2, node(1, "self", 5), THS_MEMBER_DEAD), THS_OK);
    assert_int_equal(update.self_buried, THS_NODE_LOST);
    assert_true(thsi_membership_deadline_ns(core) == UINT64_MAX);
    assert_int_equal(hear(2, node(3, "c", 1), THS_MEMBER_UP), THS_CLOSED);
    assert_int_equal(update.self_buried, THS_OK);
    assert_int_equal(thsi_membership_admit(core, &(struct thsi_identity){ .uid = 8, .name = "h" }, NULL), THS_CLOSED);
}

static void rumour_of_a_newer_boot_buries_the_older_one_without_link(void **state)
{
    (void)state;
    linked(2, "b", 1);
    linked(3, "c", 1);
    assert_int_equal(hear(2, node(4, "c", 2), THS_MEMBER_UP), THS_OK);
    assert_null(thsi_membership_find(core, 4));
    link_down(3, THSI_END_LOST);
    assert_int_equal(hear(2, node(4, "c", 2), THS_MEMBER_UP), THS_OK);
    assert_change(0, 3, THS_MEMBER_UP, THS_MEMBER_DEAD);
    assert_change(1, 4, THS_MEMBER_JOINING, THS_MEMBER_JOINING);
    assert_int_equal(hear(2, node(5, "c", 1), THS_MEMBER_UP), THS_OK);
    assert_null(thsi_membership_find(core, 5));
}

static void leaving_is_left_when_heard_from_the_node_itself(void **state)
{
    static const uint8_t leaving[] = { 0x92, THSI_GOSSIP_LEAVING, 2 };

    (void)state;
    linked(2, "b", 1);
    assert_int_equal(receive(2, leaving, sizeof leaving), THS_OK);
    assert_change(0, 2, THS_MEMBER_UP, THS_MEMBER_LEAVING);
    assert_change(1, 2, THS_MEMBER_LEAVING, THS_MEMBER_LEFT);
    assert_buried(2, THS_MEMBER_LEFT);
    assert_int_equal(receive(2, leaving, sizeof leaving), THS_OK);
}

/* ---- Facts: time ---------------------------------------------------------------------------- */

static void signs_of_life_put_off_suspicion(void **state)
{
    (void)state;
    linked(2, "b", 1);
    linked(3, "c", 1);
    pass_ms(1100, 2);
    assert_state(2, THS_MEMBER_UP);
    assert_state(3, THS_MEMBER_SUSPECT);
    pass_ms(2000, 2);
    assert_state(2, THS_MEMBER_UP);
    assert_buried(3, THS_MEMBER_DEAD);
}

static void node_that_was_not_run_gives_all_a_fresh_period(void **state)
{
    (void)state;
    linked(2, "b", 1);
    assert_int_equal(hear(2, node(3, "c", 1), THS_MEMBER_SUSPECT), THS_OK);
    now_ns += 20000 * MS;
    assert_int_equal(step((struct thsi_membership_event){ .type = THSI_MEMBERSHIP_TIME_PASSED }), THS_OK);
    assert_state(2, THS_MEMBER_UP);
    assert_state(3, THS_MEMBER_SUSPECT);
    pass_ms(1100, 0);
    assert_state(2, THS_MEMBER_SUSPECT);
    pass_ms(1000, 0);
    assert_buried(3, THS_MEMBER_DEAD);
}

static void different_digests_for_long_have_the_table_sent_again(void **state)
{
    static const uint8_t beat[] = { 0x96, THSI_GOSSIP_HEARTBEAT, 1, 77, 1, 0, 0 };

    (void)state;
    linked(2, "b", 1);
    pass_ms(1, 0);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(receive(2, beat, sizeof beat), THS_OK);
        assert_int_equal(update.sends_count, 0);
    }
    assert_int_equal(receive(2, beat, sizeof beat), THS_OK);
    assert_int_equal(update.sends_count, 1);
}

static void flood_of_heartbeats_has_the_table_sent_once(void **state)
{
    static const uint8_t beat[] = { 0x96, THSI_GOSSIP_HEARTBEAT, 1, 77, 1, 0, 0 };
    size_t tables = 0;

    (void)state;
    linked(2, "b", 1);
    pass_ms(1, 0);
    for (int i = 0; i < 800; i++) {
        assert_int_equal(receive(2, beat, sizeof beat), THS_OK);
        tables += update.sends_count;
    }
    assert_int_equal(tables, 1);
    now_ns += 250 * MS; /* a heartbeat's time: then once more, beside what is due by then */
    for (int i = 0; i < 800; i++) {
        assert_int_equal(receive(2, beat, sizeof beat), THS_OK);
        for (size_t at = 0; at < update.sends_count; at++)
            tables += update.sends[at].packet[1] == THSI_GOSSIP_MEMBERS && update.sends[at].packet[4] == 2;
    }
    assert_int_equal(tables, 2);
}

/* ---- Facts: admission ----------------------------------------------------------------------- */

static enum ths_err admit(struct thsi_identity who)
{
    return thsi_membership_admit(core, &who, NULL);
}

static void own_uid_name_and_id_are_refused(void **state)
{
    struct thsi_identity other = node(7, "other", 9);

    (void)state;
    assert_int_equal(admit(node(1, "self", 5)), THS_REFUSED);
    assert_int_equal(admit(node(7, "self", 6)), THS_NAME_TAKEN);
    assert_int_equal(admit(node(7, "self", 4)), THS_SUPERSEDED);
    (void)snprintf(other.name, sizeof other.name, "self");
    assert_int_equal(admit(other), THS_NAME_TAKEN);
    assert_int_equal(link_up(&other), THS_NAME_TAKEN);
    assert_true(thsi_membership_alone(core));
}

static void living_member_keeps_its_name(void **state)
{
    struct thsi_identity thief = node(7, "thief", 9);

    (void)state;
    linked(2, "b", 1);
    assert_int_equal(admit(node(3, "b", 2)), THS_NAME_TAKEN);
    link_down(2, THSI_END_LOST);
    assert_int_equal(admit(node(3, "b", 2)), THS_NAME_TAKEN); /* the probe is out */
    dial_failed(2, THSI_END_LOST);
    assert_int_equal(admit(node(3, "b", 2)), THS_OK);
    (void)snprintf(thief.name, sizeof thief.name, "b");
    assert_int_equal(admit(thief), THS_NAME_TAKEN); /* another id never supersedes */
}

static void older_boot_is_superseded_and_hears_the_newest(void **state)
{
    struct thsi_member_refusal refusal;
    struct thsi_identity older = node(3, "b", 4);

    (void)state;
    linked(2, "b", 8);
    link_down(2, THSI_END_LOST);
    dial_failed(2, THSI_END_REFUSED);
    assert_int_equal(thsi_membership_admit(core, &older, &refusal), THS_SUPERSEDED);
    assert_int_equal(refusal.boot, 8);
    pass_ms(60, 0);
    assert_buried(2, THS_MEMBER_DEAD);
    assert_int_equal(thsi_membership_admit(core, &older, &refusal), THS_SUPERSEDED);
    assert_int_equal(refusal.boot, 8);
    assert_int_equal(admit(node(2, "b", 8)), THS_NODE_LOST);
    assert_int_equal(admit(node(3, "b", 9)), THS_OK);
}

static enum ths_err refuse(uint64_t uid, enum ths_err err, uint64_t boot, uint64_t members)
{
    return step((struct thsi_membership_event){ .type = THSI_MEMBERSHIP_REFUSED, .uid = uid,
                                                .refusal = { .err = err, .boot = boot, .members = members } });
}

static void superseded_node_takes_a_newer_boot_only_before_it_was_a_member(void **state)
{
    (void)state;
    assert_int_equal(refuse(2, THS_SUPERSEDED, 41, 2), THS_OK);
    assert_true(update.boot_raised);
    assert_int_equal(thsi_membership_self(core)->boot, 42);
    assert_int_equal(refuse(2, THS_SUPERSEDED, UINT64_MAX, 2), THS_OK);
    assert_false(update.boot_raised);
    linked(3, "c", 1);
    assert_int_equal(refuse(2, THS_SUPERSEDED, 50, 2), THS_OK);
    assert_int_equal(update.self_buried, THS_SUPERSEDED);
}

static void of_two_that_buried_each_other_the_smaller_party_yields(void **state)
{
    (void)state;
    linked(2, "b", 1);
    linked(3, "c", 1);
    assert_int_equal(hear(2, node(3, "c", 1), THS_MEMBER_DEAD), THS_OK);
    assert_int_equal(refuse(3, THS_NODE_LOST, 0, 1), THS_OK);
    assert_int_equal(update.self_buried, THS_OK);
    assert_int_equal(refuse(3, THS_NODE_LOST, 0, 2), THS_OK); /* as many, and our uid is smaller */
    assert_int_equal(update.self_buried, THS_OK);
    assert_int_equal(refuse(3, THS_NODE_LOST, 0, 3), THS_OK);
    assert_int_equal(update.self_buried, THS_NODE_LOST);
}

static void other_refusals_only_end_the_dial(void **state)
{
    (void)state;
    linked(2, "b", 1);
    link_down(2, THSI_END_LOST);
    assert_true(thsi_membership_find(core, 2)->dialing);
    assert_int_equal(refuse(2, THS_NAME_TAKEN, 0, 3), THS_OK);
    assert_false(thsi_membership_find(core, 2)->dialing);
    assert_int_equal(update.self_buried, THS_OK);
}

static void leaving_node_admits_nobody(void **state)
{
    (void)state;
    linked(2, "b", 1);
    assert_int_equal(step((struct thsi_membership_event){ .type = THSI_MEMBERSHIP_LEAVE }), THS_OK);
    assert_true(update.sends[0].ordered);
    assert_int_equal(admit(node(3, "c", 1)), THS_CLOSED);
    link_down(2, THSI_END_LOST);
    assert_true(update.left_done);
    assert_false(dials(2));
}

/* ---- Facts: bad input and bounds ------------------------------------------------------------ */

static void malformed_packet_closes_its_link(void **state)
{
    static const struct {
        size_t len;
        uint8_t bytes[16];
    } bad[] = {
        { 0, { 0 } },
        { 1, { 0x90 } },
        { 1, { 0xc0 } },
        { 2, { 0x91, 1 } },                                   /* a heartbeat without fields */
        { 3, { 0x92, 9, 0 } },                                /* of no known kind */
        { 3, { 0x92, THSI_GOSSIP_DELTA, 0 } },                /* of the other core */
        { 4, { 0x92, THSI_GOSSIP_LEAVING, 1, 0 } },           /* with a byte behind it */
        { 3, { 0x92, THSI_GOSSIP_MEMBERS, 0x91 } },           /* ends too early */
        { 4, { 0x92, THSI_GOSSIP_MEMBERS, 0x91, 0x90 } },
        { 7, { 0x92, THSI_GOSSIP_MEMBERS, 0xdd, 0xff, 0xff, 0xff, 0xff } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        linked(2, "b", 1);
        assert_int_equal(receive(2, bad[i].bytes, bad[i].len), THS_MALFORMED);
        assert_int_equal(update.closes_count, 1);
        assert_int_equal(update.closes[0], 2);
        assert_state(2, THS_MEMBER_UP);
    }
    assert_int_equal(receive(2, bytes, sizeof bytes), THS_MALFORMED);
}

static void rumour_that_breaks_bounds_is_malformed(void **state)
{
    struct thsi_identity nobody = node(0, "c", 1), nameless = node(3, "c", 1);
    struct thsi_identity high = with_incarnation(node(3, "c", 1), THSI_INCARNATION_MAX + 1);
    size_t len;

    (void)state;
    linked(2, "b", 1);
    nameless.name[0] = '\0';
    assert_int_equal(hear(2, nobody, THS_MEMBER_UP), THS_MALFORMED);
    assert_int_equal(hear(2, nameless, THS_MEMBER_UP), THS_MALFORMED);
    assert_int_equal(hear(2, high, THS_MEMBER_UP), THS_MALFORMED);
    assert_int_equal(hear(2, node(3, "c", 1), THS_MEMBER_JOINING), THS_MALFORMED);
    assert_int_equal(hear(2, node(3, "c", 1), (enum ths_member_state)6), THS_MALFORMED);
    assert_int_equal(hear(2, node(3, "c\xff", 1), THS_MEMBER_UP), THS_MALFORMED);
    len = rumour(&(struct thsi_identity){ .uid = 3, .name = "c", .address = "c:1" }, THS_MEMBER_UP);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(receive(2, bytes, cut), THS_MALFORMED);
    assert_int_equal(thsi_membership_count(core), 2);
}

static void fields_of_a_newer_version_are_skipped(void **state)
{
    static const uint8_t longer[] = { 0x97, THSI_GOSSIP_HEARTBEAT, 3, 77, 1, 0, 0, 0xa1, 'x' };

    (void)state;
    linked(2, "b", 1);
    assert_int_equal(receive(2, longer, sizeof longer), THS_OK);
    assert_int_equal(thsi_membership_find(core, 2)->who.incarnation, 3);
}

static void packet_of_a_node_without_link_is_ignored(void **state)
{
    (void)state;
    assert_int_equal(receive(2, "x", 1), THS_OK);
    assert_int_equal(update.closes_count, 0);
}

static struct thsi_identity named(uint64_t uid, const char *stem, uint64_t boot)
{
    char name[24];

    (void)snprintf(name, sizeof name, "%s%u", stem, (unsigned)uid);
    return node(uid, name, boot);
}

/* Hear from @from of @count members that nobody has met. */
static void introduce(uint64_t from, uint64_t first, unsigned count)
{
    for (uint64_t uid = first; uid < first + count; uid++)
        assert_int_equal(hear(from, named(uid, "n", 1), THS_MEMBER_UP), THS_OK);
}

static void one_member_introduces_no_more_than_its_share_of_those_never_met(void **state)
{
    (void)state;
    linked(2, "b", 1);
    linked(3, "c", 1);
    introduce(2, 1000, 2 * THSI_UNMET_OF_ONE_MAX);
    assert_int_equal(thsi_membership_count(core), 3 + THSI_UNMET_OF_ONE_MAX);
    introduce(3, 5000, 1); /* another has its own share */
    assert_state(5000, THS_MEMBER_JOINING);
    linked(1000, "n1000", 1); /* one is met, and makes room */
    introduce(2, 1000 + THSI_UNMET_OF_ONE_MAX, 1);
    assert_state(1000 + THSI_UNMET_OF_ONE_MAX, THS_MEMBER_JOINING);
    introduce(2, 1000 + THSI_UNMET_OF_ONE_MAX + 1, 1);
    assert_null(thsi_membership_find(core, 1000 + THSI_UNMET_OF_ONE_MAX + 1));
}

/* However many lie, half of the table is for nodes that came themselves. */
static void members_never_met_leave_room_for_those_that_come(void **state)
{
    size_t count = 0;

    (void)state;
    unchecked = true;
    for (uint64_t liar = 2; liar < 12; liar++) {
        struct thsi_identity who = named(liar, "liar", 1);

        assert_int_equal(link_up(&who), THS_OK);
        introduce(liar, liar * 1000, THSI_UNMET_OF_ONE_MAX);
    }
    assert_int_equal(thsi_membership_count(core), 11 + THSI_UNMET_MAX);
    while (thsi_membership_count(core) < THSI_MEMBERS_MAX) {
        struct thsi_identity who = named(100000 + count++, "real", 1);

        assert_int_equal(link_up(&who), THS_OK);
    }
    unchecked = false;
    assert_true(count >= THSI_MEMBERS_MAX - THSI_UNMET_MAX - 11);
}

static void member_never_met_is_given_up(void **state)
{
    (void)state;
    linked(2, "b", 1);
    introduce(2, 1000, THSI_UNMET_OF_ONE_MAX);
    pass_ms(6000, 2);
    assert_int_equal(thsi_membership_count(core), 2);
    introduce(2, 1000, THSI_UNMET_OF_ONE_MAX); /* told again: it was buried */
    assert_int_equal(thsi_membership_count(core), 2);
}

static void burials_of_the_never_met_displace_none_of_those_met(void **state)
{
    struct thsi_identity gone = node(5, "gone", 1);

    (void)state;
    linked(2, "b", 1);
    linked(5, "gone", 1);
    assert_int_equal(hear(2, gone, THS_MEMBER_DEAD), THS_OK);
    for (uint64_t uid = 1000; uid < 1000 + 2 * THSI_TOMBS_MAX; uid++)
        assert_int_equal(hear(2, named(uid, "n", 1), THS_MEMBER_DEAD), THS_OK);
    assert_buried(5, THS_MEMBER_DEAD);
    assert_int_equal(link_up(&gone), THS_NODE_LOST);
    assert_false(thsi_membership_is_buried(core, 1000 + 2 * THSI_TOMBS_MAX - 1 - THSI_TOMBS_UNMET_MAX, NULL));
    assert_true(thsi_membership_is_buried(core, 1000 + 2 * THSI_TOMBS_MAX - THSI_TOMBS_UNMET_MAX, NULL));
}

static void id_of_another_name_in_a_rumour_is_malformed(void **state)
{
    struct thsi_membership_options options = { .self = node(1, "self", 5), .seed = 1, .cluster = "thiasos" };
    struct thsi_identity who = node(3, "c", 1), other = who;

    (void)state;
    thsi_membership_destroy(core);
    core = thsi_membership_create(&env.env, &options, now_ns);
    assert_non_null(core);
    linked(2, "b", 1);
    thsi_cluster_node_id("thiasos", "c", who.id);
    thsi_cluster_node_id("thiasos", "d", other.id);
    assert_int_equal(hear(2, other, THS_MEMBER_UP), THS_MALFORMED);
    assert_int_equal(hear(2, other, THS_MEMBER_DEAD), THS_MALFORMED);
    assert_false(thsi_membership_is_buried(core, 3, NULL));
    thsi_cluster_node_id("another", "c", other.id);
    assert_int_equal(hear(2, other, THS_MEMBER_UP), THS_MALFORMED);
    assert_int_equal(thsi_membership_count(core), 2);
    assert_int_equal(hear(2, who, THS_MEMBER_UP), THS_OK);
    assert_state(3, THS_MEMBER_JOINING);
}

static void members_are_bounded(void **state)
{
    struct thsi_identity last = node(5000, "last", 1);

    (void)state;
    linked(2, "b", 1);
    unchecked = true;
    for (uint64_t uid = 10; thsi_membership_count(core) < THSI_MEMBERS_MAX; uid++) {
        struct thsi_identity who = named(uid, "n", 1);

        memset(who.roles, 'r', 200);
        assert_int_equal(link_up(&who), THS_OK);
    }
    unchecked = false;
    assert_int_equal(thsi_membership_count(core), THSI_MEMBERS_MAX);
    assert_int_equal(link_up(&last), THS_TOO_MANY);
    /* The table of a full cluster goes in packets that keep the bound. */
    linked(2, "b", 1);
    assert_in_range(update.sends_count, 4, 8);
    for (size_t i = 0; i < update.sends_count; i++)
        assert_true(update.sends[i].len <= THSI_GOSSIP_MAX);
}

static void memory_of_burials_is_bounded(void **state)
{
    (void)state;
    linked(2, "b", 1);
    for (uint64_t uid = 10; uid < 10 + THSI_TOMBS_MAX + 5; uid++) {
        linked(uid, "gone", uid);
        assert_int_equal(hear(2, node(uid, "gone", uid), THS_MEMBER_DEAD), THS_OK);
    }
    assert_false(thsi_membership_is_buried(core, 10, NULL));
    assert_true(thsi_membership_is_buried(core, 10 + THSI_TOMBS_MAX + 4, NULL));
}

static void lack_of_memory_is_answered_and_survived(void **state)
{
    struct thsi_identity b = node(2, "b", 1);
    struct thsi_membership_options options = { .self = b };

    (void)state;
    env.fail_at = 1, env.calls = 0;
    assert_null(thsi_membership_create(&env.env, &options, 0));
    env.fail_at = 0;
    TEST_ENV_EACH_FAILURE(&env, link_up(&b) == THS_OK)
    {
        assert_true(thsi_membership_alone(core));
        assert_int_equal(update.changes_count, 0);
    }
    assert_state(2, THS_MEMBER_UP);
    TEST_ENV_EACH_FAILURE(&env, hear(2, node(3, "c", 1), THS_MEMBER_UP) == THS_OK)
    {
        assert_null(thsi_membership_find(core, 3));
    }
    assert_non_null(thsi_membership_find(core, 3));
    /* What time brings is put off, not lost. */
    env.fail_at = 1, env.calls = 0;
    pass_ms(5000, 0);
    env.fail_at = 0;
    pass_ms(5000, 0);
    assert_buried(2, THS_MEMBER_DEAD);
    assert_buried(3, THS_MEMBER_DEAD);
}

/* ---- Facts: texts --------------------------------------------------------------------------- */

static void identity_and_refusal_come_back_as_they_went(void **state)
{
    struct thsi_identity went = node(UINT64_MAX, "name", UINT64_MAX), came;
    struct thsi_member_refusal refusal = { THS_SUPERSEDED, 77, 3 }, refused;
    struct thsi_packer packer;
    struct thsi_unpacker unpacker;

    (void)state;
    memset(went.name, 'n', sizeof went.name - 1);
    memset(went.roles, 'r', sizeof went.roles - 1);
    memset(went.scopes, 's', sizeof went.scopes - 1);
    memset(went.address, 'a', sizeof went.address - 1);
    went.incarnation = THSI_INCARNATION_MAX;
    thsi_packer_init(&packer, bytes, THSI_IDENTITY_PACKED_MAX);
    thsi_identity_pack(&went, &packer);
    assert_int_equal(thsi_packer_finish(&packer), THS_OK);
    thsi_unpacker_init(&unpacker, bytes, packer.len);
    thsi_identity_unpack(&came, &unpacker);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
    assert_memory_equal(&went, &came, sizeof went);

    thsi_packer_init(&packer, bytes, sizeof bytes);
    thsi_member_refusal_pack(&refusal, &packer);
    thsi_unpacker_init(&unpacker, bytes, packer.len);
    thsi_member_refusal_unpack(&refused, &unpacker);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
    assert_int_equal(refused.err, refusal.err);
    assert_int_equal(refused.boot, refusal.boot);
    assert_int_equal(refused.members, refusal.members);
}

static void refusal_for_a_reason_unknown_here_is_a_refusal(void **state)
{
    static const uint8_t newer[] = { 0x93, 0xcd, 0xff, 0xff, 0, 1 }, none[] = { 0x93, 0, 0, 1 };
    struct thsi_member_refusal refusal = { 0 };
    struct thsi_unpacker unpacker;

    (void)state;
    thsi_unpacker_init(&unpacker, newer, sizeof newer);
    thsi_member_refusal_unpack(&refusal, &unpacker);
    assert_int_equal(refusal.err, THS_REFUSED);
    thsi_unpacker_init(&unpacker, none, sizeof none);
    thsi_member_refusal_unpack(&refusal, &unpacker);
    assert_int_equal(refusal.err, THS_REFUSED);
}

/* ---- Facts: who may speak of others ----------------------------------------------------------- */

static enum ths_err hear_of_itself_only(uint64_t from, struct thsi_identity who, enum ths_member_state state)
{
    return step((struct thsi_membership_event){ .type = THSI_MEMBERSHIP_RECEIVED, .uid = from, .packet = bytes,
                                                .packet_len = rumour(&who, state), .of_itself_only = true });
}

static void member_without_the_right_says_nothing_of_others(void **state)
{
    static const enum ths_member_state states[] = { THS_MEMBER_SUSPECT, THS_MEMBER_LEAVING, THS_MEMBER_DEAD, THS_MEMBER_LEFT };

    (void)state;
    linked(2, "b", 1);
    linked(3, "c", 1);
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        assert_int_equal(hear_of_itself_only(2, with_incarnation(node(3, "c", 1), 9), states[i]), THS_OK);
        assert_state(3, THS_MEMBER_UP);
        assert_int_equal(hear_of_itself_only(2, with_incarnation(node(1, "self", 5), 9), states[i]), THS_OK);
        assert_int_equal(update.self_buried, THS_OK);
        assert_int_equal(hear_of_itself_only(2, node(7, "stranger", 1), states[i]), THS_OK);
        assert_null(thsi_membership_find(core, 7));
        assert_false(thsi_membership_is_buried(core, 7, NULL));
    }
    assert_int_equal(hear_of_itself_only(2, with_incarnation(node(3, "c", 1), 9), THS_MEMBER_UP), THS_OK);
    assert_true(thsi_membership_find(core, 3)->who.incarnation < 9);
}

static void member_without_the_right_may_introduce_whom_nobody_knows_and_speak_of_itself(void **state)
{
    (void)state;
    linked(2, "b", 1);
    linked(3, "c", 1);
    link_down(3, THSI_END_LOST);
    assert_int_equal(hear_of_itself_only(2, node(4, "d", 1), THS_MEMBER_UP), THS_OK);
    assert_state(4, THS_MEMBER_JOINING); /* until it has proved who it is */
    assert_int_equal(hear_of_itself_only(2, node(5, "c", 9), THS_MEMBER_UP), THS_OK);
    assert_null(thsi_membership_find(core, 5)); /* a newer boot of c would bury the one that is known */
    assert_state(3, THS_MEMBER_UP);
    assert_int_equal(hear_of_itself_only(2, with_incarnation(node(2, "b", 1), 4), THS_MEMBER_UP), THS_OK);
    assert_int_equal(thsi_membership_find(core, 2)->who.incarnation, 4);
}

static void rumours_change_neither_roles_nor_address_of_who_was_met(void **state)
{
    struct thsi_identity lie = with_incarnation(node(2, "b", 1), 50);

    (void)state;
    linked(2, "b", 1);
    (void)strcpy(lie.roles, "admin");
    (void)strcpy(lie.address, "elsewhere:1");
    (void)strcpy(lie.name, "z");
    assert_int_equal(hear(2, lie, THS_MEMBER_UP), THS_OK);
    assert_string_equal(thsi_membership_find(core, 2)->who.roles, node(2, "b", 1).roles);
    assert_string_equal(thsi_membership_find(core, 2)->who.address, node(2, "b", 1).address);
    assert_string_equal(thsi_membership_find(core, 2)->who.name, "b");
}

static void list_has_its_items_and_no_parts_of_them(void **state)
{
    (void)state;
    assert_true(thsi_list_has("counter, web", "web"));
    assert_true(thsi_list_has("counter", "counter"));
    assert_false(thsi_list_has("counter,web", "count"));
    assert_false(thsi_list_has("counter,web", "b"));
    assert_false(thsi_list_has("", "web"));
    assert_false(thsi_list_has("a,,b", ""));
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        FACT(member_without_the_right_says_nothing_of_others),
        FACT(member_without_the_right_may_introduce_whom_nobody_knows_and_speak_of_itself),
        FACT(rumours_change_neither_roles_nor_address_of_who_was_met),
        FACT(new_link_makes_a_member_and_gets_the_table),
        FACT(closed_link_is_dialed_at_once_and_is_no_burial),
        FACT(refused_dial_after_a_closed_link_buries_in_milliseconds),
        FACT(link_that_returns_within_the_short_suspicion_saves_the_member),
        FACT(failed_dial_of_a_linked_member_means_nothing),
        FACT(refused_dial_of_a_node_never_met_shortens_nothing),
        FACT(dials_back_off),
        FACT(smaller_uid_dials_first),
        FACT(one_of_two_links_survives_the_same_at_both_ends),
        FACT(only_a_higher_incarnation_ends_a_suspicion),
        FACT(suspicion_of_self_is_refuted_to_everybody),
        FACT(burial_is_final_whatever_the_incarnation),
        FACT(node_never_known_is_remembered_as_buried),
        FACT(node_that_hears_of_its_own_burial_is_inert),
        FACT(rumour_of_a_newer_boot_buries_the_older_one_without_link),
        FACT(leaving_is_left_when_heard_from_the_node_itself),
        FACT(signs_of_life_put_off_suspicion),
        FACT(node_that_was_not_run_gives_all_a_fresh_period),
        FACT(different_digests_for_long_have_the_table_sent_again),
        FACT(flood_of_heartbeats_has_the_table_sent_once),
        FACT(own_uid_name_and_id_are_refused),
        FACT(living_member_keeps_its_name),
        FACT(older_boot_is_superseded_and_hears_the_newest),
        FACT(superseded_node_takes_a_newer_boot_only_before_it_was_a_member),
        FACT(of_two_that_buried_each_other_the_smaller_party_yields),
        FACT(other_refusals_only_end_the_dial),
        FACT(leaving_node_admits_nobody),
        FACT(malformed_packet_closes_its_link),
        FACT(rumour_that_breaks_bounds_is_malformed),
        FACT(fields_of_a_newer_version_are_skipped),
        FACT(packet_of_a_node_without_link_is_ignored),
        FACT(one_member_introduces_no_more_than_its_share_of_those_never_met),
        FACT(members_never_met_leave_room_for_those_that_come),
        FACT(member_never_met_is_given_up),
        FACT(burials_of_the_never_met_displace_none_of_those_met),
        FACT(id_of_another_name_in_a_rumour_is_malformed),
        FACT(members_are_bounded),
        FACT(memory_of_burials_is_bounded),
        FACT(lack_of_memory_is_answered_and_survived),
        FACT(identity_and_refusal_come_back_as_they_went),
        FACT(refusal_for_a_reason_unknown_here_is_a_refusal),
        FACT(list_has_its_items_and_no_parts_of_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
