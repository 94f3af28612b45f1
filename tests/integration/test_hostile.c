/* What reaches a node's port from those who wish it no good: strangers with plain sockets, and peers that hold the key
 * and keep no rule. The node closes the link, counts why, holds bounded memory, and goes on serving its members. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/root.h"
#include "node/node.h"
#include "tests/lib/forger.h"
#include "tests/lib/puppet.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LONG_MS = 120000, FLAT_KIB = 512 * 1024, STRANGERS = 400 }; /* the sanitizer keeps what was freed */
#else
enum { LONG_MS = 60000, FLAT_KIB = 32 * 1024, STRANGERS = 5000 };
#endif

/* ---- Two nodes, a forger ------------------------------------------------------------------ */

static struct ths_node *node, *other;
static ths_ref alice, bob;
static struct forger *forger;

static struct ths_node *start(const char *name, const char *seeds)
{
    struct ths_node *started = ths_node_start(&(struct ths_node_options){ .name = name, .workers = 1 });

    assert_non_null(started);
    /* Slow to suspect: a test that floods is not about that. */
    assert_int_equal(ths_cluster_join(started, &(struct ths_cluster_options){ .bind = "tcp://127.0.0.1:0",
                                                                              .seeds = seeds,
                                                                              .suspect_ms = 20000 },
                                      NULL, 0),
                     THS_OK);
    return started;
}

static unsigned port(void)
{
    return (unsigned)atoi(strrchr(ths_cluster_endpoint(node), ':') + 1);
}

/* The member b is found from here: links, records and names work. */
static void members_are_served(void)
{
    assert_true(ths_ref_equal(ths_whereis(node, "bob@b", LONG_MS), bob));
}

static int set_up(void **state)
{
    (void)state;
    probe_reset();
    node = start("a", "");
    other = start("b", ths_cluster_endpoint(node) + strlen("tcp://"));
    alice = puppet_spawn(node, "alice", (struct ths_spawn_options){ .name = "alice" });
    bob = puppet_spawn(other, "bob", (struct ths_spawn_options){ .name = "bob" });
    members_are_served();
    forger = calloc(1, sizeof *forger);
    assert_non_null(forger);
    forger_init(forger, "mallory", 0x666);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    forger_fini(forger);
    free(forger);
    ths_node_stop(other, 1000);
    ths_node_stop(node, 1000);
    return 0;
}

static uint64_t now_ms(void)
{
    return ths_env_os()->now_ns(ths_env_os()) / 1000000;
}

static uint64_t closed_for(enum ths_err err)
{
    return atomic_load(&thsi_cluster_of(node)->driver->closed_for[err]);
}

static void await_closed_for(enum ths_err err, uint64_t count)
{
    uint64_t until_ms = now_ms() + LONG_MS;

    while (closed_for(err) < count) {
        if (now_ms() > until_ms)
            fail_msg("not %u links were closed for %s", (unsigned)count, ths_err_name(err));
        (void)sched_yield();
    }
}

static size_t resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size, resident;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    (void)fclose(file);
    return resident * 4;
}

static void joined(void)
{
    assert_int_equal(forger_dial(forger, port()), THS_OK);
}

/* ---- Strangers ---------------------------------------------------------------------------- */

/* The node closes all but its fixed number of places, so each new stranger costs an old one its place. */
static void thousands_of_silent_connections_leave_memory_flat_and_members_served(void **state)
{
    static int fds[STRANGERS];
    unsigned count = STRANGERS;
    struct rlimit limit;
    size_t before;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * STRANGERS + 300)
        count = (unsigned)(limit.rlim_cur - 300) / 2;
    before = resident_kib();
    for (unsigned i = 0; i < count; i++) {
        fds[i] = forger_connect(port());
        if (i % 500 == 0)
            members_are_served();
    }
    await_closed_for(THS_TOO_MANY, count - THSI_UNVERIFIED_MAX);
    assert_true(resident_kib() < before + FLAT_KIB);
    members_are_served();
    for (unsigned i = 0; i < count; i++)
        (void)close(fds[i]);
}

/* The first message of a node, as a stranger may have recorded it. */
static size_t record_hello(uint8_t *hello)
{
    uint8_t random[THSI_LINK_RANDOM_SIZE] = { 7 };
    struct thsi_link_core link;
    struct thsi_keyring keys;
    size_t len;

    thsi_keyring_none(&keys);
    assert_int_equal(thsi_link_init(&link, ths_env_os(), true, &keys, "thiasos", &forger->self, NULL), THS_OK);
    assert_int_equal(thsi_link_start(&link, random), THS_OK);
    len = link.out_len;
    memcpy(hello, link.out, len);
    thsi_link_fini(&link);
    return len;
}

