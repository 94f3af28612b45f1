/* Receiving: the records of an opened frame become signals for the runtime.
 *
 * One pass, no allocation but for an arena that grows to what the largest body needed. */

#include "cluster/remote_types.h"

#include <assert.h>
#include <string.h>

#include "codec/codes.h"

#define ARENA_KEPT (1024u * 1024)

/* What is the same for all records of a frame. */
struct receiving {
    struct thsi_remote *remote;
    struct thsi_peer *peer;
    uint64_t uid;                  /* of the peer when the frame came */
    struct thsi_unpacker unpacker;
    struct thsi_envelope envelope;
    struct thsi_frame_pair pairs[THSI_FRAME_PAIRS_MAX]; /* of the frame's first TELLs */
    unsigned pairs_count;
    enum ths_err refuse;           /* not OK: of the record only the head came, and this is why */
};

/* ---- Answers ---------------------------------------------------------------------------- */

/* Send an answer of this node's own. If that is refused too, the link is in a state in which the asker's deadline and
 * the loss of the link say the rest. */
static void answer(struct thsi_remote *remote, const struct thsi_signal *signal)
{
    bool here = signal->to.node == remote->runtime->uid; /* whose request came back to its own node */
    enum ths_err err = here ? remote->runtime->deliver(remote->runtime, signal) : thsi_remote_send(remote, signal);

    (void)err;
}

static void flush_refused(struct thsi_remote *remote)
{
    if (remote->refused.id > 0)
        answer(remote, &remote->refused);
    remote->refused.id = 0;
}

/* Gather the refusal of a tell from @from to @whom: a row of equal ones goes as one record with their number. */
static void refuse_tell(struct thsi_remote *remote, ths_ref whom, ths_ref from, enum ths_err err)
{
    struct thsi_signal *refused = &remote->refused;

    if (refused->id > 0 && refused->err == err && ths_ref_equal(refused->from, whom) &&
        ths_ref_equal(refused->to, from)) {
        refused->id++;
        return;
    }
    flush_refused(remote);
    *refused = (struct thsi_signal){ .kind = THSI_REFUSED, .from = whom, .to = from, .err = err, .id = 1 };
}

/* ---- Bodies ----------------------------------------------------------------------------- */

static enum ths_err reserve_arena(struct thsi_remote *remote, size_t room)
{
    struct ths_env *env = remote->runtime->env;
    struct thsi_arena *arena = &remote->arena;
    uint8_t *base;

    thsi_arena_release(arena);
    arena->used = 0;
    if (room <= arena->cap)
        return THS_OK;
    base = env->memory(env, NULL, room);
    if (!base)
        return THS_NOMEM;
    (void)env->memory(env, arena->base, 0);
    arena->base = base;
    arena->cap = room;
    return THS_OK;
}

/* A rare large frame does not hold its memory for ever. When there is none to go back to, the large one stays. */
static void trim_arena(struct thsi_remote *remote)
{
    struct ths_env *env = remote->runtime->env;
    uint8_t *base;

    thsi_arena_release(&remote->arena);
    if (remote->arena.cap <= ARENA_KEPT)
        return;
    base = env->memory(env, NULL, ARENA_KEPT);
    if (!base)
        return;
    (void)env->memory(env, remote->arena.base, 0);
    remote->arena = (struct thsi_arena){ .base = base, .cap = ARENA_KEPT, .env = env };
}

/* What type @number of the peer is here. NULL: *@err says why not. Errors: UNKNOWN_TYPE, TYPE_MISMATCH (refused), MALFORMED
 * (never announced). */
static const struct thsi_type_info *known_type(const struct receiving *at, uint32_t number, enum ths_err *err)
{
    const struct thsi_type_in *known = number < at->peer->types_in_count ? &at->peer->types_in[number] : NULL;

    *err = !known || (!known->info && known->err == THS_OK) ? THS_MALFORMED : known->err;
    return known ? known->info : NULL;
}

/* Take the body of the record at hand. *@refused says why it cannot be delivered, though the stream is in order: its
 * type is not known here as it is there, or only this node itself may say it, or it is over a bound of ours.
 * Errors: MALFORMED, NOMEM: close the link. */
static enum ths_err take_body(struct receiving *at, struct ths_type **type, void **body, enum ths_err *refused)
{
    uint32_t number = at->envelope.type_number;
    struct thsi_unpacker before = at->unpacker;
    uint32_t fields_left = at->envelope.fields_left;
    const struct thsi_type_info *info;
    enum ths_err err;

