#include "tests/lib/vectors.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "cluster/outbox.h"
#include "codec/envelope.h"
#include "codec/keys.h"
#include "codec/session.h"

#define CLUSTER "thiasos"
#define VERSION 2

static void set(json_t *object, const char *key, json_t *what)
{
    (void)json_object_set_new(object, key, what);
}

/* ---- Values ------------------------------------------------------------------------------- */

json_t *vectors_hex(const void *bytes, size_t len)
{
    char *text = malloc(2 * len + 1);
    json_t *hex;

    if (!text)
        return NULL;
    sodium_bin2hex(text, 2 * len + 1, bytes, len);
    hex = json_string(text);
    free(text);
    return hex;
}

static json_t *number(uint64_t value)
{
    char text[17];

    if (value <= INT64_MAX)
        return json_integer((json_int_t)value);
    (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)value);
    return json_pack("{s:s}", "u64", text);
}

static json_t *value(struct thsi_unpacker *at);

static json_t *list(struct thsi_unpacker *at)
{
    json_t *items = json_array();

    for (uint32_t left = thsi_unpack_array(at); left > 0; left--)
        (void)json_array_append_new(items, value(at));
    return items;
}

static json_t *text(struct thsi_unpacker *at)
{
    uint32_t len;
    const char *bytes = thsi_unpack_str(at, UINT32_MAX, &len);

    return json_stringn(bytes, len);
}

static json_t *bytes(struct thsi_unpacker *at)
{
    uint32_t len;
    const uint8_t *data = thsi_unpack_bin(at, UINT32_MAX, &len);

    return json_pack("{s:o}", "bytes", vectors_hex(data, len));
}

static json_t *value(struct thsi_unpacker *at)
{
    uint8_t head = at->at < at->end ? *at->at : 0xc1;

    if (head == 0xc0)
        return thsi_unpack_nil_p(at) ? json_null() : NULL;
    if (head == 0xc2 || head == 0xc3)
        return json_boolean(thsi_unpack_bool(at));
    if (head == 0xca || head == 0xcb)
        return json_real(thsi_unpack_f64(at));
    if (head >= 0xc4 && head <= 0xc6)
        return bytes(at);
    if ((head >= 0xa0 && head <= 0xbf) || (head >= 0xd9 && head <= 0xdb))
        return text(at);
    if ((head >= 0x90 && head <= 0x9f) || head == 0xdc || head == 0xdd)
        return list(at);
    if (head >= 0xd0)
        return json_integer(thsi_unpack_i64(at));
    return number(thsi_unpack_u64(at));
}

json_t *vectors_value(const void *packed, size_t len)
{
    struct thsi_unpacker at;
    json_t *all;

    thsi_unpacker_init(&at, packed, len);
    all = value(&at);
    assert(thsi_unpack_finish(&at) == THS_OK);
    return all;
}

/* ---- Keys --------------------------------------------------------------------------------- */

/* Two keys, the first is the primary. */
static struct thsi_keyring keys_of_vectors(void)
{
    struct thsi_keyring keys = { .count = 2 };

    for (size_t i = 0; i < THSI_KEY_SIZE; i++) {
        keys.keys[0].secret[i] = (uint8_t)(i + 1);
        keys.keys[1].secret[i] = (uint8_t)(0xff - i);
    }
    return keys;
}

static void fill_link_nonce(uint8_t *nonce)
{
    memset(nonce, 0x33, THSI_LINK_NONCE_SIZE);
}

static json_t *derived(const struct thsi_cluster_key *key)
{
    uint8_t psk[THSI_KEY_SIZE], fingerprint[THSI_KEY_ID_SIZE], id[THSI_KEY_ID_SIZE], cluster[THSI_CLUSTER_HASH_SIZE];
    uint8_t nonce[THSI_LINK_NONCE_SIZE];

    fill_link_nonce(nonce);
    thsi_cluster_key_psk(key, psk);
    thsi_cluster_key_fingerprint(key, fingerprint);
    thsi_cluster_key_id(key, nonce, id);
    thsi_cluster_key_cluster_hash(key, CLUSTER, nonce, cluster);
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:{s:o}}", "secret", vectors_hex(key->secret, sizeof key->secret), "psk",
                     vectors_hex(psk, sizeof psk), "fingerprint", vectors_hex(fingerprint, sizeof fingerprint), "link_nonce",
                     vectors_hex(nonce, sizeof nonce), "key_id", vectors_hex(id, sizeof id), "cluster_hash", CLUSTER,
                     vectors_hex(cluster, sizeof cluster));
}