/* All that the node says until it closes the connection. */
static size_t receive_all(int fd, uint8_t *out, size_t size)
{
    struct pollfd there = { .fd = fd, .events = POLLIN };
    size_t len = 0;
    ssize_t got;

    do {
        assert_int_equal(poll(&there, 1, LONG_MS), 1);
        got = recv(fd, out + len, size - len, 0);
        len += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    (void)close(fd);
    return len;
}

static void another_protocol_version_is_refused_with_those_spoken_here(void **state)
{
    uint8_t hello[THSI_HANDSHAKE_FRAME_MAX], refusal[THSI_HANDSHAKE_FRAME_MAX];
    size_t len = record_hello(hello);
    int fd = forger_connect(port());

    (void)state;
    thsi_put_u16(hello + 9, 7);
    thsi_put_u16(hello + 11, 9);
    assert_int_equal(send(fd, hello, len, MSG_NOSIGNAL), len);
    assert_true(receive_all(fd, refusal, sizeof refusal) >= 15);
    assert_int_equal(refusal[4], THSI_FRAME_REFUSAL);
    assert_int_equal(thsi_get_u16(refusal + 9), THSI_VERSION_MIN);
    assert_int_equal(thsi_get_u16(refusal + 11), THSI_VERSION_MAX);
    assert_int_equal(thsi_get_u16(refusal + 13), THS_BAD_VERSION);
    await_closed_for(THS_BAD_VERSION, 1);
}

/* A recording is answered once, and nothing that can be said behind it opens. */
static void recorded_handshake_opens_nothing(void **state)
{
    uint8_t hello[THSI_HANDSHAKE_FRAME_MAX], answer[THSI_HANDSHAKE_FRAME_MAX];
    uint8_t proof[THSI_SEALED_OVERHEAD] = { 0, 0, 0, THSI_SEALED_OVERHEAD - THSI_LENGTH_SIZE, THSI_FRAME_SEALED };
    size_t len = record_hello(hello);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        int fd = forger_connect(port());
        assert_int_equal(send(fd, hello, len, MSG_NOSIGNAL), len);
        assert_int_equal(send(fd, proof, sizeof proof, MSG_NOSIGNAL), sizeof proof);
        (void)receive_all(fd, answer, sizeof answer);
        assert_int_equal(answer[4], THSI_FRAME_HELLO2);
    }
    await_closed_for(THS_FORGED, 3);
    assert_int_equal(ths_cluster_members(node, NULL, NULL), 2);
}

/* ---- Sealed frames that were touched on their way ------------------------------------------ */

static void write_bye(void)
{
    forger_write(forger, (struct thsi_envelope){ .kind = THSI_RECORD_BYE });
}

static void frame_with_one_bit_flipped_is_forged(void **state)
{
    size_t len;

    (void)state;
    joined();
    write_bye();
    len = forger_seal(forger, THSI_LANE_SIGNALS);
    forger->bytes[THSI_SEALED_HEADER_SIZE] ^= 4;
    (void)forger_send_bytes(forger, len);
    forger_await_close(forger);
    await_closed_for(THS_FORGED, 1);
    members_are_served();
}

static void frame_that_comes_twice_is_a_replay(void **state)
{
    size_t len;

    (void)state;
    joined();
    write_bye();
    len = forger_seal(forger, THSI_LANE_SIGNALS);
    (void)forger_send_bytes(forger, len);
    (void)forger_send_bytes(forger, len);
    forger_await_close(forger);
    await_closed_for(THS_REPLAYED, 1);
    members_are_served();
}

static void frame_that_was_skipped_is_a_gap(void **state)
{
    (void)state;
    joined();
    write_bye();
    (void)forger_seal(forger, THSI_LANE_SIGNALS);
    write_bye();
    (void)forger_send(forger);
    forger_await_close(forger);
    await_closed_for(THS_GAP, 1);
    members_are_served();
}