    *type = NULL;
    *body = NULL;
    *refused = THS_OK;
    if (at->refuse != THS_OK) {
        *refused = at->refuse;
        return THS_OK;
    }
    if (number == 0)
        return THS_OK;
    info = known_type(at, number, refused);
    if (!info && *refused == THS_MALFORMED)
        return THS_MALFORMED;
    if (info && info->reply_only && at->envelope.kind != THSI_RECORD_REPLY) {
        *refused = THS_REFUSED;
    } else if (info) {
        size_t room = at->peer->types_in[number].room;

        err = reserve_arena(at->remote, room <= at->remote->arena.cap
                                            ? room : thsi_schema_room(info, thsi_unpack_left(&at->unpacker)));
        if (err != THS_OK)
            return err;
        err = thsi_envelope_unpack_body(&at->envelope, &at->unpacker, info, &at->remote->arena, body);
        if (err != THS_TOO_BIG) {
            *type = info->type;
            return err;
        }
        *refused = THS_TOO_BIG;
    }
    at->unpacker = before;
    at->envelope.fields_left = fields_left;
    return thsi_envelope_unpack_body(&at->envelope, &at->unpacker, NULL, NULL, body);
}

/* ---- Records ---------------------------------------------------------------------------- */

static uint64_t deadline_of(struct thsi_remote *remote, uint64_t remaining_ms)
{
    struct ths_env *env = remote->runtime->env;

    if (remaining_ms == THSI_REMAINING_NONE || remaining_ms > UINT64_MAX / 2000000)
        return UINT64_MAX;
    return env->now_ns(env) + remaining_ms * 1000000;
}

static struct thsi_signal signal_of(const struct receiving *at)
{
    const struct thsi_envelope *envelope = &at->envelope;

    return (struct thsi_signal){
        .kind = (enum thsi_signal_kind)envelope->kind,
        .from = { at->uid, envelope->from.slot, envelope->from.generation },
        .to = { at->remote->runtime->uid, envelope->to.slot, envelope->to.generation },
        .id = envelope->id,
        .deadline_ns = UINT64_MAX,
        .fence = envelope->fence,
        .incarnation = envelope->incarnation,
        .child = envelope->child,
        .err = thsi_err_of_code(envelope->err),
        .reason = thsi_reason_of_code(envelope->reason),
        .certainty = thsi_certainty_of_code(envelope->certainty),
        .text = envelope->text,
    };
}

/* A message for the mailbox @whom came, and that is what became of it. */
static void note_use(const struct receiving *at, struct thsi_actor_id whom, enum ths_err err)
{
    if (err == THS_FULL)
        thsi_remote_pressed(at->remote, at->peer, whom);
    else if (at->peer->grants)
        thsi_remote_used(at->remote, at->peer, whom);
}

/* Deliver one tell. A refusal is told to the sender's node, many in a row as one. */
static enum ths_err deliver_tell(struct thsi_remote *remote, struct thsi_signal *signal)
{
    struct thsi_runtime *runtime = remote->runtime;
    ths_ref from = signal->from;
    enum ths_err err;

    if (from.generation == 0)
        signal->from = THS_NOBODY;
    err = runtime->deliver(runtime, signal);
    signal->from = from;
    if (err != THS_OK)
        refuse_tell(remote, signal->to, from, err);
    return err;
}

static enum ths_err receive_tell(struct receiving *at)
{
    struct thsi_signal signal;
    enum ths_err refused, err;
    void *body;

    signal = (struct thsi_signal){
        .kind = THSI_TELL,
        .from = { at->uid, at->envelope.from.slot, at->envelope.from.generation },
        .to = { at->remote->runtime->uid, at->envelope.to.slot, at->envelope.to.generation },
        .deadline_ns = UINT64_MAX,
    };
    err = take_body(at, &signal.type, &body, &refused);
    if (err != THS_OK)
        return err;
    signal.body = body;
    if (refused != THS_OK)
        refuse_tell(at->remote, signal.to, signal.from, refused);
    else if (!signal.type)
        return THS_MALFORMED; /* a tell without a message */
    else
        err = deliver_tell(at->remote, &signal);
    note_use(at, at->envelope.to, err);
    return THS_OK;
}

static enum ths_err receive_group_tell(struct receiving *at)
{
    struct thsi_signal signal = signal_of(at);
    struct thsi_actor_id receiver;
    enum ths_err refused, err;
    void *body;

