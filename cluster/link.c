#include "cluster/link.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "cluster/outbox.h"

enum ths_err thsi_link_init(struct thsi_link_core *core, struct ths_env *env, bool initiator,
                            const struct thsi_keyring *keys, const char *cluster, const struct thsi_identity *self,
                            const struct thsi_credential *credential)
{
    const struct thsi_handshake_config config = { .initiator = initiator, .keys = keys, .cluster = cluster,
                                                  .self = self, .credential = credential };

    memset(core, 0, sizeof *core);
    core->env = env;
    core->initiator = initiator;
    core->ack_due_ns = UINT64_MAX;
    core->limits = (struct thsi_session_limits)THSI_SESSION_LIMITS_DEFAULT;
    thsi_framer_init(&core->framer, env);
    return thsi_handshake_init(&core->handshake, &config);
}

void thsi_link_fini(struct thsi_link_core *core)
{
    thsi_handshake_fini(&core->handshake);
    thsi_session_fini(&core->session);
    thsi_framer_fini(&core->framer);
    core->has_session = core->verified = core->pending = false;
    core->out_len = 0;
}

enum ths_err thsi_link_start(struct thsi_link_core *core, const uint8_t *random)
{
    return thsi_handshake_start(&core->handshake, random, random + THSI_LINK_NONCE_SIZE, core->out, sizeof core->out,
                                &core->out_len);
}

/* The handshake is done: its keys become the session's. */
static enum ths_err begin_session(struct thsi_link_core *core, uint64_t now_ns)
{
    struct thsi_noise_keys keys;
    enum ths_err err = thsi_handshake_finish(&core->handshake, &keys);

    if (err != THS_OK)
        return err;
    thsi_session_init(&core->session, &keys, &core->limits, now_ns);
    sodium_memzero(&keys, sizeof keys);
    core->has_session = true;
    return THS_OK;
}

/* The dialed side has said all that it has to say: a frame that the other can only seal if it is there comes next. */
static enum ths_err await_proof(struct thsi_link_core *core, uint64_t now_ns)
{
    enum ths_err err = begin_session(core, now_ns);

    if (err == THS_OK)
        thsi_framer_proof_due(&core->framer);
    return err;
}

enum ths_err thsi_link_accept(struct thsi_link_core *core, uint64_t now_ns, const uint8_t *random)
{
    enum ths_err err = thsi_handshake_accept(&core->handshake, random + THSI_LINK_NONCE_SIZE, core->out,
                                             sizeof core->out, &core->out_len);

    return err == THS_OK && core->handshake.state == THSI_HANDSHAKE_DONE ? await_proof(core, now_ns) : err;
}

void thsi_link_refuse(struct thsi_link_core *core, enum ths_err code, const char *text)
{
    if (thsi_handshake_refuse(&core->handshake, code, text, core->out, sizeof core->out, &core->out_len) != THS_OK)
        core->out_len = 0;
}

/* The dialing side knows its peer as soon as that has answered. */
static enum ths_err begin_verified(struct thsi_link_core *core, uint64_t now_ns)
{
    enum ths_err err = THS_OK;

    if (core->handshake.state == THSI_HANDSHAKE_ANSWERED)
        err = thsi_handshake_prove(&core->handshake, core->out, sizeof core->out, &core->out_len);
    if (err == THS_OK)
        err = begin_session(core, now_ns);
    if (err != THS_OK)
        return err;
    thsi_framer_verified(&core->framer);
    core->verified = true;
    return THS_OK;
}

/* A frame of the handshake. */
static enum ths_err shake(struct thsi_link_core *core, uint64_t now_ns, const struct thsi_frame *frame,
                          struct thsi_link_news *news)
{
    enum ths_err err = thsi_handshake_receive(&core->handshake, frame->data, frame->len);

    if (err != THS_OK) {
        if (!core->initiator && thsi_handshake_deserves_refusal(err))
            thsi_link_refuse(core, err, NULL);
        return err;
    }
    if (!core->initiator && core->handshake.state == THSI_HANDSHAKE_DONE)
        return await_proof(core, now_ns); /* its key has come: no news before its proof */
    if (core->initiator)
        err = begin_verified(core, now_ns);
    news->kind = core->initiator ? THSI_NEWS_VERIFIED : THSI_NEWS_ASKED;
    return err;
}

/* Note what must be acknowledged, and by when. Empty frames are acknowledgements themselves and need none. */
static void owe_ack(struct thsi_link_core *core, uint64_t now_ns, const struct thsi_session_frame *frame)
{
    uint64_t due_ns;

    if (frame->payload_len == 0)
        return;
    core->ack_bytes += frame->payload_len;
    due_ns = now_ns + (frame->lane == THSI_LANE_NODE ? THSI_LINK_ACK_NODE_NS : THSI_LINK_ACK_SIGNALS_NS);
    if (core->ack_bytes >= THSI_LINK_ACK_BYTES)
        due_ns = now_ns;
    if (due_ns < core->ack_due_ns)
        core->ack_due_ns = due_ns;
}

static enum ths_err open_frame(struct thsi_link_core *core, uint64_t now_ns, const struct thsi_frame *frame,
                               struct thsi_link_news *news)
{
    struct thsi_session_frame *opened = core->verified ? &news->frame : &core->pending_frame;
    enum ths_err err = thsi_session_open(&core->session, frame->data, frame->len, opened);

    if (err == THS_OK && (opened->lane >= THSI_LANE_COUNT || opened->ack > thsi_session_sent(&core->session)))
        err = THS_MALFORMED;
    if (err != THS_OK)
        return err;
    owe_ack(core, now_ns, opened);
    if (core->verified) {
        news->kind = THSI_NEWS_FRAME;
        return THS_OK;
    }
    /* The first sealed frame of the side that dialed is its proof; it may carry something already. */
    thsi_framer_verified(&core->framer);
    core->verified = true;
    core->pending = opened->payload_len > 0;
    news->kind = THSI_NEWS_VERIFIED;
    return THS_OK;
}

enum ths_err thsi_link_feed(struct thsi_link_core *core, uint64_t now_ns, const uint8_t **data, size_t *len,
                            struct thsi_link_news *news)
{
    struct thsi_frame frame;
    enum ths_err err = THS_OK;

    news->kind = THSI_NEWS_NONE;
    if (core->pending) {
        core->pending = false;
        news->kind = THSI_NEWS_FRAME;
        news->frame = core->pending_frame;
        return THS_OK;
    }
    while (err == THS_OK && *len > 0 && news->kind == THSI_NEWS_NONE) {
        err = thsi_framer_feed(&core->framer, data, len, &frame);
        if (err == THS_OK && frame.data)
            err = core->has_session ? open_frame(core, now_ns, &frame, news) : shake(core, now_ns, &frame, news);
    }
    return err;
}

enum ths_err thsi_link_seal(struct thsi_link_core *core, uint64_t now_ns, uint8_t lane, uint8_t *frame,
                            size_t payload_len)
{
    enum ths_err err;

    assert(core->verified);
    err = thsi_session_seal(&core->session, now_ns, lane, thsi_session_received(&core->session), frame, payload_len);
    if (err != THS_OK)
        return err;
    core->ack_due_ns = UINT64_MAX;
    core->ack_bytes = 0;
    return THS_OK;
}