/* It would make the node forget what it has to send again. */
static void acknowledgement_of_what_was_never_sent_is_malformed(void **state)
{
    size_t len;

    (void)state;
    joined();
    write_bye();
    len = forger->payload.len;
    assert_int_equal(thsi_session_seal(&forger->link.session, 0, THSI_LANE_SIGNALS, UINT64_MAX, forger->bytes, len),
                     THS_OK);
    (void)forger_send_bytes(forger, len + THSI_SEALED_OVERHEAD);
    forger_await_close(forger);
    await_closed_for(THS_MALFORMED, 1);
    members_are_served();
}

/* Who says that its next frame has another key must use that. */
static void frame_of_the_old_key_behind_a_change_is_forged(void **state)
{
    struct thsi_keyring keys;
    uint8_t fingerprint[THSI_KEY_ID_SIZE];

    (void)state;
    joined();
    thsi_keyring_none(&keys);
    thsi_cluster_key_fingerprint(&keys.keys[0], fingerprint);
    forger_write(forger, (struct thsi_envelope){ .kind = THSI_RECORD_KEY, .bytes = fingerprint,
                                                 .bytes_len = sizeof fingerprint });
    (void)forger_send(forger);
    write_bye();
    (void)forger_send(forger);
    forger_await_close(forger);
    await_closed_for(THS_FORGED, 1);
    members_are_served();
}

/* ---- Records that break the protocol ------------------------------------------------------- */

struct breach {
    const char *what;
    size_t len;
    const char *bytes;
    enum ths_err err;
};

#define BREACH(what, bytes, err) { what, sizeof(bytes) - 1, bytes, err }

static const struct breach breaches[] = {
    BREACH("no record", "\xc1", THS_MALFORMED),
    BREACH("no kind", "\x90", THS_MALFORMED),
    BREACH("unknown kind", "\x91\x7f", THS_MALFORMED),
    BREACH("kind beyond 32 bits", "\x91\xcf\x00\x00\x00\x01\x00\x00\x00\x01", THS_MALFORMED),
    BREACH("more elements than bytes", "\xdd\xff\xff\xff\xff\x01", THS_MALFORMED),
    BREACH("cut", "\x97\x01\x01\x02", THS_MALFORMED),
    BREACH("tell without a body", "\x96\x01\x01\x02\x03\x04\x00", THS_MALFORMED),
    BREACH("type never announced", "\x97\x01\x01\x02\x03\x04\x05\x90", THS_MALFORMED),
    BREACH("type number zero", "\x95\x20\x00\xa1x\x01\x01", THS_MALFORMED),
    BREACH("type number too large", "\x95\x20\xce\x00\x01\x00\x01\xa1x\x01\x01", THS_MALFORMED),
    BREACH("type refused that was never announced", "\x95\x21\xcd\xff\xff\x01\x01\x01", THS_MALFORMED),
    BREACH("too deep", "\x92\x24\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x00",
           THS_MALFORMED),
    BREACH("skipped field too deep",
           "\x93\x24\x00\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x00",
           THS_MALFORMED),
    BREACH("name that is not UTF-8", "\x98\x0b\x01\x02\x03\x04\x05\xc0\xa2\xc3\x28", THS_MALFORMED),
    BREACH("name with a NUL", "\x98\x0b\x01\x02\x03\x04\x05\xc0\xa2x\x00", THS_MALFORMED),
    BREACH("control record number zero", "\x96\x07\x00\x01\x02\x03\x04", THS_MALFORMED),
    BREACH("odd receivers", "\x95\x22\x01\x02\x93\x03\x04\x05\x00", THS_MALFORMED),
    BREACH("slot beyond 32 bits", "\x97\x01\x01\x02\xcf\x00\x00\x00\x01\x00\x00\x00\x00\x04\x05\x90", THS_MALFORMED),
    BREACH("packet that is no bytes", "\x92\x23\xa1x", THS_MALFORMED),
    BREACH("packet of an unknown kind", "\x92\x23\xc4\x02\x91\x7f", THS_MALFORMED),
    BREACH("empty packet", "\x92\x23\xc4\x00", THS_MALFORMED),
    BREACH("group packet of no scope of ours", "\x92\x23\xc4\x05\x92\x13\xa2no", THS_MALFORMED),
    BREACH("group packet with generation zero",
           "\x92\x23\xc4\x11\x97\x10\xa7" "default\x01\xa1g\x05\x00\x01", THS_MALFORMED),
    BREACH("no fingerprint", "\x92\x25\xc4\x00", THS_MALFORMED),
    BREACH("half a fingerprint", "\x92\x25\xc4\x0c" "12345678" "1234", THS_MALFORMED),
    BREACH("more fingerprints than keys", "\x92\x25\xc4\x20" "12345678" "12345678" "12345678" "12345678", THS_TOO_BIG),
    BREACH("change to no key", "\x92\x26\xa1x", THS_MALFORMED),
    BREACH("change to two keys", "\x92\x26\xc4\x10" "12345678" "12345678", THS_MALFORMED),
    BREACH("change to a key that is not held", "\x92\x26\xc4\x08" "12345678", THS_BAD_KEY),
};