    signal.kind = THSI_TELL;
    err = take_body(at, &signal.type, &body, &refused);
    if (err != THS_OK)
        return err;
    if (!signal.type && refused == THS_OK)
        return THS_MALFORMED;
    signal.body = body;
    while (thsi_envelope_next_receiver(&at->envelope, &receiver)) {
        signal.to.slot = receiver.slot;
        signal.to.generation = receiver.generation;
        if (refused != THS_OK)
            refuse_tell(at->remote, signal.to, signal.from, refused);
        else if (deliver_tell(at->remote, &signal) == THS_FULL)
            thsi_remote_pressed(at->remote, at->peer, receiver); /* group tells themselves are not limited */
    }
    return THS_OK;
}

/* What an actor is to be spawned with. Borrows from the record. */
struct wanted_spawn {
    struct ths_spawn_options options;
    struct ths_type *urgent[THS_URGENT_MAX + 1];
};

/* The options of the SPAWN at hand. *@refused says why they cannot be had here: a newer node may ask for what this
 * one does not know. Errors: MALFORMED: close the link. */
static enum ths_err take_options(const struct receiving *at, struct wanted_spawn *wanted, enum ths_err *refused)
{
    static const struct thsi_spawn_wish none = { .flags = 0 };
    const struct thsi_spawn_wish *wish = at->envelope.wish ? at->envelope.wish : &none;

    *wanted = (struct wanted_spawn){ .options = {
        .name = at->envelope.name,
        .mailbox = at->envelope.mailbox,
        .link = wish->flags & THSI_SPAWN_LINK,
        .monitor = wish->flags & THSI_SPAWN_WATCH,
        .trap_exits = wish->flags & THSI_SPAWN_TRAPS,
        .own_thread = wish->flags & THSI_SPAWN_OWN_THREAD,
        .held = wish->flags & THSI_SPAWN_HELD,
        .idle_ms = wish->idle_ms,
        .when_full = (enum ths_when_full)wish->when_full,
        .key = wish->key,
        .mailbox_bytes = wish->mailbox_bytes,
        .memory_max = wish->memory_max < SIZE_MAX ? (size_t)wish->memory_max : SIZE_MAX,
    } };
    if (wish->flags & ~(uint32_t)THSI_SPAWN_FLAGS || wish->when_full > THS_LATEST_BY_KEY)
        *refused = THS_UNSUPPORTED;
    for (uint32_t i = 0; i < wish->urgent_count; i++) {
        enum ths_err err;
        const struct thsi_type_info *info = known_type(at, wish->urgent[i], &err);

        if (!info && err == THS_MALFORMED)
            return THS_MALFORMED;
        if (info)
            wanted->urgent[i] = info->type;
        else
            *refused = err;
    }
    if (wish->urgent_count > 0)
        wanted->options.urgent = wanted->urgent;
    return THS_OK;
}

/* A request (ask, lookup, spawn) whose body cannot be read is answered as the actor would; a reply whose body cannot be
 * read arrives as a refusal. */
static enum ths_err receive_signal(struct receiving *at)
{
    struct thsi_runtime *runtime = at->remote->runtime;
    struct thsi_signal signal = signal_of(at);
    struct wanted_spawn wanted;
    enum ths_err refused, err;
    void *body;

    err = take_body(at, &signal.type, &body, &refused);
    if (err == THS_OK && signal.kind == THSI_SPAWN) {
        err = take_options(at, &wanted, &refused);
        signal.options = &wanted.options;
    }
    if (err != THS_OK)
        return err;
    signal.body = body;
    if (signal.kind == THSI_ASK && !signal.type && refused == THS_OK)
        return THS_MALFORMED;
    if (signal.kind == THSI_REPLY && signal.err == THS_OK && !signal.type && refused == THS_OK)
        return THS_MALFORMED; /* neither a reply nor an error */
    if (at->envelope.asker_node != 0)
        signal.from.node = at->envelope.asker_node; /* passed on for an asker elsewhere, or here */
    if (refused != THS_OK && signal.kind == THSI_REPLY) {
        signal.err = refused;
    } else if (refused != THS_OK) {
        const struct thsi_signal reply = { .kind = THSI_REPLY, .from = signal.to, .to = signal.from, .id = signal.id,
                                           .err = refused };
        answer(at->remote, &reply);
        if (signal.kind == THSI_ASK)
            note_use(at, at->envelope.to, THS_OK);
        return THS_OK;
    }
    if (signal.kind == THSI_ASK || signal.kind == THSI_LOOKUP || signal.kind == THSI_SPAWN)
        signal.deadline_ns = deadline_of(at->remote, at->envelope.remaining_ms);
    else if (signal.kind == THSI_STOP && at->envelope.remaining_ms > 0)
        signal.deadline_ns = deadline_of(at->remote, at->envelope.remaining_ms);
    err = runtime->deliver(runtime, &signal); /* what becomes of it leaves by itself */
    if (signal.kind == THSI_ASK)
        note_use(at, at->envelope.to, err);
    return THS_OK;
}

