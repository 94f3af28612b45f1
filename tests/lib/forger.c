#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/forger.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIMIT_MS = 60000 };

void forger_init(struct forger *forger, const char *name, uint64_t uid)
{
    memset(forger, 0, sizeof *forger);
    forger->fd = -1;
    forger->self = (struct thsi_identity){ .uid = uid, .boot = 1, .incarnation = 1, .address = "127.0.0.1:1",
                                           .scopes = "default" };
    (void)snprintf(forger->self.name, sizeof forger->self.name, "%s", name);
    thsi_packer_init(&forger->payload, forger->bytes + THSI_SEALED_HEADER_SIZE, FORGER_ROOM);
}

void forger_fini(struct forger *forger)
{
    if (forger->fd >= 0)
        (void)close(forger->fd);
    forger->fd = -1;
    thsi_link_fini(&forger->link);
}

int forger_connect(unsigned port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    struct ths_env *env = ths_env_os();
    uint64_t end_ns = env->now_ns(env) + LIMIT_MS * UINT64_C(1000000);
    int fd;

    /* The node of the same process may need all descriptors for a moment. */
    while ((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 && errno == EMFILE && env->now_ns(env) < end_ns)
        (void)sched_yield();
    assert_true(fd >= 0);
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static bool send_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* ---- What comes --------------------------------------------------------------------------- */

static void note_bye(struct forger *forger, const struct thsi_session_frame *frame)
{
    struct thsi_unpacker unpacker;
    struct thsi_envelope envelope;
    uint8_t room[1024];

    thsi_unpacker_init(&unpacker, frame->payload, frame->payload_len);
    while (unpacker.at < unpacker.end) {
        struct thsi_arena arena = { .base = room, .cap = sizeof room };
        void *none;
        if (thsi_envelope_unpack(&envelope, &unpacker, &arena) != THS_OK)
            return;
        if (envelope.fields_left > 0 && thsi_envelope_unpack_body(&envelope, &unpacker, NULL, NULL, &none) != THS_OK)
            return;
        if (envelope.kind == THSI_RECORD_BYE)
            forger->bye = (enum ths_err)envelope.err;
    }
}

static void take_bytes(struct forger *forger, const uint8_t *at, size_t len)
{
    struct ths_env *env = ths_env_os();
    struct thsi_link_news news;

    do {
        assert_int_equal(thsi_link_feed(&forger->link, env->now_ns(env), &at, &len, &news), THS_OK);
        if (news.kind == THSI_NEWS_FRAME) {
            forger->frames++;
            note_bye(forger, &news.frame);
        } else if (news.kind == THSI_NEWS_VERIFIED) {
            assert_true(forger_send(forger)); /* the proof */
        }
    } while (news.kind != THSI_NEWS_NONE);
}

bool forger_listen(struct forger *forger, bool wait)
{
    static uint8_t bytes[65536];
    struct pollfd there = { .fd = forger->fd, .events = POLLIN };
    size_t frames = forger->frames;

    do {
        ssize_t len;
        if (wait)
            assert_int_equal(poll(&there, 1, LIMIT_MS), 1);
        len = recv(forger->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (len < 0 && errno == EAGAIN)
            continue;
        if (len <= 0)
            return false;
        take_bytes(forger, bytes, (size_t)len);
    } while (wait && forger->frames == frames);
    return true;
}

void forger_await_close(struct forger *forger)
{
    while (forger_listen(forger, true)) {
    }
}

enum ths_err forger_dial(struct forger *forger, unsigned port)
{
    struct ths_env *env = ths_env_os();
    uint8_t random[THSI_LINK_RANDOM_SIZE];
    struct thsi_keyring keys;

    thsi_keyring_none(&keys);
    env->random(env, random, sizeof random);
    assert_int_equal(thsi_link_init(&forger->link, env, true, &keys, "thiasos", &forger->self, NULL), THS_OK);
    assert_int_equal(thsi_link_start(&forger->link, random), THS_OK);
    forger->fd = forger_connect(port);
    forger->frames = 0;
    forger->bye = THS_OK;
    if (!send_all(forger->fd, forger->link.out, forger->link.out_len) || !forger_listen(forger, true))
        return THS_CLOSED;
    return forger->bye;
}

/* ---- What it says ------------------------------------------------------------------------- */

void forger_write_bytes(struct forger *forger, const void *bytes, size_t len)
{
    thsi_packer_append(&forger->payload, bytes, len);
    assert_false(forger->payload.overflow);
}

void forger_write(struct forger *forger, struct thsi_envelope envelope)
{
    if (thsi_envelope_is_control(envelope.kind))
        envelope.number = ++forger->control;
    assert_int_equal(thsi_envelope_pack(&envelope, &forger->payload), THS_OK);
    assert_false(forger->payload.overflow);
}

void forger_write_gossip(struct forger *forger, const void *packet, size_t len)
{
    forger_write(forger, (struct thsi_envelope){ .kind = THSI_RECORD_GOSSIP, .bytes = packet,
                                                 .bytes_len = (uint32_t)len });
}

size_t forger_seal(struct forger *forger, enum thsi_lane lane)
{
    struct ths_env *env = ths_env_os();
    size_t len = forger->payload.len;

    assert_int_equal(thsi_link_seal(&forger->link, env->now_ns(env), (uint8_t)lane, forger->bytes, len), THS_OK);
    forger->payload.len = 0;
    return len + THSI_SEALED_OVERHEAD;
}

bool forger_send_bytes(struct forger *forger, size_t len)
{
    return send_all(forger->fd, forger->bytes, len);
}

bool forger_send(struct forger *forger)
{
    return forger_send_bytes(forger, forger_seal(forger, THSI_LANE_SIGNALS));
}