static void records_that_break_the_protocol_close_the_link(void **state)
{
    uint64_t counts[32] = { 0 }; /* by error */

    (void)state;
    for (size_t i = 0; i < sizeof breaches / sizeof breaches[0]; i++) {
        print_message("%s\n", breaches[i].what);
        joined();
        forger_write_bytes(forger, breaches[i].bytes, breaches[i].len);
        (void)forger_send(forger);
        forger_await_close(forger);
        forger_fini(forger);
        await_closed_for(breaches[i].err, ++counts[breaches[i].err]);
    }
    members_are_served();
}

static void too_long_name_closes_the_link(void **state)
{
    static const uint8_t lookup[] = { 0x98, 0x0b, 1, 2, 3, 4, 5, 0xc0, 0xd9, 200 };
    char name[200];

    (void)state;
    memset(name, 'x', sizeof name);
    joined();
    forger_write_bytes(forger, lookup, sizeof lookup);
    forger_write_bytes(forger, name, sizeof name);
    (void)forger_send(forger);
    forger_await_close(forger);
    await_closed_for(THS_TOO_BIG, 1);
    members_are_served();
}

/* Every kind with all its numbers as large as they can be, to an actor that lives and to slots that never were. */
static void numbers_at_their_limits_do_no_harm(void **state)
{
    static const struct thsi_actor_id nowhere[] = { { UINT32_MAX, UINT32_MAX }, { 0, 0 }, { 0, UINT32_MAX } };
    const struct thsi_actor_id here = { alice.slot, alice.generation };

    (void)state;
    joined();
    for (unsigned kind = THSI_RECORD_ASK; kind <= THSI_RECORD_REFUSED; kind++) {
        struct thsi_envelope most = { .kind = (enum thsi_record_kind)kind, .from = { UINT32_MAX, UINT32_MAX },
                                      .id = UINT64_MAX, .remaining_ms = UINT64_MAX - 1, .fence = UINT64_MAX,
                                      .incarnation = UINT32_MAX, .child = UINT32_MAX, .mailbox = UINT32_MAX,
                                      .err = UINT32_MAX, .reason = UINT32_MAX, .certainty = UINT32_MAX,
                                      .text = "x", .name = "y" };
        if (kind == THSI_RECORD_ASK || kind == THSI_RECORD_KILL || kind == THSI_RECORD_EXIT)
            continue; /* an ask needs a body; the others are the right of any member */
        most.to = here;
        forger_write(forger, most);
        most.from.generation = 0;
        forger_write(forger, most);
        for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
            most.to = nowhere[i];
            forger_write(forger, most);
        }
    }
    assert_true(forger_send(forger));
    assert_true(forger_listen(forger, true)); /* the answers: it read all of it */
    puppet_settle(node, alice);
    members_are_served();
    assert_int_equal(closed_for(THS_MALFORMED), 0);
}

/* ---- Gossip -------------------------------------------------------------------------------- */

/* The first closes the link, whose frame the others lie in. */
static void packets_behind_a_malformed_one_are_not_read(void **state)
{
    static const uint8_t broken[] = { 0x91, 0x7f };

    (void)state;
    joined();
    for (unsigned i = 0; i < 100; i++)
        forger_write_gossip(forger, broken, sizeof broken);
    (void)forger_send(forger);
    forger_await_close(forger);
    await_closed_for(THS_MALFORMED, 1);
    members_are_served();
    assert_int_equal(closed_for(THS_MALFORMED), 1);
}

/* Told on, it would make all others close their links with who tells it. */
static void incarnation_beyond_its_bound_does_not_come_in(void **state)
{
    (void)state;
    forger->self.incarnation = UINT64_MAX;
    assert_int_equal(forger_dial(forger, port()), THS_CLOSED);
    await_closed_for(THS_MALFORMED, 1);
    assert_int_equal(ths_cluster_members(node, NULL, NULL), 2);
    members_are_served();
}