/* ---- Control, dispatch ------------------------------------------------------------------- */

/* Nobody of this node hears of the record at hand, but its sender does: a request is answered, the rest is counted and
 * reported as refused tells are. */
static enum ths_err forbid(struct receiving *at)
{
    struct thsi_signal signal = signal_of(at), refusal;
    struct thsi_actor_id receiver;
    enum ths_err err = THS_OK;
    char text[64];
    void *none;

    if (at->envelope.type_number != 0 && at->refuse == THS_OK) /* else only the head is there */
        err = thsi_envelope_unpack_body(&at->envelope, &at->unpacker, NULL, NULL, &none);
    if (err != THS_OK)
        return err;
    if (at->envelope.asker_node != 0)
        signal.from.node = at->envelope.asker_node;
    if (at->envelope.kind == THSI_RECORD_TELL || at->envelope.kind == THSI_RECORD_AGAIN || at->envelope.kind == THSI_RECORD_ASK)
        note_use(at, at->envelope.to, THS_OK);
    if (thsi_remote_forbidden(at->remote, at->peer, &at->envelope, &signal, &refusal, text, sizeof text))
        answer(at->remote, &refusal);
    else if (at->envelope.kind != THSI_RECORD_GROUP_TELL)
        refuse_tell(at->remote, signal.to, signal.from, THS_FORBIDDEN);
    while (at->envelope.kind == THSI_RECORD_GROUP_TELL && thsi_envelope_next_receiver(&at->envelope, &receiver))
        refuse_tell(at->remote, (ths_ref){ signal.to.node, receiver.slot, receiver.generation }, signal.from,
                    THS_FORBIDDEN);
    return THS_OK;
}

/* Control records come again after a link was lost; a number that was acted upon is not acted upon twice. */
static bool is_repeated(struct receiving *at)
{
    if (!thsi_envelope_is_control(at->envelope.kind))
        return false;
    if (at->envelope.number <= at->peer->control_seen)
        return true;
    at->peer->control_seen = at->envelope.number;
    return false;
}

/* A TELL in full: later ones of the frame may speak of its pair. */
static void note_pair(struct receiving *at)
{
    if (at->pairs_count < THSI_FRAME_PAIRS_MAX)
        at->pairs[at->pairs_count++] = (struct thsi_frame_pair){ at->envelope.from, at->envelope.to };
}

static enum ths_err receive_again(struct receiving *at)
{
    if (at->envelope.again >= at->pairs_count)
        return THS_MALFORMED;
    at->envelope.from = at->pairs[at->envelope.again].from;
    at->envelope.to = at->pairs[at->envelope.again].to;
    return thsi_remote_may(at->peer, &at->envelope) ? receive_tell(at) : forbid(at);
}

static enum ths_err receive_piece(struct receiving *at);

static enum ths_err receive_record(struct receiving *at)
{
    const struct thsi_remote_hooks *hooks = &at->remote->hooks;

    if (is_repeated(at))
        return THS_OK;
    if (at->envelope.kind == THSI_RECORD_TELL)
        note_pair(at);
    if (!thsi_remote_may(at->peer, &at->envelope))
        return forbid(at);
    switch ((int)at->envelope.kind) {
    case THSI_RECORD_TELL:
        return receive_tell(at);
    case THSI_RECORD_GROUP_TELL:
        return receive_group_tell(at);
    case THSI_RECORD_TYPE:
        return thsi_remote_type_announced(at->remote, at->peer, &at->envelope);
    case THSI_RECORD_TYPE_REFUSED:
        return thsi_remote_type_refused(at->remote, at->peer, &at->envelope);
    case THSI_RECORD_GOSSIP:
        if (!at->envelope.bytes)
            return THS_MALFORMED;
        hooks->gossip(hooks->arg, at->peer, at->envelope.bytes, at->envelope.bytes_len);
        return THS_OK;
    case THSI_RECORD_BYE:
        hooks->bye(hooks->arg, at->peer, thsi_refusal_of_code(at->envelope.err), at->envelope.text ? at->envelope.text : "");
        return THS_OK;
    case THSI_RECORD_KEYS:
    case THSI_RECORD_KEY:
        return hooks->keys(hooks->arg, at->peer, &at->envelope);
    case THSI_RECORD_FRAGMENT:
        return receive_piece(at);
    case THSI_RECORD_CREDIT:
        return thsi_remote_credit_came(at->remote, at->peer, &at->envelope);
    default:
        return receive_signal(at);
    }
}