static json_t *node_ids(void)
{
    uint8_t a[THSI_NODE_ID_SIZE], b[THSI_NODE_ID_SIZE];

    thsi_cluster_node_id(CLUSTER, "a", a);
    thsi_cluster_node_id(CLUSTER, "b", b);
    return json_pack("{s:s,s:o,s:o}", "cluster", CLUSTER, "a", vectors_hex(a, sizeof a), "b", vectors_hex(b, sizeof b));
}

static json_t *key_file(void)
{
    const struct thsi_keyring keys = keys_of_vectors();
    char hex[2][2 * THSI_KEY_SIZE + 1], file[256];

    for (unsigned i = 0; i < 2; i++)
        sodium_bin2hex(hex[i], sizeof hex[i], keys.keys[i].secret, THSI_KEY_SIZE);
    (void)snprintf(file, sizeof file, "thiasos-cluster-key 1\n%s\n%s\n", hex[0], hex[1]);
    return json_pack("{s:s,s:o,s:o}", "file", file, "primary", derived(&keys.keys[0]), "installed", derived(&keys.keys[1]));
}

static json_t *no_key(void)
{
    struct thsi_keyring keys;

    thsi_keyring_none(&keys);
    return derived(&keys.keys[0]);
}

/* ---- Handshake ---------------------------------------------------------------------------- */

struct thsi_identity vectors_identity(const char *name)
{
    bool dials = name[0] == 'a';
    struct thsi_identity who = { .uid = dials ? 0x1122334455667788 : 0xfedcba9876543210, .boot = dials ? 1000 : UINT64_C(1) << 60,
                                 .incarnation = dials ? 1 : 70000 };

    (void)snprintf(who.name, sizeof who.name, "%s", name);
    (void)snprintf(who.address, sizeof who.address, dials ? "127.0.0.1:7400" : "node-b.example:7401");
    (void)snprintf(who.roles, sizeof who.roles, dials ? "" : "counter,web");
    (void)snprintf(who.scopes, sizeof who.scopes, "default");
    return who;
}

static struct thsi_handshake begin(bool initiator, const struct thsi_keyring *keys, const struct thsi_identity *self)
{
    const struct thsi_handshake_config config = { .initiator = initiator, .keys = keys, .cluster = CLUSTER, .self = self,
                                                  .version_min = VERSION, .version_max = VERSION };
    struct thsi_handshake handshake;
    enum ths_err err = thsi_handshake_init(&handshake, &config);

    assert(err == THS_OK);
    (void)err;
    return handshake;
}

static json_t *side(const struct thsi_identity *who, const uint8_t *secret)
{
    uint8_t public[THSI_KEY_SIZE];

    (void)crypto_scalarmult_base(public, secret);
    return json_pack("{s:o,s:o,s:i,s:s,s:s,s:s,s:s,s:o,s:o}", "uid", number(who->uid), "boot", number(who->boot), "incarnation",
                     (int)who->incarnation, "name", who->name, "address", who->address, "roles", who->roles, "scopes",
                     who->scopes, "ephemeral_secret", vectors_hex(secret, THSI_KEY_SIZE), "ephemeral_public",
                     vectors_hex(public, sizeof public));
}

