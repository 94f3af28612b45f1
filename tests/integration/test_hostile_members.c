/* Members that lie: all they say is well-formed, and none of it is so, or there is no end of it. The node refuses or closes the
 * link, holds bounded memory, and goes on serving its members. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/groups.h"
#include "cluster/root.h"
#include "node/node.h"
#include "tests/lib/puppet.h"
#include "tests/lib/siege.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Wait until the node has read all that the forger sent: its last words end an actor of that node. */
static void await_all_was_read(void)
{
    ths_ref last = puppet_spawn(siege.node, "last", (struct ths_spawn_options){ 0 });

    forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_KILL, .from = { 1, 1 },
                                                       .to = { last.slot, last.generation } });
    assert_true(forger_send(siege.forger));
    assert_ends(siege.node, last, KILLED);
}

/* ---- Gossip -------------------------------------------------------------------------------- */

/* The first closes the link, whose frame the others lie in. */
static void packets_behind_a_malformed_one_are_not_read(void **state)
{
    static const uint8_t broken[] = { 0x91, 0x7f };

    (void)state;
    siege_forger_joins();
    for (unsigned i = 0; i < 100; i++)
        forger_write_gossip(siege.forger, broken, sizeof broken);
    (void)forger_send(siege.forger);
    forger_await_close(siege.forger);
    siege_await_closed_for(THS_MALFORMED, 1);
    siege_members_are_served();
    assert_int_equal(siege_closed_for(THS_MALFORMED), 1);
}

/* Told on, it would make all others close their links with who tells it. */
static void incarnation_beyond_its_bound_does_not_come_in(void **state)
{
    (void)state;
    siege.forger->self.incarnation = UINT64_MAX;
    assert_int_equal(forger_dial(siege.forger, siege_port()), THS_CLOSED);
    siege_await_closed_for(THS_MALFORMED, 1);
    assert_int_equal(ths_cluster_members(siege.node, NULL, NULL), 2);
    siege_members_are_served();
}

static void uid_of_another_member_does_not_come_in(void **state)
{
    (void)state;
    siege.forger->self.uid = siege.bob.node;
    assert_int_equal(forger_dial(siege.forger, siege_port()), THS_REFUSED);
    siege_members_are_served();
    assert_int_equal(ths_cluster_members(siege.node, NULL, NULL), 2);
}

/* A container that comes back after a newer one has taken its place. */
static void older_boot_of_a_node_that_left_does_not_come_in(void **state)
{
    static const uint8_t leaving[] = { 0x92, THSI_GOSSIP_LEAVING, 1 };
    struct forger *old = siege.forger;

    (void)state;
    old->self.boot = 5;
    siege_forger_joins();
    forger_write_gossip(old, leaving, sizeof leaving);
    (void)forger_send(old);
    forger_await_close(old);
    forger_fini(old);
    forger_init(old, "mallory", 0x667);
    old->self.boot = 4;
    assert_int_equal(forger_dial(old, siege_port()), THS_SUPERSEDED);
    forger_fini(old);
    forger_init(old, "mallory", 0x668);
    old->self.boot = 6;
    siege_forger_joins();
}

static void write_fake_members(uint64_t first, unsigned count)
{
    static uint8_t packet[THSI_GOSSIP_MAX];
    struct thsi_packer packer;

    thsi_packer_init(&packer, packet, sizeof packet);
    thsi_pack_array(&packer, 2);
    thsi_pack_u64(&packer, 2);
    thsi_pack_array(&packer, count);
    for (unsigned i = 0; i < count; i++) {
        struct thsi_identity fake = { .uid = first + i, .boot = 1, .incarnation = 1, .address = "127.0.0.1:1" };
        (void)snprintf(fake.name, sizeof fake.name, "fake-%u", (unsigned)(first + i));
        thsi_cluster_node_id("thiasos", fake.name, fake.id);
        thsi_pack_array(&packer, 2);
        thsi_pack_u64(&packer, THS_MEMBER_UP);
        thsi_identity_pack(&fake, &packer);
    }
    assert_int_equal(thsi_packer_finish(&packer), THS_OK);
    forger_write_gossip(siege.forger, packet, packer.len);
}

/* The id says whose boots belong together: with another's, a made-up boot would take its place. */
static void rumour_with_the_id_of_another_name_is_malformed(void **state)
{
    struct thsi_identity fake = { .uid = 5, .boot = UINT32_MAX, .incarnation = 1, .name = "fake", .address = "127.0.0.1:1" };
    uint8_t packet[THSI_IDENTITY_PACKED_MAX + 16];
    struct thsi_packer packer;

    (void)state;
    siege_forger_joins();
    thsi_cluster_node_id("thiasos", "b", fake.id);
    thsi_packer_init(&packer, packet, sizeof packet);
    thsi_pack_array(&packer, 2);
    thsi_pack_u64(&packer, THSI_GOSSIP_MEMBERS);
    thsi_pack_array(&packer, 1);
    thsi_pack_array(&packer, 2);
    thsi_pack_u64(&packer, THS_MEMBER_UP);
    thsi_identity_pack(&fake, &packer);
    assert_int_equal(thsi_packer_finish(&packer), THS_OK);
    forger_write_gossip(siege.forger, packet, packer.len);
    (void)forger_send(siege.forger);
    forger_await_close(siege.forger);
    siege_await_closed_for(THS_MALFORMED, 1);
    siege_members_are_served();
}