/* ---- Records in pieces ------------------------------------------------------------------ */

/* The one record in @bytes; with @refuse only its head, which is answered. */
static enum ths_err receive_whole(const struct receiving *outer, const uint8_t *bytes, size_t len, enum ths_err refuse)
{
    struct receiving at = { .remote = outer->remote, .peer = outer->peer, .uid = outer->uid, .refuse = refuse };
    struct thsi_arena texts = { .base = at.remote->texts, .cap = sizeof at.remote->texts };
    enum ths_err err;

    thsi_unpacker_init(&at.unpacker, bytes, len);
    err = thsi_envelope_unpack(&at.envelope, &at.unpacker, &texts);
    if (err == THS_OK && !thsi_envelope_is_large(at.envelope.kind))
        err = THS_MALFORMED;
    if (err != THS_OK)
        return err;
    if (refuse != THS_OK && thsi_envelope_is_passed_on(&at.envelope)) { /* its asker is not known, and has a deadline */
        note_use(&at, at.envelope.to, THS_OK);
        return THS_OK;
    }
    err = receive_record(&at);
    return err == THS_OK && refuse == THS_OK ? thsi_unpack_finish(&at.unpacker) : err;
}

static struct thsi_reassembly *pieces_of(struct receiving *at)
{
    struct ths_env *env = at->remote->runtime->env;
    struct thsi_peer *peer = at->peer;

    if (!peer->pieces) {
        peer->pieces = env->memory(env, NULL, sizeof *peer->pieces);
        if (peer->pieces)
            thsi_reassembly_init(peer->pieces, env);
    }
    return peer->pieces;
}

/* No memory for the record, or no room among those of all nodes: it is refused as its receiver would, from what came. */
static enum ths_err give_up(const struct receiving *at, struct thsi_reassembly *pieces, enum ths_err why)
{
    const struct thsi_envelope *piece = &at->envelope;
    const struct thsi_stream *stream = &pieces->streams[piece->stream];
    bool first = piece->piece & THSI_FRAGMENT_FIRST;
    enum ths_err err = receive_whole(at, first ? piece->bytes : stream->bytes, first ? piece->bytes_len : stream->len, why);

    thsi_reassembly_done(pieces, piece->stream, piece->piece & THSI_FRAGMENT_LAST);
    return err;
}

static enum ths_err receive_piece(struct receiving *at)
{
    const struct thsi_envelope *piece = &at->envelope;
    struct thsi_reassembly *pieces = pieces_of(at);
    size_t before = pieces ? pieces->bytes : 0;
    enum ths_err err = THS_NOMEM;
    bool whole = false;

    if (!pieces)
        return THS_NOMEM;
    if (at->remote->pieces + piece->bytes_len > THSI_PIECES_MAX && pieces->streams[piece->stream].state != THSI_STREAM_PASSED_OVER)
        err = THS_FULL;
    else
        err = thsi_reassembly_add(pieces, piece->stream, piece->piece, piece->bytes, piece->bytes_len, &whole);
    if (err == THS_NOMEM || err == THS_FULL) {
        err = give_up(at, pieces, err);
    } else if (whole) {
        const struct thsi_stream *stream = &pieces->streams[piece->stream];
        err = receive_whole(at, stream->bytes, stream->len, THS_OK);
        thsi_reassembly_done(pieces, piece->stream, true);
    }
    at->remote->pieces = at->remote->pieces + pieces->bytes - before;
    return err;
}

/* ---- Frames ----------------------------------------------------------------------------- */

enum ths_err thsi_remote_receive(struct thsi_remote *remote, struct thsi_peer *peer, const uint8_t *payload,
                                 size_t len)
{
    struct receiving at = { .remote = remote, .peer = peer, .uid = peer->uid };
    enum ths_err err = THS_OK;

    thsi_unpacker_init(&at.unpacker, payload, len);
    while (err == THS_OK && at.unpacker.at < at.unpacker.end) {
        struct thsi_arena texts = { .base = remote->texts, .cap = sizeof remote->texts };
        err = thsi_envelope_unpack(&at.envelope, &at.unpacker, &texts);
        if (err == THS_OK)
            err = at.envelope.kind == THSI_RECORD_AGAIN ? receive_again(&at) : receive_record(&at);
        assert(peer->uid == at.uid); /* hooks bury nobody */
    }
    flush_refused(remote);
    trim_arena(remote);
    return err;
}