/* @keys: of the initiator. Both sides are checked to agree. */
static json_t *handshake(struct thsi_noise_keys *keys)
{
    const struct thsi_keyring ring = keys_of_vectors();
    const struct thsi_identity a = vectors_identity("a"), b = vectors_identity("b");
    struct thsi_handshake initiator = begin(true, &ring, &a), responder = begin(false, &ring, &b);
    uint8_t hello1[THSI_HANDSHAKE_FRAME_MAX], hello2[THSI_HANDSHAKE_FRAME_MAX], nonce[THSI_LINK_NONCE_SIZE];
    uint8_t secret_a[THSI_KEY_SIZE], secret_b[THSI_KEY_SIZE];
    struct thsi_noise_keys other;
    size_t len1, len2;
    enum ths_err err;
    json_t *all;

    fill_link_nonce(nonce);
    memset(secret_a, 0x44, sizeof secret_a);
    memset(secret_b, 0x55, sizeof secret_b);
    err = thsi_handshake_start(&initiator, nonce, secret_a, hello1, sizeof hello1, &len1);
    if (err == THS_OK)
        err = thsi_handshake_receive(&responder, hello1, len1);
    if (err == THS_OK)
        err = thsi_handshake_accept(&responder, secret_b, hello2, sizeof hello2, &len2);
    if (err == THS_OK)
        err = thsi_handshake_receive(&initiator, hello2, len2);
    if (err == THS_OK)
        err = thsi_handshake_finish(&initiator, keys);
    if (err == THS_OK)
        err = thsi_handshake_finish(&responder, &other);
    if (err != THS_OK || memcmp(keys->send, other.receive, THSI_KEY_SIZE) != 0)
        abort();
    all = json_pack("{s:s,s:s}", "noise", "Noise_NNpsk0_25519_ChaChaPoly_SHA256", "cluster", CLUSTER);
    set(all, "link_nonce", vectors_hex(nonce, sizeof nonce));
    set(all, "initiator", side(&a, secret_a));
    set(all, "responder", side(&b, secret_b));
    set(all, "hello1", vectors_hex(hello1, len1));
    set(all, "hello2", vectors_hex(hello2, len2));
    set(all, "initiator_sends_with", vectors_hex(keys->send, THSI_KEY_SIZE));
    set(all, "responder_sends_with", vectors_hex(keys->receive, THSI_KEY_SIZE));
    set(all, "hash", vectors_hex(keys->hash, THSI_HASH_SIZE));
    return all;
}

static json_t *refusals(void)
{
    const enum ths_err codes[] = { THS_BAD_VERSION, THS_BAD_KEY, THS_REFUSED, THS_CLOSED };
    const struct thsi_keyring ring = keys_of_vectors();
    const struct thsi_identity b = vectors_identity("b");
    json_t *all = json_array();

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct thsi_handshake responder = begin(false, &ring, &b);
        uint8_t frame[THSI_HANDSHAKE_FRAME_MAX];
        size_t len;

        if (thsi_handshake_refuse(&responder, codes[i], "no, sorry", frame, sizeof frame, &len) != THS_OK)
            abort();
        (void)json_array_append_new(all, json_pack("{s:i,s:s,s:s,s:o}", "code", (int)codes[i], "name", ths_err_name(codes[i]),
                                                   "text", "no, sorry", "frame", vectors_hex(frame, len)));
    }
    return all;
}

/* ---- Session ------------------------------------------------------------------------------ */

static void seal(json_t *frames, const char *from, struct thsi_session *session, uint8_t lane, uint64_t ack, const char *payload)
{
    uint8_t frame[256];
    size_t len = strlen(payload);
    uint64_t counter = thsi_session_sent(session);
    int phase = session->send.phase;

    memcpy(frame + THSI_SEALED_HEADER_SIZE, payload, len);
    if (thsi_session_seal(session, 0, lane, ack, frame, len) != THS_OK)
        abort();
    (void)json_array_append_new(frames, json_pack("{s:s,s:i,s:i,s:o,s:o,s:o,s:o}", "from", from, "lane", lane, "phase", phase,
                                                  "counter", number(counter), "ack", number(ack), "payload",
                                                  vectors_hex(payload, len), "frame",
                                                  vectors_hex(frame, len + THSI_SEALED_OVERHEAD)));
}

/* A record KEY, then the change that it tells of. */
static void move(json_t *frames, const char *from, struct thsi_session *session, uint64_t ack)
{
    const struct thsi_keyring keys = keys_of_vectors();
    char record[] = "\x92\x26\xc4\x08........";
    uint8_t psk[THSI_KEY_SIZE];

    thsi_cluster_key_fingerprint(&keys.keys[1], (uint8_t *)record + 4);
    thsi_cluster_key_psk(&keys.keys[1], psk);
    seal(frames, from, session, THSI_LANE_NODE, ack, record);
    thsi_session_rekey_with(session, psk, 0);
}

