/* Gossip: packets as the cores of membership and groups make them, on a clock that stands at one second. */

#include "tests/lib/vectors.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "cluster/groups.h"
#include "cluster/membership.h"
#include "tests/lib/test_env.h"

#define SECOND UINT64_C(1000000000)

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void add(json_t *all, const char *name, const void *packet, size_t len)
{
    (void)json_array_append_new(all, json_pack("{s:s,s:o,s:o}", "name", name, "value", vectors_value(packet, len), "bytes",
                                               vectors_hex(packet, len)));
}

/* ---- Membership --------------------------------------------------------------------------- */

/* With its id in the cluster of vectors.c. */
static struct thsi_identity member(const char *name)
{
    struct thsi_identity who = vectors_identity(name);

    thsi_cluster_node_id("thiasos", name, who.id);
    return who;
}

static struct thsi_membership_update step(struct thsi_membership *core, struct thsi_membership_event event)
{
    struct thsi_membership_update update;

    event.now_ns = SECOND;
    must(thsi_membership_step(core, &event, &update) == THS_OK);
    return update;
}

/* What "b" sends when "a" comes up, is suspected by a third, and when it leaves. */
static void add_membership(json_t *all, struct ths_env *env)
{
    const struct thsi_membership_options options = { .self = member("b"), .seed = 1 };
    const struct thsi_identity a = member("a");
    struct thsi_membership *core = thsi_membership_create(env, &options, SECOND);
    struct thsi_membership_update update;

    must(core != NULL);
    (void)step(core, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_TIME_PASSED });
    update = step(core, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_LINK_UP, .uid = a.uid, .identity = &a });
    must(update.sends_count >= 2);
    add(all, "MEMBERS: the table on a new link", update.sends[0].packet, update.sends[0].len);
    add(all, "HEARTBEAT", update.sends[1].packet, update.sends[1].len);
    update = step(core, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_LEAVE });
    must(update.sends_count == 1);
    add(all, "LEAVING", update.sends[0].packet, update.sends[0].len);
    thsi_membership_destroy(core);
}

/* A burial that is told on: address, roles and scopes of the dead are empty. */
static void add_burial(json_t *all, struct ths_env *env)
{
    const struct thsi_membership_options options = { .self = member("b"), .seed = 1 };
    const struct thsi_identity a = member("a");
    struct thsi_identity c = member("c");
    struct thsi_membership *core = thsi_membership_create(env, &options, SECOND);
    struct thsi_membership_update update;
    struct thsi_packer packer;
    uint8_t packet[1024];

    must(core != NULL);
    c.uid = 3;
    (void)step(core, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_TIME_PASSED });
    (void)step(core, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_LINK_UP, .uid = a.uid, .identity = &a });
    (void)step(core, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_LINK_UP, .uid = c.uid, .identity = &c });
    thsi_packer_init(&packer, packet, sizeof packet);
    thsi_pack_array(&packer, 2);
    thsi_pack_u64(&packer, THSI_GOSSIP_LEAVING);
    thsi_pack_u64(&packer, 2);
    (void)step(core, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_RECEIVED, .uid = c.uid, .packet = packet,
                                                     .packet_len = packer.len });
    update = step(core, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_LINK_UP, .uid = a.uid, .identity = &a });
    must(update.sends_count >= 1);
    add(all, "MEMBERS: with one that left", update.sends[0].packet, update.sends[0].len);
    thsi_membership_destroy(core);
}

static void add_refusal(json_t *all)
{
    const struct thsi_member_refusal refusal = { .err = THS_SUPERSEDED, .boot = 1000, .members = 3 };
    struct thsi_packer packer;
    uint8_t packet[64];

    thsi_packer_init(&packer, packet, sizeof packet);
    thsi_member_refusal_pack(&refusal, &packer);
    add(all, "refusal behind a BYE", packet, packer.len);
}

/* ---- Groups ------------------------------------------------------------------------------- */

static void add_groups(json_t *all, struct ths_env *env)
{
    enum { OWN = 11, OTHER = 12 };
    const ths_ref first = { OWN, 5, 1 }, second = { OWN, 70000, 3 };
    struct thsi_groups *core = thsi_groups_create(env, OWN, "default", 1, SECOND);
    struct thsi_groups *other = thsi_groups_create(env, OTHER, "default", 1, SECOND);
    struct thsi_groups_update update;
    uint8_t late[512];
    size_t late_len;

    must(core && other);
    must(thsi_groups_link_up(core, OTHER, "default", &update) == THS_OK && update.sends_count == 1);
    add(all, "SNAPSHOT without entries", update.sends[0].packet, update.sends[0].len);
    must(thsi_groups_join(core, "default/workers", first, 1, &update) == THS_OK && update.sends_count == 1);
    add(all, "DELTA: joins", update.sends[0].packet, update.sends[0].len);
    must(thsi_groups_join(core, "default/workers", second, 300, &update) == THS_OK && update.sends_count == 1);
    late_len = update.sends[0].len;
    must(late_len <= sizeof late);
    memcpy(late, update.sends[0].packet, late_len);
    must(thsi_groups_link_up(core, OTHER, "default", &update) == THS_OK && update.sends_count == 1);
    add(all, "SNAPSHOT", update.sends[0].packet, update.sends[0].len);
    thsi_groups_time_passed(core, SECOND + THSI_GROUP_DIGEST_NS, &update);
    must(update.sends_count == 1);
    add(all, "DIGEST", update.sends[0].packet, update.sends[0].len);
    must(thsi_groups_leave(core, "default/workers", first, &update) == THS_OK && update.sends_count == 1);
    add(all, "DELTA: leaves", update.sends[0].packet, update.sends[0].len);
    must(thsi_groups_link_up(other, OWN, "default", &update) == THS_OK);
    must(thsi_groups_receive(other, OWN, late, late_len, &update) == THS_OK && update.sends_count == 1);
    add(all, "REPAIR", update.sends[0].packet, update.sends[0].len);
    thsi_groups_destroy(core);
    thsi_groups_destroy(other);
}

json_t *vectors_packets(void)
{
    struct test_env env;
    json_t *all = json_array();

    test_env_init(&env, 1);
    add_membership(all, &env.env);
    add_burial(all, &env.env);
    add_refusal(all);
    add_groups(all, &env.env);
    must(env.blocks == 0);
    return all;
}

/* The two digests of the packets above are sums of mixed numbers: what mix makes of some. */
json_t *vectors_digests(void)
{
    const uint64_t inputs[] = { 0, 1, 2, UINT64_MAX, 0x1122334455667788 };
    json_t *all = json_array();

    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        char in[17], out[17];
        (void)snprintf(in, sizeof in, "%016llx", (unsigned long long)inputs[i]);
        (void)snprintf(out, sizeof out, "%016llx", (unsigned long long)thsi_mix(inputs[i]));
        (void)json_array_append_new(all, json_pack("{s:s,s:s}", "mix", in, "is", out));
    }
    return all;
}