static void ten_thousand_members_that_do_not_exist_are_bounded(void **state)
{
    struct rlimit limit, low;

    (void)state;
    /* As few descriptors as a shell gives: the node must not need one for each of them. */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = limit.rlim_cur < 1024 ? limit.rlim_cur : 1024;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    siege_forger_joins();
    for (unsigned i = 0; i < 100; i++) {
        write_fake_members(1000 + i * 100, 100);
        assert_true(forger_send(siege.forger));
        assert_true(forger_listen(siege.forger, false));
    }
    siege_members_are_served();
    assert_true(ths_cluster_members(siege.node, NULL, NULL) <= 3 + THSI_UNMET_OF_ONE_MAX);
    /* Strangers are accepted, at the latest when dials of what does not exist have come to nothing. */
    for (unsigned i = 0; i < 10; i++)
        (void)close(forger_connect(siege_port()));
    siege_members_are_served();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* ---- Another's words ------------------------------------------------------------------------ */

/* Of a sender only its place is said; the node is the one whose link it is. */
static void end_of_anothers_actor_is_not_believed(void **state)
{
    const struct thsi_actor_id here = { siege.alice.slot, siege.alice.generation };
    const struct thsi_actor_id as_bob = { siege.bob.slot, siege.bob.generation };

    (void)state;
    puppet_do(siege.node, siege.alice, puppet_traps, NULL);
    puppet_do(siege.node, siege.alice, puppet_monitors, &siege.bob);
    puppet_do(siege.node, siege.alice, puppet_links, &siege.bob);
    siege_forger_joins();
    for (uint64_t id = 0; id < 1000; id++)
        forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_DOWN, .from = as_bob, .to = here, .id = id,
                                                           .reason = THS_REASON_KILLED, .text = "so says mallory" });
    forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_EXIT, .from = as_bob, .to = here,
                                                       .reason = THS_REASON_KILLED, .text = "so says mallory" });
    await_all_was_read();
    puppet_settle(siege.node, siege.alice);
    assert_int_equal(probe_count(), 0);
}

/* ---- Floods -------------------------------------------------------------------------------- */

/* Each number of a type there is, none of which is known here. */
static void every_type_number_costs_bounded_memory(void **state)
{
    (void)state;
    siege_forger_joins();
    for (uint32_t i = 1; i <= THSI_TYPES_MAX; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "no.such.type.%u", (unsigned)i);
        forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_TYPE, .type_number = i, .text = name,
                                                           .version = 1, .fingerprint = i });
        if (i % 1024 == 0) {
            assert_true(forger_send(siege.forger));
            assert_true(forger_listen(siege.forger, false));
        }
    }
    siege_members_are_served();
    siege_memory_is_flat();
}

static void write_join(uint64_t version, unsigned group)
{
    uint8_t packet[128];
    struct thsi_packer packer;
    char name[32];

    (void)snprintf(name, sizeof name, "default/g%u", group);
    thsi_packer_init(&packer, packet, sizeof packet);
    thsi_pack_array(&packer, 7);
    thsi_pack_u64(&packer, THSI_GOSSIP_DELTA);
    thsi_pack_str(&packer, "default", 7);
    thsi_pack_u64(&packer, version);
    thsi_pack_str(&packer, name, (uint32_t)strlen(name));
    thsi_pack_u64(&packer, version); /* slot */
    thsi_pack_u64(&packer, 1);
    thsi_pack_u64(&packer, 1);
    assert_int_equal(thsi_packer_finish(&packer), THS_OK);
    forger_write_gossip(siege.forger, packet, packer.len);
}

static void more_groups_than_a_node_may_have_close_the_link(void **state)
{
    (void)state;
    siege_forger_joins();
    for (unsigned i = 1; i <= THSI_GROUP_NAMES_MAX + 1; i++) {
        write_join(i, i);
        if (i % 256 == 0)
            assert_true(forger_send(siege.forger));
    }
    (void)forger_send(siege.forger);
    forger_await_close(siege.forger);
    siege_await_closed_for(THS_MALFORMED, 1);
    siege_members_are_served();
}

static void flood_of_control_records_leaves_members_served(void **state)
{
    (void)state;
    siege_forger_joins();
    for (uint64_t i = 0; i < 100; i++) {
        for (uint64_t j = 0; j < 1000; j++)
            forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_MONITOR, .from = { 1, 1 },
                                                         .to = { siege.alice.slot, siege.alice.generation },
                                                         .id = i * 1000 + j });
        assert_true(forger_send(siege.forger));
        assert_true(forger_listen(siege.forger, false));
    }
    await_all_was_read();
    siege_members_are_served();
    puppet_settle(siege.node, siege.alice);
    assert_int_equal(thsi_table_at(&siege.node->table, siege.alice.slot)->rare->watchers.elsewhere, THSI_RELATIONS_ELSEWHERE_MAX);
    siege_memory_is_flat();
}