/* A link's first frames; then both sides replace their keys, and the initiator goes over to the other cluster key. Payloads
 * are records that have no zero byte. */
static json_t *session(const struct thsi_noise_keys *keys)
{
    const struct thsi_session_limits limits = THSI_SESSION_LIMITS_DEFAULT;
    struct thsi_noise_keys other = { .send = { 0 } };
    struct thsi_session a, b;
    json_t *phase_1;
    json_t *frames = json_array();

    memcpy(other.send, keys->receive, THSI_KEY_SIZE);
    memcpy(other.receive, keys->send, THSI_KEY_SIZE);
    thsi_session_init(&a, keys, &limits, 0);
    thsi_session_init(&b, &other, &limits, 0);
    seal(frames, "initiator", &a, THSI_LANE_NODE, 0, "");
    seal(frames, "responder", &b, THSI_LANE_NODE, 1, "");
    seal(frames, "initiator", &a, THSI_LANE_SIGNALS, 1, "\x97\x01\x01\x02\x03\xcc\xc8\x05\x92\xa5world\x02");
    seal(frames, "responder", &b, THSI_LANE_NODE, 2, "\x92\x24\x13");
    thsi_session_rekey(&a, 0);
    thsi_session_rekey(&b, 0);
    seal(frames, "initiator", &a, THSI_LANE_SIGNALS, 2, "\x96\x07\x01\x01\x02\x03\xcc\xc8");
    seal(frames, "responder", &b, THSI_LANE_NODE, 3, "");
    phase_1 = vectors_hex(a.send.key, THSI_KEY_SIZE);
    move(frames, "initiator", &a, 3);
    seal(frames, "initiator", &a, THSI_LANE_NODE, 3, "");
    return json_pack("{s:o,s:o,s:o,s:o}", "frames", frames, "initiator_sends_with_in_phase_1", phase_1,
                     "responder_sends_with_in_phase_1", vectors_hex(b.send.key, THSI_KEY_SIZE),
                     "initiator_sends_with_in_phase_2", vectors_hex(a.send.key, THSI_KEY_SIZE));
}

/* HELLO1 as versions that are not spoken any more said it: kept, since nothing makes it now. */
static json_t *older_hellos(void)
{
    static const char version_1[] =
        "0000009c015448533100010001142c1c2085fa1cf1fedbe38cdb929fc171ab8f066b8503ff33333333333333333333333333333333ff2ee45601ec1b67"
        "310c7790404585ae697331eee1c1f8cf2419731c1fff3e6b2e4251317dccd006b25e1b1cb78f99d9d68d51bdcd4918cd22b6935e04391d973b31c6abef"
        "4c9cd1539d4ccda969f041eb87ba44f9b0598b0c7599620a3df0ed4ed80f1c42ec9ada5056d5";

    return json_pack("[{s:i,s:s}]", "protocol_version", 1, "hello1", version_1);
}

json_t *vectors_make(void)
{
    const struct thsi_keyring ring = keys_of_vectors();
    uint8_t nonce[THSI_LINK_NONCE_SIZE];
    struct thsi_noise_keys keys;
    json_t *all = json_object(), *shaken;

    if (sodium_init() < 0)
        abort();
    set(all, "protocol_version", json_integer(VERSION));
    set(all, "key", key_file());
    set(all, "no_key", no_key());
    set(all, "node_ids", node_ids());
    shaken = handshake(&keys);
    set(all, "handshake", shaken);
    fill_link_nonce(nonce);
    set(all, "node_handshake", vectors_node_handshake(&ring, nonce));
    set(all, "older_hellos", older_hellos());
    set(all, "refusals", refusals());
    set(all, "session", session(&keys));
    set(all, "types", vectors_types());
    set(all, "bodies", vectors_bodies());
    set(all, "bodies_read", vectors_bodies_read());
    set(all, "refs", vectors_refs());
    set(all, "records", vectors_records());
    set(all, "records_read", vectors_records_read());
    set(all, "records_refused", vectors_records_refused());
    set(all, "packets", vectors_packets());
    set(all, "digests", vectors_digests());
    return all;
}
