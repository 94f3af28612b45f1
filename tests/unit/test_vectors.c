/* The bytes of the protocol are those of tests/vectors/protocol.json, and are read back as what they were made of. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "codec/envelope.h"
#include "codec/session.h"
#include "tests/lib/vectors.h"

#define FILE_NAME "tests/vectors/protocol.json"
#define BYTES_MAX 2048u

struct bytes {
    uint8_t at[BYTES_MAX];
    size_t len;
};

static json_t *golden;

static int load(void **state)
{
    json_error_t error;

    (void)state;
    assert_true(sodium_init() >= 0);
    golden = json_load_file(FILE_NAME, 0, &error);
    return golden ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(golden);
    return 0;
}

static const json_t *at(const json_t *object, const char *key)
{
    const json_t *found = json_object_get(object, key);

    if (!found)
        fail_msg("there is no %s", key);
    return found;
}

static struct bytes bytes_at(const json_t *object, const char *key)
{
    const char *hex = json_string_value(at(object, key));
    struct bytes bytes;

    assert_int_equal(sodium_hex2bin(bytes.at, sizeof bytes.at, hex, strlen(hex), NULL, &bytes.len, NULL), 0);
    return bytes;
}

static void assert_bytes(const void *got, size_t len, const json_t *object, const char *key)
{
    struct bytes expected = bytes_at(object, key);

    assert_int_equal(len, expected.len);
    assert_memory_equal(got, expected.at, len);
}

/* ---- What is written ---------------------------------------------------------------------------- */