/* What only the runtime tells its actors: refused, whatever a member says. */
static void member_that_plays_the_runtime_is_refused(void **state)
{
    const struct thsi_actor_id here = { siege.alice.slot, siege.alice.generation };
    const struct ths_down down = { .who = siege.bob, .reason = THS_REASON_KILLED, .text = "so says mallory" };
    const struct ths_exited exited = { .who = siege.bob, .reason = THS_REASON_KILLED, .text = "so says mallory" };
    const struct { struct ths_type *type; const void *body; } lies[] = { { &ths_down_type, &down },
                                                                         { &ths_exited_type, &exited } };

    (void)state;
    siege_forger_joins();
    for (uint32_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        const struct thsi_type_info *info = thsi_type_intern(lies[i].type);

        forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_TYPE, .type_number = i + 1, .text = info->name,
                                                     .version = info->version, .fingerprint = info->fingerprint });
        forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_TELL, .from = { 1, 1 }, .to = here,
                                                     .type_number = i + 1, .type = info, .body = lies[i].body });
        forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_ASK, .from = { 1, 1 }, .to = here, .id = i + 1,
                                                     .remaining_ms = SIEGE_LIMIT_MS, .type_number = i + 1, .type = info,
                                                     .body = lies[i].body });
    }
    await_all_was_read();
    puppet_settle(siege.node, siege.alice);
    assert_int_equal(probe_count(), 0); /* a puppet notes what it hears of those */
    siege_members_are_served();
}

/* Each of many actors is asked for less than its own bound; the member's share is the bound. When it is gone, all is. */
static void links_and_monitors_of_one_member_are_bounded_over_all_actors(void **state)
{
    enum { ACTORS = 8, EACH = 40000 };
    ths_ref actors[ACTORS];
    uint32_t held = 0;
    (void)state;
    for (unsigned i = 0; i < ACTORS; i++)
        actors[i] = puppet_spawn(siege.node, "many", (struct ths_spawn_options){ 0 });
    siege_forger_joins();
    for (uint64_t i = 0; i < ACTORS * EACH; i++) {
        const ths_ref to = actors[i / EACH];

        forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_MONITOR, .from = { 1, 1 }, .id = i + 1,
                                                     .to = { to.slot, to.generation } });
        if (i % 1000 == 999) {
            assert_true(forger_send(siege.forger));
            assert_true(forger_listen(siege.forger, false));
        }
    }
    await_all_was_read();
    siege_members_are_served();
    for (unsigned i = 0; i < ACTORS; i++) {
        puppet_settle(siege.node, actors[i]);
        held += thsi_table_at(&siege.node->table, actors[i].slot)->rare->watchers.elsewhere;
    }
    assert_int_equal(held, THSI_RELATIONS_SHARE_MAX);
    siege_memory_is_flat();
    for (unsigned i = 0; i < ACTORS; i++) { /* their ends give the share back */
        puppet_do(siege.node, actors[i], puppet_stops, NULL);
        assert_ends(siege.node, actors[i], NORMAL);
    }
    assert_int_equal(siege.node->shares.map.count, 0);
}

static void requests_of_all_kinds_without_end_leave_memory_flat(void **state)
{
    (void)state;
    siege_forger_joins();
    for (uint64_t i = 0; i < 200; i++) {
        for (uint64_t j = 0; j < 1000; j++) {
            forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_LOOKUP, .from = { 1, 1 }, .id = j,
                                                         .text = "nobody", .remaining_ms = 1000000 });
            forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_SPAWN, .from = { 1, 1 }, .id = j,
                                                         .text = "no.such.behaviour", .remaining_ms = 1000000 });
            forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_MONITOR, .from = { 1, 1 }, .id = j,
                                                         .to = { 77, 77 } });
        }
        assert_true(forger_send(siege.forger)); /* and never listens: the answers stay with the node */
    }
    siege_members_are_served();
    siege_memory_is_flat();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        siege_test(packets_behind_a_malformed_one_are_not_read),
        siege_test(incarnation_beyond_its_bound_does_not_come_in),
        siege_test(uid_of_another_member_does_not_come_in),
        siege_test(older_boot_of_a_node_that_left_does_not_come_in),
        siege_test(rumour_with_the_id_of_another_name_is_malformed),
        siege_test(ten_thousand_members_that_do_not_exist_are_bounded),
        siege_test(end_of_anothers_actor_is_not_believed),
        siege_test(every_type_number_costs_bounded_memory),
        siege_test(more_groups_than_a_node_may_have_close_the_link),
        siege_test(flood_of_control_records_leaves_members_served),
        siege_test(member_that_plays_the_runtime_is_refused),
        siege_test(links_and_monitors_of_one_member_are_bounded_over_all_actors),
        siege_test(requests_of_all_kinds_without_end_leave_memory_flat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