static void uid_of_another_member_does_not_come_in(void **state)
{
    (void)state;
    forger->self.uid = bob.node;
    assert_int_equal(forger_dial(forger, port()), THS_REFUSED);
    members_are_served();
    assert_int_equal(ths_cluster_members(node, NULL, NULL), 2);
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
    forger_write_gossip(forger, packet, packer.len);
}

/* The id says whose boots belong together: with another's, a made-up boot would take its place. */
static void rumour_with_the_id_of_another_name_is_malformed(void **state)
{
    struct thsi_identity fake = { .uid = 5, .boot = UINT32_MAX, .incarnation = 1, .name = "fake", .address = "127.0.0.1:1" };
    uint8_t packet[THSI_IDENTITY_PACKED_MAX + 16];
    struct thsi_packer packer;

    (void)state;
    joined();
    thsi_cluster_node_id("thiasos", "b", fake.id);
    thsi_packer_init(&packer, packet, sizeof packet);
    thsi_pack_array(&packer, 2);
    thsi_pack_u64(&packer, THSI_GOSSIP_MEMBERS);
    thsi_pack_array(&packer, 1);
    thsi_pack_array(&packer, 2);
    thsi_pack_u64(&packer, THS_MEMBER_UP);
    thsi_identity_pack(&fake, &packer);
    assert_int_equal(thsi_packer_finish(&packer), THS_OK);
    forger_write_gossip(forger, packet, packer.len);
    (void)forger_send(forger);
    forger_await_close(forger);
    await_closed_for(THS_MALFORMED, 1);
    members_are_served();
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
    joined();
    for (unsigned i = 0; i < 100; i++) {
        write_fake_members(1000 + i * 100, 100);
        assert_true(forger_send(forger));
        assert_true(forger_listen(forger, false));
    }
    members_are_served();
    assert_true(ths_cluster_members(node, NULL, NULL) <= 3 + THSI_UNMET_OF_ONE_MAX);
    /* Strangers are accepted, at the latest when dials of what does not exist have come to nothing. */
    for (unsigned i = 0; i < 10; i++)
        (void)close(forger_connect(port()));
    members_are_served();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* ---- Floods -------------------------------------------------------------------------------- */

static void flood_of_control_records_leaves_members_served(void **state)
{
    size_t before = resident_kib();

    (void)state;
    joined();
    for (uint64_t i = 0; i < 100; i++) {
        for (uint64_t j = 0; j < 1000; j++)
            forger_write(forger, (struct thsi_envelope){ .kind = THSI_RECORD_MONITOR, .from = { 1, 1 },
                                                         .to = { alice.slot, alice.generation },
                                                         .id = i * 1000 + j });
        assert_true(forger_send(forger));
        assert_true(forger_listen(forger, false));
    }
    members_are_served();
    puppet_settle(node, alice);
    assert_int_equal(thsi_table_at(&node->table, alice.slot)->rare->watchers.elsewhere, THSI_RELATIONS_ELSEWHERE_MAX);
    assert_true(resident_kib() < before + FLAT_KIB);
}

/* What only the runtime tells its actors: refused, whatever a member says. */
static void member_that_plays_the_runtime_is_refused(void **state)
{
    const struct thsi_actor_id here = { alice.slot, alice.generation };
    const struct ths_down down = { .who = bob, .reason = THS_REASON_KILLED, .text = "so says mallory" };
    const struct ths_exited exited = { .who = bob, .reason = THS_REASON_KILLED, .text = "so says mallory" };
    const struct { struct ths_type *type; const void *body; } lies[] = { { &ths_down_type, &down },
                                                                         { &ths_exited_type, &exited } };

    (void)state;
    joined();
    for (uint32_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        const struct thsi_type_info *info = thsi_type_intern(lies[i].type);

        forger_write(forger, (struct thsi_envelope){ .kind = THSI_RECORD_TYPE, .type_number = i + 1, .text = info->name,
                                                     .version = info->version, .fingerprint = info->fingerprint });
        forger_write(forger, (struct thsi_envelope){ .kind = THSI_RECORD_TELL, .from = { 1, 1 }, .to = here,
                                                     .type_number = i + 1, .type = info, .body = lies[i].body });
        forger_write(forger, (struct thsi_envelope){ .kind = THSI_RECORD_ASK, .from = { 1, 1 }, .to = here, .id = i + 1,
                                                     .remaining_ms = LONG_MS, .type_number = i + 1, .type = info,
                                                     .body = lies[i].body });
    }
    assert_true(forger_send(forger));
    assert_true(forger_listen(forger, true)); /* the refusals: it read all of it */
    puppet_settle(node, alice);
    assert_int_equal(probe_count(), 0); /* a puppet notes what it hears of those */
    members_are_served();
}

/* Each of many actors is asked for less than its own bound; the member's share is the bound. When it is gone, all is. */
static void links_and_monitors_of_one_member_are_bounded_over_all_actors(void **state)
{
    enum { ACTORS = 8, EACH = 40000 };
    ths_ref actors[ACTORS];
    uint32_t held = 0;
    size_t before;

    (void)state;
    for (unsigned i = 0; i < ACTORS; i++)
        actors[i] = puppet_spawn(node, "many", (struct ths_spawn_options){ 0 });
    joined();
    before = resident_kib();
    for (uint64_t i = 0; i < ACTORS * EACH; i++) {
        const ths_ref to = actors[i / EACH];

        forger_write(forger, (struct thsi_envelope){ .kind = THSI_RECORD_MONITOR, .from = { 1, 1 }, .id = i + 1,
                                                     .to = { to.slot, to.generation } });
        if (i % 1000 == 999) {
            assert_true(forger_send(forger));
            assert_true(forger_listen(forger, false));
        }
    }
    members_are_served();
    for (unsigned i = 0; i < ACTORS; i++) {
        puppet_settle(node, actors[i]);
        held += thsi_table_at(&node->table, actors[i].slot)->rare->watchers.elsewhere;
    }
    assert_int_equal(held, THSI_RELATIONS_SHARE_MAX);
    assert_true(resident_kib() < before + FLAT_KIB);
    for (unsigned i = 0; i < ACTORS; i++) { /* their ends give the share back */
        puppet_do(node, actors[i], puppet_stops, NULL);
        assert_ends(node, actors[i], NORMAL);
    }
    assert_int_equal(node->shares.map.count, 0);
}

static void requests_of_all_kinds_without_end_leave_memory_flat(void **state)
{
    size_t before;

    (void)state;
    joined();
    before = resident_kib();
    for (uint64_t i = 0; i < 200; i++) {
        for (uint64_t j = 0; j < 1000; j++) {
            forger_write(forger, (struct thsi_envelope){ .kind = THSI_RECORD_LOOKUP, .from = { 1, 1 }, .id = j,
                                                         .text = "nobody", .remaining_ms = 1000000 });
            forger_write(forger, (struct thsi_envelope){ .kind = THSI_RECORD_SPAWN, .from = { 1, 1 }, .id = j,
                                                         .text = "no.such.behaviour", .remaining_ms = 1000000 });
            forger_write(forger, (struct thsi_envelope){ .kind = THSI_RECORD_MONITOR, .from = { 1, 1 }, .id = j,
                                                         .to = { 77, 77 } });
        }
        assert_true(forger_send(forger)); /* and never listens: the answers stay with the node */
    }
    members_are_served();
    assert_true(resident_kib() < before + FLAT_KIB + 32 * 1024); /* what waits for one peer is bounded to that */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(thousands_of_silent_connections_leave_memory_flat_and_members_served),
        TEST(another_protocol_version_is_refused_with_those_spoken_here),
        TEST(recorded_handshake_opens_nothing),
        TEST(frame_with_one_bit_flipped_is_forged),
        TEST(frame_that_comes_twice_is_a_replay),
        TEST(frame_that_was_skipped_is_a_gap),
        TEST(acknowledgement_of_what_was_never_sent_is_malformed),
        TEST(frame_of_the_old_key_behind_a_change_is_forged),
        TEST(records_that_break_the_protocol_close_the_link),
        TEST(too_long_name_closes_the_link),
        TEST(numbers_at_their_limits_do_no_harm),
        TEST(packets_behind_a_malformed_one_are_not_read),
        TEST(incarnation_beyond_its_bound_does_not_come_in),
        TEST(uid_of_another_member_does_not_come_in),
        TEST(rumour_with_the_id_of_another_name_is_malformed),
        TEST(ten_thousand_members_that_do_not_exist_are_bounded),
        TEST(flood_of_control_records_leaves_members_served),
        TEST(member_that_plays_the_runtime_is_refused),
        TEST(links_and_monitors_of_one_member_are_bounded_over_all_actors),
        TEST(requests_of_all_kinds_without_end_leave_memory_flat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