/* Text against text, so that a difference is shown where it is. */
static void assert_same(const char *path, const json_t *made, const json_t *kept)
{
    char *a = json_dumps(made, JSON_ENCODE_ANY | JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    char *b = json_dumps(kept, JSON_ENCODE_ANY | JSON_INDENT(1) | JSON_REAL_PRECISION(17));

    assert_non_null(a);
    assert_non_null(b);
    if (strcmp(a, b) != 0)
        fail_msg("%s of %s is\n%s\nbut the code makes\n%s", path, FILE_NAME, b, a);
    free(a);
    free(b);
}

static void each_vector_is_what_the_code_makes(void **state)
{
    json_t *made = vectors_make();
    const char *key;
    json_t *kept;

    (void)state;
    assert_int_equal(json_object_size(made), json_object_size(golden));
    json_object_foreach(golden, key, kept)
        assert_same(key, at(made, key), kept);
    json_decref(made);
}

/* ---- The handshake ------------------------------------------------------------------------------ */

static struct thsi_keyring keys_of_vectors(void)
{
    struct thsi_keyring keys = { .count = 2 };
    const json_t *vector = at(golden, "key");
    struct bytes primary = bytes_at(at(vector, "primary"), "secret"), installed = bytes_at(at(vector, "installed"), "secret");

    assert_int_equal(primary.len, THSI_KEY_SIZE);
    assert_int_equal(installed.len, THSI_KEY_SIZE);
    memcpy(keys.keys[0].secret, primary.at, THSI_KEY_SIZE);
    memcpy(keys.keys[1].secret, installed.at, THSI_KEY_SIZE);
    return keys;
}

static struct thsi_handshake begin(const struct thsi_keyring *keys, const struct thsi_identity *self, bool initiator)
{
    const struct thsi_handshake_config config = { .initiator = initiator, .keys = keys, .self = self,
                                                  .cluster = json_string_value(at(at(golden, "handshake"), "cluster")) };
    struct thsi_handshake handshake;

    assert_int_equal(thsi_handshake_init(&handshake, &config), THS_OK);
    return handshake;
}

static void assert_identity(const struct thsi_identity *got, const json_t *expected)
{
    assert_string_equal(got->name, json_string_value(at(expected, "name")));
    assert_string_equal(got->address, json_string_value(at(expected, "address")));
    assert_string_equal(got->roles, json_string_value(at(expected, "roles")));
    assert_string_equal(got->scopes, json_string_value(at(expected, "scopes")));
    assert_int_equal(got->incarnation, json_integer_value(at(expected, "incarnation")));
}

static void handshake_of_the_vectors_is_read_by_both_sides(void **state)
{
    const json_t *vector = at(golden, "handshake"), *a = at(vector, "initiator"), *b = at(vector, "responder");
    const struct thsi_keyring keys = keys_of_vectors();
    const struct thsi_identity self_a = vectors_identity("a"), self_b = vectors_identity("b");
    struct thsi_handshake initiator = begin(&keys, &self_a, true), responder = begin(&keys, &self_b, false);
    struct bytes hello1 = bytes_at(vector, "hello1"), hello2 = bytes_at(vector, "hello2");
    struct bytes nonce = bytes_at(vector, "link_nonce"), secret_a = bytes_at(a, "ephemeral_secret");
    struct bytes secret_b = bytes_at(b, "ephemeral_secret");
    struct thsi_noise_keys keys_a, keys_b;
    struct bytes made;

    (void)state;
    assert_int_equal(thsi_handshake_receive(&responder, hello1.at, hello1.len), THS_OK);
    assert_identity(&responder.peer, a);
    assert_int_equal(thsi_handshake_accept(&responder, secret_b.at, made.at, sizeof made.at, &made.len), THS_OK);
    assert_bytes(made.at, made.len, vector, "hello2");
    assert_int_equal(thsi_handshake_start(&initiator, nonce.at, secret_a.at, made.at, sizeof made.at, &made.len), THS_OK);
    assert_int_equal(thsi_handshake_receive(&initiator, hello2.at, hello2.len), THS_OK);
    assert_identity(&initiator.peer, b);
    assert_int_equal(thsi_handshake_finish(&initiator, &keys_a), THS_OK);
    assert_int_equal(thsi_handshake_finish(&responder, &keys_b), THS_OK);
    assert_bytes(keys_a.send, sizeof keys_a.send, vector, "initiator_sends_with");
    assert_bytes(keys_b.send, sizeof keys_b.send, vector, "responder_sends_with");
}

/* Its build is long gone, so its bytes were kept. It reads a REFUSAL as this version does: the layout never changes. */
static void hello_of_version_1_is_refused_with_the_versions_that_are_spoken(void **state)
{
    const struct thsi_keyring keys = keys_of_vectors();
    const struct thsi_identity self_a = vectors_identity("a"), self_b = vectors_identity("b");
    const json_t *vector = json_array_get(at(golden, "older_hellos"), 0);
    struct thsi_handshake_config config = { .initiator = true, .keys = &keys, .self = &self_a, .cluster = "thiasos",
                                            .version_min = 1, .version_max = 1 };
    struct thsi_handshake responder = begin(&keys, &self_b, false), initiator;
    struct bytes hello1 = bytes_at(vector, "hello1"), frame, made;
    const uint8_t random[THSI_KEY_SIZE] = { 1 };

    (void)state;
    assert_int_equal(json_integer_value(at(vector, "protocol_version")), 1);
    assert_int_equal(thsi_handshake_receive(&responder, hello1.at, hello1.len), THS_BAD_VERSION);
    assert_true(thsi_handshake_deserves_refusal(THS_BAD_VERSION));
    assert_int_equal(thsi_handshake_refuse(&responder, THS_BAD_VERSION, NULL, frame.at, sizeof frame.at, &frame.len), THS_OK);
    assert_int_equal(thsi_handshake_init(&initiator, &config), THS_OK);
    assert_int_equal(thsi_handshake_start(&initiator, random, random, made.at, sizeof made.at, &made.len), THS_OK);
    assert_int_equal(thsi_handshake_receive(&initiator, frame.at, frame.len), THS_REFUSED);
    assert_int_equal(initiator.refusal.code, THS_BAD_VERSION);
    assert_int_equal(initiator.refusal.version_min, THSI_VERSION_MIN);
    assert_int_equal(initiator.refusal.version_max, THSI_VERSION_MAX);
    assert_string_equal(initiator.refusal.text, "it speaks protocol versions 2 to 2; update the older node");
}

static void refusals_of_the_vectors_are_read(void **state)
{
    const struct thsi_keyring keys = keys_of_vectors();
    const struct thsi_identity self = vectors_identity("a");
    const json_t *vector;
    size_t index;

    (void)state;
    json_array_foreach(at(golden, "refusals"), index, vector) {
        struct thsi_handshake initiator = begin(&keys, &self, true);
        struct bytes frame = bytes_at(vector, "frame"), made;
        const uint8_t random[THSI_KEY_SIZE] = { 1 };

        assert_int_equal(thsi_handshake_start(&initiator, random, random, made.at, sizeof made.at, &made.len), THS_OK);
        assert_int_equal(thsi_handshake_receive(&initiator, frame.at, frame.len), THS_REFUSED);
        assert_int_equal(initiator.refusal.code, json_integer_value(at(vector, "code")));
        assert_string_equal(initiator.refusal.text, json_string_value(at(vector, "text")));
    }
}

/* ---- The session -------------------------------------------------------------------------------- */

static void frames_of_the_vectors_open(void **state)
{
    const json_t *shaken = at(golden, "handshake"), *vector;
    const struct thsi_session_limits limits = THSI_SESSION_LIMITS_DEFAULT;
    const struct thsi_keyring keys = keys_of_vectors();
    struct thsi_noise_keys of_initiator = { .send = { 0 } }, of_responder = { .send = { 0 } };
    uint8_t psk[THSI_KEY_SIZE];
    struct thsi_session initiator, responder;
    size_t index;

    (void)state;
    memcpy(of_initiator.send, bytes_at(shaken, "initiator_sends_with").at, THSI_KEY_SIZE);
    memcpy(of_initiator.receive, bytes_at(shaken, "responder_sends_with").at, THSI_KEY_SIZE);
    memcpy(of_responder.send, of_initiator.receive, THSI_KEY_SIZE);
    memcpy(of_responder.receive, of_initiator.send, THSI_KEY_SIZE);
    thsi_session_init(&initiator, &of_initiator, &limits, 0);
    thsi_session_init(&responder, &of_responder, &limits, 0);
    json_array_foreach(at(at(golden, "session"), "frames"), index, vector) {
        bool from_initiator = strcmp(json_string_value(at(vector, "from")), "initiator") == 0;
        struct bytes frame = bytes_at(vector, "frame");
        struct thsi_session_frame opened;

        assert_int_equal(thsi_session_open(from_initiator ? &responder : &initiator, frame.at, frame.len, &opened), THS_OK);
        assert_int_equal(opened.lane, json_integer_value(at(vector, "lane")));
        assert_int_equal(opened.counter, json_integer_value(at(vector, "counter")));
        assert_int_equal(opened.ack, json_integer_value(at(vector, "ack")));
        assert_bytes(opened.payload, opened.payload_len, vector, "payload");
        if (opened.payload_len > 1 && opened.payload[1] == THSI_RECORD_KEY) {
            thsi_cluster_key_psk(&keys.keys[1], psk);
            thsi_session_await(&responder, psk);
        }
    }
    assert_int_equal(responder.receive.phase, 2);
    assert_int_equal(initiator.receive.phase, 1);
}

/* ---- Records and bodies ------------------------------------------------------------------------- */

/* Read one record, whose body is a vectors.greet if it has one, and write it again. */
static struct bytes read_and_write(const struct bytes *bytes)
{
    uint64_t room[512];
    struct thsi_actor_id receivers[8];
    struct thsi_arena arena = { .base = (uint8_t *)room, .cap = sizeof room };
    struct thsi_envelope envelope;
    struct thsi_unpacker unpacker;
    struct thsi_packer packer;
    struct bytes written;
    void *body = NULL;

    thsi_unpacker_init(&unpacker, bytes->at, bytes->len);
    assert_int_equal(thsi_envelope_unpack(&envelope, &unpacker, &arena), THS_OK);
    envelope.receivers = receivers;
    for (uint32_t i = 0, count = envelope.receivers_count; i < count; i++)
        assert_true(thsi_envelope_next_receiver(&envelope, &receivers[i]));
    envelope.receivers_count = (uint32_t)(envelope.kind == THSI_RECORD_GROUP_TELL ? 2 : 0);
    if (envelope.kind == THSI_RECORD_TYPE || envelope.kind == THSI_RECORD_TYPE_REFUSED)
        envelope.type = envelope.bytes ? thsi_type_intern(&vectors_greet_type) : NULL;
    if (envelope.fields_left > 0) {
        envelope.type = thsi_type_intern(&vectors_greet_type);
        assert_int_equal(thsi_envelope_unpack_body(&envelope, &unpacker, envelope.type, &arena, &body), THS_OK);
        envelope.body = body;
    }
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
    thsi_packer_init(&packer, written.at, sizeof written.at);
    assert_int_equal(thsi_envelope_pack(&envelope, &packer), THS_OK);
    written.len = packer.len;
    return written;
}

static void records_of_the_vectors_are_read_and_written_the_same(void **state)
{
    const json_t *vector;
    size_t index;

    (void)state;
    json_array_foreach(at(golden, "records"), index, vector) {
        struct bytes bytes = bytes_at(vector, "bytes"), written = read_and_write(&bytes);

        assert_bytes(written.at, written.len, vector, "bytes");
    }
}

static void records_of_other_versions_are_read_as_the_vectors_say(void **state)
{
    const json_t *vector;
    size_t index;

    (void)state;
    json_array_foreach(at(golden, "records_read"), index, vector) {
        struct bytes bytes = bytes_at(vector, "bytes"), written = read_and_write(&bytes);

        assert_bytes(written.at, written.len, vector, "reads_as");
    }
}

static void refused_records_of_the_vectors_are_refused(void **state)
{
    const json_t *vector;
    size_t index;

    (void)state;
    json_array_foreach(at(golden, "records_refused"), index, vector) {
        struct bytes bytes = bytes_at(vector, "bytes");
        uint64_t room[512];
        struct thsi_arena arena = { .base = (uint8_t *)room, .cap = sizeof room };
        struct thsi_envelope envelope;
        struct thsi_unpacker unpacker;

        thsi_unpacker_init(&unpacker, bytes.at, bytes.len);
        assert_string_equal(ths_err_name(thsi_envelope_unpack(&envelope, &unpacker, &arena)),
                            json_string_value(at(vector, "err")));
    }
}

static struct bytes read_and_write_body(struct ths_type *type, const struct bytes *bytes)
{
    const struct thsi_type_info *info = thsi_type_intern(type);
    uint64_t room[4096];
    struct thsi_arena arena = { .base = (uint8_t *)room, .cap = sizeof room, .env = ths_env_os() };
    struct thsi_unpacker unpacker;
    struct thsi_packer packer;
    struct bytes written;
    void *msg;

    thsi_unpacker_init(&unpacker, bytes->at, bytes->len);
    assert_int_equal(thsi_schema_unpack(info, &unpacker, &arena, &msg), THS_OK);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
    thsi_packer_init(&packer, written.at, sizeof written.at);
    assert_int_equal(thsi_schema_pack(info, msg, &packer), THS_OK);
    written.len = packer.len;
    return written;
}

static void bodies_of_the_vectors_are_read_and_written_the_same(void **state)
{
    const json_t *vector;
    size_t index;

    (void)state;
    json_array_foreach(at(golden, "bodies"), index, vector) {
        bool all = strcmp(json_string_value(at(vector, "type")), "vectors.all") == 0;
        struct bytes bytes = bytes_at(vector, "bytes");
        struct bytes written = read_and_write_body(all ? &vectors_all_type : &vectors_greet_type, &bytes);

        assert_bytes(written.at, written.len, vector, "bytes");
    }
}

static void bodies_of_other_versions_are_read_as_the_vectors_say(void **state)
{
    const json_t *vector;
    size_t index;

    (void)state;
    json_array_foreach(at(golden, "bodies_read"), index, vector) {
        struct bytes bytes = bytes_at(vector, "bytes"), written = read_and_write_body(&vectors_greet_type, &bytes);

        assert_bytes(written.at, written.len, vector, "reads_as");
    }
}

static void refs_of_the_vectors_are_read(void **state)
{
    const json_t *vector;
    size_t index;

    (void)state;
    json_array_foreach(at(golden, "refs"), index, vector) {
        struct bytes bytes = bytes_at(vector, "bytes");
        struct thsi_unpacker unpacker;
        ths_ref binary, text;

        thsi_unpacker_init(&unpacker, bytes.at, bytes.len);
        binary = thsi_unpack_ref(&unpacker);
        assert_int_equal(ths_ref_parse(json_string_value(at(vector, "text")), &text), THS_OK);
        assert_true(ths_ref_equal(binary, text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_vector_is_what_the_code_makes),
        cmocka_unit_test(handshake_of_the_vectors_is_read_by_both_sides),
        cmocka_unit_test(hello_of_version_1_is_refused_with_the_versions_that_are_spoken),
        cmocka_unit_test(refusals_of_the_vectors_are_read),
        cmocka_unit_test(frames_of_the_vectors_open),
        cmocka_unit_test(records_of_the_vectors_are_read_and_written_the_same),
        cmocka_unit_test(records_of_other_versions_are_read_as_the_vectors_say),
        cmocka_unit_test(refused_records_of_the_vectors_are_refused),
        cmocka_unit_test(bodies_of_the_vectors_are_read_and_written_the_same),
        cmocka_unit_test(bodies_of_other_versions_are_read_as_the_vectors_say),
        cmocka_unit_test(refs_of_the_vectors_are_read),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
