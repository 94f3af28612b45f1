/* Whatever frame arrives instead of the one that is due, a handshake ends in OK or failed and wiped, and what it
 * accepts is an identity that may be shown. The first byte chooses: a frame as it is for the responder or the
 * initiator, or a payload that is sealed properly, as only a holder of the key could. */

#include "codec/handshake.h"

#include <stdlib.h>
#include <string.h>

#define HELLO1_CLEAR_SIZE 53

enum scene { FRAME_FOR_RESPONDER, FRAME_FOR_INITIATOR, PAYLOAD_FOR_RESPONDER, PAYLOAD_FOR_INITIATOR, SCENES };

static const struct thsi_keyring keys = { .keys = { { .secret = { 1 } }, { .secret = { 2 } } }, .count = 2 };
static const struct thsi_identity self = { .uid = 1, .boot = 1, .name = "self", .address = "self:7400" };
static const uint8_t secrets[2][THSI_KEY_SIZE] = { { 2 }, { 3 } };

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void begin(struct thsi_handshake *handshake, bool initiator)
{
    const struct thsi_handshake_config config = { .initiator = initiator, .keys = &keys, .cluster = "fuzz",
                                                  .self = &self };

    must(thsi_handshake_init(handshake, &config) == THS_OK);
}

static size_t begin_initiator(struct thsi_handshake *initiator, uint8_t *hello1)
{
    size_t len;

    begin(initiator, true);
    must(thsi_handshake_start(initiator, secrets[0], secrets[0], hello1, THSI_HANDSHAKE_FRAME_MAX, &len) == THS_OK);
    return len;
}

/* Put @payload into Noise's message 1 or 2 behind @clear_len clear bytes that are there already. */
static size_t seal_payload(struct thsi_noise *noise, uint8_t *frame, size_t clear_len, const uint8_t *payload,
                           size_t len)
{
    size_t message_len;

    must(thsi_noise_write(noise, secrets[1], payload, len, frame + clear_len, THSI_HANDSHAKE_FRAME_MAX - clear_len,
                          &message_len) == THS_OK);
    return clear_len + message_len;
}

/* A HELLO1 whose clear part is right, around @payload. */
static size_t make_hello1(uint8_t *frame, const uint8_t *payload, size_t len)
{
    struct thsi_handshake template;
    struct thsi_noise noise;
    uint8_t psk[1][THSI_KEY_SIZE];
    struct thsi_noise_config config = { .pattern = THSI_NOISE_NNPSK0, .initiator = true, .prologue = frame,
                                        .prologue_len = HELLO1_CLEAR_SIZE };

    (void)begin_initiator(&template, frame);
    thsi_handshake_fini(&template);
    thsi_put_u32(frame, (uint32_t)(HELLO1_CLEAR_SIZE + THSI_KEY_SIZE + THSI_TAG_SIZE + len - THSI_LENGTH_SIZE));
    thsi_cluster_key_psk(&keys.keys[0], psk[0]);
    config.psks = (const uint8_t(*)[THSI_KEY_SIZE])psk;
    must(thsi_noise_init(&noise, &config) == THS_OK);
    return seal_payload(&noise, frame, HELLO1_CLEAR_SIZE, payload, len);
}

/* A HELLO2 that answers @hello1 with @payload. */
static size_t make_hello2(const uint8_t *hello1, size_t hello1_len, uint8_t *frame, const uint8_t *payload, size_t len)
{
    struct thsi_handshake responder;
    const size_t clear_len = THSI_FRAME_PREFIX_SIZE + 4 + THSI_LINK_NONCE_SIZE;

    begin(&responder, false);
    must(thsi_handshake_receive(&responder, hello1, hello1_len) == THS_OK);
    thsi_put_u32(frame, (uint32_t)(clear_len + THSI_KEY_SIZE + THSI_TAG_SIZE + len - THSI_LENGTH_SIZE));
    frame[THSI_LENGTH_SIZE] = THSI_FRAME_HELLO2;
    thsi_put_u32(frame + THSI_FRAME_PREFIX_SIZE, THSI_WIRE_MAGIC);
    memcpy(frame + THSI_FRAME_PREFIX_SIZE + 4, responder.nonce, THSI_LINK_NONCE_SIZE);
    len = seal_payload(&responder.noise, frame, clear_len, payload, len);
    thsi_handshake_fini(&responder);
    return len;
}

static void check_outcome(struct thsi_handshake *handshake, enum ths_err err)
{
    uint8_t frame[THSI_HANDSHAKE_FRAME_MAX];
    struct thsi_noise_keys gotten;
    size_t len;

    if (err == THS_OK) {
        must(thsi_identity_check(&handshake->peer) == THS_OK);
        if (!handshake->initiator &&
            thsi_handshake_accept(handshake, secrets[1], frame, sizeof frame, &len) != THS_OK)
            return; /* a point of low order */
        must(thsi_handshake_finish(handshake, &gotten) == THS_OK);
        return;
    }
    must(handshake->state == THSI_HANDSHAKE_FAILED);
    must(strnlen(handshake->refusal.text, sizeof handshake->refusal.text) < sizeof handshake->refusal.text);
    must(thsi_handshake_finish(handshake, &gotten) == THS_INVALID);
    if (!handshake->initiator)
        must(thsi_handshake_refuse(handshake, err, NULL, frame, sizeof frame, &len) == THS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t hello1[THSI_HANDSHAKE_FRAME_MAX], frame[THSI_HANDSHAKE_FRAME_MAX];
    enum scene scene;
    struct thsi_handshake handshake;
    size_t hello1_len, frame_len;

    if (len == 0)
        return 0;
    scene = (enum scene)(data[0] % SCENES);
    data++;
    len--;
    if (len > 900)
        len = 900; /* what is sealed must fit a frame */
    hello1_len = begin_initiator(&handshake, hello1);
    if (scene == FRAME_FOR_RESPONDER || scene == PAYLOAD_FOR_RESPONDER)
        begin(&handshake, false);
    memcpy(frame, data, len);
    frame_len = len;
    if (scene == PAYLOAD_FOR_RESPONDER)
        frame_len = make_hello1(frame, data, len);
    else if (scene == PAYLOAD_FOR_INITIATOR)
        frame_len = make_hello2(hello1, hello1_len, frame, data, len);
    else if (len >= THSI_LENGTH_SIZE)
        thsi_put_u32(frame, (uint32_t)(len - THSI_LENGTH_SIZE)); /* the framer vouches for the length */
    check_outcome(&handshake, thsi_handshake_receive(&handshake, frame, frame_len));
    thsi_handshake_fini(&handshake);
    return 0;
}
