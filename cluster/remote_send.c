/* Sending: signals become records in the outbox of the node they are for. */

#include "cluster/remote.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "cluster/gossip.h"
#include "node/base/utf8.h"

/* After this a refused type is announced again: the other node may have come to know it since. */
#define REFUSAL_NS UINT64_C(1000000000)

static_assert((int)THSI_RECORD_TELL == THSI_TELL && (int)THSI_RECORD_REPLY == THSI_REPLY &&
              (int)THSI_RECORD_DOWN == THSI_DOWN && (int)THSI_RECORD_SPAWN == THSI_SPAWN &&
              (int)THSI_RECORD_REFUSED == THSI_REFUSED && (int)THSI_RECORD_MOVED == THSI_MOVED, "a signal's kind is its record's");

/* ---- Types ------------------------------------------------------------------------------ */

/* Intern the type and check the body, so that packing it can only fail for want of room. *@packed: bytes that it takes
 * at most; 0 for few. */
static enum ths_err check_body(struct ths_type *type, const void *body, const struct thsi_type_info **info, size_t *packed)
{
    *info = thsi_type_intern(type);
    *packed = 0;
    if (!*info)
        return THS_NOMEM;
    return (*info)->flat ? THS_OK : thsi_message_weigh(*info, body, packed);
}

static enum ths_err announce(struct thsi_peer *peer, const struct thsi_type_info *info)
{
    const struct thsi_envelope envelope = {
        .kind = THSI_RECORD_TYPE,
        .type_number = info->id,
        .text = info->name,
        .version = info->version,
        .fingerprint = info->fingerprint,
        .type = info,
    };

    return thsi_outbox_put(&peer->outbox, THSI_CLASS_NODE, &envelope);
}

static enum ths_err reserve_types(struct thsi_remote *remote, struct thsi_peer *peer, uint32_t number)
{
    struct ths_env *env = remote->runtime->env;
    uint32_t count = peer->types_out_count ? peer->types_out_count : 32;
    struct thsi_type_out *types;

    if (number < peer->types_out_count)
        return THS_OK;
    while (count <= number)
        count *= 2;
    types = env->memory(env, peer->types_out, count * sizeof *types);
    if (!types)
        return THS_NOMEM;
    memset(types + peer->types_out_count, 0, (count - peer->types_out_count) * sizeof *types);
    peer->types_out = types;
    peer->types_out_count = count;
    return THS_OK;
}

/* A record with a body of this type is about to be packed: see that its number is announced before. What a peer without
 * a link will need is announced when it gets one. Under the peer's mutex. */
static enum ths_err use_type(struct thsi_remote *remote, struct thsi_peer *peer, const struct thsi_type_info *info)
{
    struct ths_env *env = remote->runtime->env;
    enum ths_err err = reserve_types(remote, peer, info->id);
    struct thsi_type_out *type;

    if (err != THS_OK)
        return err;
    type = &peer->types_out[info->id];
    if (type->refused != THS_OK) {
        if (env->now_ns(env) - type->refused_ns < REFUSAL_NS)
            return (enum ths_err)type->refused;
        type->refused = THS_OK;
        type->announced = false;
    }
    if (type->announced)
        return THS_OK;
    err = peer->linked ? announce(peer, info) : THS_OK;
    type->announced = err == THS_OK;
    return err;
}

enum ths_err thsi_remote_link_up(struct thsi_remote *remote, struct thsi_peer *peer)
{
    enum ths_err err = THS_OK;

    (void)remote;
    (void)pthread_mutex_lock(&peer->mutex);
    for (uint32_t number = 1; number < peer->types_out_count && err == THS_OK; number++) {
        const struct thsi_type_out *type = &peer->types_out[number];
        if (type->announced && type->refused == THS_OK)
            err = announce(peer, thsi_type_by_id(number));
    }
    peer->linked = err == THS_OK;
    (void)pthread_mutex_unlock(&peer->mutex);
    return err;
}

/* ---- Signals ---------------------------------------------------------------------------- */

static enum thsi_record_class class_of(enum thsi_record_kind kind)
{
    if (thsi_envelope_is_control(kind))
        return THSI_CLASS_CONTROL;
    return kind == THSI_RECORD_REPLY || kind == THSI_RECORD_REFUSED ? THSI_CLASS_ANSWER : THSI_CLASS_DATA;
}

/* Clocks of two nodes have nothing in common, so what travels is the time that is left, rounded up. */
static uint64_t remaining_ms(struct ths_env *env, uint64_t deadline_ns)
{
    uint64_t now_ns;

    if (deadline_ns == UINT64_MAX)
        return THSI_REMAINING_NONE;
    now_ns = env->now_ns(env);
    return deadline_ns > now_ns ? (deadline_ns - now_ns + 999999) / 1000000 : 0;
}

static bool has_deadline(enum thsi_signal_kind kind)
{
    return kind == THSI_ASK || kind == THSI_LOOKUP || kind == THSI_SPAWN;
}

/* Of a stop: 0 for none, hence at least 1 for one that has passed. */
static uint64_t stop_remaining_ms(struct ths_env *env, uint64_t deadline_ns)
{
    uint64_t left_ms = deadline_ns == UINT64_MAX ? 0 : remaining_ms(env, deadline_ns);

    return deadline_ns != UINT64_MAX && left_ms == 0 ? 1 : left_ms;
}

static void fill(struct ths_env *env, uint64_t uid, const struct thsi_signal *signal,
                 const struct thsi_type_info *info, struct thsi_envelope *envelope)
{
    *envelope = (struct thsi_envelope){
        .kind = (enum thsi_record_kind)signal->kind,
        .from = { signal->from.slot, signal->from.generation },
        .to = { signal->to.slot, signal->to.generation },
        .id = signal->id,
        .fence = signal->fence,
        .incarnation = signal->incarnation,
        .child = signal->child,
        .err = (uint32_t)signal->err,
        .reason = (uint32_t)signal->reason,
        .certainty = (uint32_t)signal->certainty,
        .type_number = info ? info->id : 0,
        .type = info,
        .body = signal->body,
    };
    if (signal->kind == THSI_ASK && signal->from.node != uid) /* passed on */
        envelope->asker_node = signal->from.node;
    if (has_deadline(signal->kind))
        envelope->remaining_ms = remaining_ms(env, signal->deadline_ns);
    else if (signal->kind == THSI_STOP)
        envelope->remaining_ms = stop_remaining_ms(env, signal->deadline_ns);
}

/* Whether one more signal of @len bytes may wait for an unknown node. The counts are shared by all of them and may be a
 * little behind when several threads park at once. */
static bool may_park(const struct thsi_remote *remote, size_t len)
{
    return atomic_load_explicit(&remote->parked, memory_order_relaxed) < THSI_PARKED_MAX &&
           atomic_load_explicit(&remote->parked_bytes, memory_order_relaxed) + len < THSI_PARKED_BYTES_MAX;
}

static void count_parked(struct thsi_remote *remote, struct thsi_peer *peer, size_t bytes)
{
    peer->parked++;
    peer->parked_bytes += bytes;
    (void)atomic_fetch_add_explicit(&remote->parked, 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&remote->parked_bytes, bytes, memory_order_relaxed);
}

/* What limits a message to a mailbox under pressure. */
static struct thsi_credit *credit_for(struct thsi_peer *peer, const struct thsi_envelope *envelope)
{
    bool counts = envelope->kind == THSI_RECORD_TELL || envelope->kind == THSI_RECORD_ASK;

    return counts ? thsi_credits_find(peer->credits, envelope->to) : NULL;
}

static bool is_utf8(const char *text)
{
    return !text || thsi_utf8_valid(text, strlen(text));
}

/* What a SPAWN asks for, into @wish. Errors: UNSUPPORTED, MALFORMED, INVALID, NOMEM. */
static enum ths_err fill_spawn(const struct ths_spawn_options *options, struct thsi_envelope *envelope,
                               struct thsi_spawn_wish *wish)
{
    *wish = (struct thsi_spawn_wish){
        .flags = (options->trap_exits ? THSI_SPAWN_TRAPS : 0u) | (options->own_thread ? THSI_SPAWN_OWN_THREAD : 0u) |
                 (options->held ? THSI_SPAWN_HELD : 0u) | (options->link ? THSI_SPAWN_LINK : 0u) |
                 (options->monitor ? THSI_SPAWN_WATCH : 0u),
        .when_full = (uint32_t)options->when_full,
        .idle_ms = options->idle_ms,
        .mailbox_bytes = options->mailbox_bytes,
        .memory_max = options->memory_max,
        .key = options->key,
    };
    envelope->name = options->name;
    envelope->mailbox = options->mailbox;
    envelope->wish = wish;
    if (options->key_of)
        return THS_UNSUPPORTED;
    if (!is_utf8(options->name) || !is_utf8(options->key))
        return THS_MALFORMED; /* it would end the link */
    for (struct ths_type *const *types = options->urgent; types && *types; types++) {
        const struct thsi_type_info *info = thsi_type_intern(*types);

        if (!info || wish->urgent_count == THS_URGENT_MAX)
            return info ? THS_INVALID : THS_NOMEM;
        wish->urgent[wish->urgent_count++] = info->id;
    }
    return THS_OK;
}

/* See that all types that the record speaks of are announced before it. */
static enum ths_err use_types(struct thsi_remote *remote, struct thsi_peer *peer, const struct thsi_envelope *envelope)
{
    enum ths_err err = envelope->type ? use_type(remote, peer, envelope->type) : THS_OK;

    for (uint32_t i = 0; err == THS_OK && envelope->wish && i < envelope->wish->urgent_count; i++)
        err = use_type(remote, peer, thsi_type_by_id(envelope->wish->urgent[i]));
    return err;
}

/* Put the record, or the @bulk message that it was packed as, for the locked @peer, and unlock it. Takes @bulk on OK. */
static enum ths_err put(struct thsi_remote *remote, struct thsi_peer *peer, const struct thsi_envelope *envelope,
                        struct thsi_bulk_item *bulk)
{
    bool parks = peer->state == THSI_PEER_UNKNOWN;
    size_t waiting = parks ? thsi_outbox_bytes(&peer->outbox) : 0;
    struct thsi_credit *credit = peer->credits && peer->credits->count > 0 ? credit_for(peer, envelope) : NULL;
    enum ths_err err = use_types(remote, peer, envelope);

    if (err == THS_OK && credit && credit->left == 0)
        err = THS_FULL; /* as the mailbox there would say */
    if (err == THS_OK && parks && !may_park(remote, bulk ? bulk->bytes : 0))
        err = THS_UNKNOWN_NODE;
    if (err == THS_OK && bulk)
        err = thsi_outbox_put_bulk(&peer->outbox, bulk);
    else if (err == THS_OK)
        err = thsi_outbox_put(&peer->outbox, class_of(envelope->kind), envelope);
    if (err == THS_OK && parks)
        count_parked(remote, peer, thsi_outbox_bytes(&peer->outbox) - waiting);
    if (err == THS_OK && credit)
        credit->left--;
    /* Even after a refusal a type may have been announced, or an unknown node's place been made: the driver looks. */
    thsi_remote_unlock_dirty(remote, peer);
    return err;
}

/* Whether a message of up to @bound bytes would be refused, and why. */
static enum ths_err judge_bulk(struct thsi_remote *remote, uint64_t uid, const struct thsi_envelope *envelope, size_t bound)
{
    const struct thsi_credit *credit;
    struct thsi_peer *peer;
    enum ths_err err = thsi_remote_lock_or_park(remote, uid, &peer);

    if (err != THS_OK)
        return err;
    credit = peer->credits ? credit_for(peer, envelope) : NULL;
    if (!thsi_bulk_has_room(&peer->outbox.bulk, bound) || (credit && credit->left == 0))
        err = THS_FULL;
    if (peer->state == THSI_PEER_UNKNOWN && !may_park(remote, bound))
        err = THS_UNKNOWN_NODE;
    thsi_remote_unlock_dirty(remote, peer); /* the place of an unknown node may be new */
    return err;
}

/* A large record is packed outside of the lock, so that it holds up nobody. */
static enum ths_err send_bulk(struct thsi_remote *remote, uint64_t uid, const struct thsi_envelope *envelope, size_t bound)
{
    struct ths_env *env = remote->runtime->env;
    struct thsi_bulk_item *item;
    struct thsi_peer *peer;
    enum ths_err err = judge_bulk(remote, uid, envelope, bound);

    if (err == THS_OK)
        err = thsi_bulk_pack(env, remote->frames, class_of(envelope->kind), envelope, bound, &item);
    if (err != THS_OK)
        return err;
    err = thsi_remote_lock_or_park(remote, uid, &peer);
    if (err == THS_OK)
        err = put(remote, peer, envelope, item);
    if (err != THS_OK)
        thsi_bulk_drop(env, remote->frames, item);
    return err;
}

/* Bytes of a record beside its body: two texts, fifteen integers; and the receivers; and wishes. */
#define HEAD_MAX (2 * (THSI_ENVELOPE_TEXT_MAX + 5) + 15 * 9)
#define RECEIVER_MAX 10u
#define WISH_MAX (THSI_ENVELOPE_TEXT_MAX + 5 + 5 * 9 + 5 + THS_URGENT_MAX * 5)

/* Send a record whose body takes up to @packed bytes. */
static inline enum ths_err send_record(struct thsi_remote *remote, uint64_t uid, const struct thsi_envelope *envelope,
                                       size_t packed)
{
    size_t bound = packed + HEAD_MAX + RECEIVER_MAX * (size_t)envelope->receivers_count + (envelope->wish ? WISH_MAX : 0);
    struct thsi_peer *peer;
    enum ths_err err;

    if (bound > THSI_BULK_RECORD)
        return send_bulk(remote, uid, envelope, bound);
    err = thsi_remote_lock_or_park(remote, uid, &peer);
    return err == THS_OK ? put(remote, peer, envelope, NULL) : err;
}

/* What is not UTF-8 would end the link. A name that is none is nobody's; a reason is mended in @room. */
static enum ths_err check_text(const struct thsi_signal *signal, char room[THSI_ENVELOPE_TEXT_MAX + 1], const char **text)
{
    *text = signal->text;
    if (is_utf8(signal->text))
        return THS_OK;
    if (signal->kind == THSI_LOOKUP || signal->kind == THSI_SPAWN)
        return THS_MALFORMED;
    (void)snprintf(room, THSI_ENVELOPE_TEXT_MAX + 1, "%s", signal->text);
    thsi_utf8_mend(room);
    *text = room;
    return THS_OK;
}

/* Its receiver would refuse it: said at once. */
static enum ths_err check_kind(const struct thsi_type_info *info, enum thsi_signal_kind kind)
{
    return info && info->reply_only && kind != THSI_REPLY ? THS_REFUSED : THS_OK;
}

enum ths_err thsi_remote_send(struct thsi_remote *remote, const struct thsi_signal *signal)
{
    const struct thsi_type_info *info = NULL;
    char room[THSI_ENVELOPE_TEXT_MAX + 1];
    struct thsi_spawn_wish wish;
    struct thsi_envelope envelope;
    size_t packed = 0;
    const char *text;
    enum ths_err err = signal->type ? check_body(signal->type, signal->body, &info, &packed) : THS_OK;

    assert(signal->to.node != remote->runtime->uid);
    if (err == THS_OK)
        err = check_kind(info, signal->kind);
    if (err == THS_OK)
        err = check_text(signal, room, &text);
    if (err != THS_OK)
        return err;
    fill(remote->runtime->env, remote->runtime->uid, signal, info, &envelope);
    envelope.text = text;
    if (signal->options)
        err = fill_spawn(signal->options, &envelope, &wish);
    return err == THS_OK ? send_record(remote, signal->to.node, &envelope, packed) : err;
}

enum ths_err thsi_remote_group_tell(struct thsi_remote *remote, uint64_t uid, ths_ref from,
                                    const struct thsi_actor_id *receivers, uint32_t count, struct ths_type *type,
                                    const void *body)
{
    const struct thsi_type_info *info;
    struct thsi_envelope envelope = { .kind = THSI_RECORD_GROUP_TELL, .from = { from.slot, from.generation },
                                      .receivers = receivers, .receivers_count = count, .body = body };
    size_t packed;
    enum ths_err err = check_body(type, body, &info, &packed);

    if (err == THS_OK)
        err = check_kind(info, THSI_TELL);
    if (err != THS_OK)
        return err;
    envelope.type = info;
    envelope.type_number = info->id;
    return send_record(remote, uid, &envelope, packed);
}

/* Groups change beside the bulk of messages; that this node leaves is said behind it. */
static enum thsi_record_class class_of_gossip(const uint8_t *packet, size_t len, bool ordered)
{
    if (!ordered)
        return THSI_CLASS_NODE;
    return thsi_gossip_is_for_groups(packet, len) ? THSI_CLASS_ORDERED : THSI_CLASS_LAST;
}

enum ths_err thsi_remote_gossip(struct thsi_remote *remote, uint64_t uid, const uint8_t *packet, size_t len,
                                bool ordered)
{
    const struct thsi_envelope envelope = { .kind = THSI_RECORD_GOSSIP, .bytes = packet, .bytes_len = (uint32_t)len };
    struct thsi_peer *peer;
    enum ths_err err = THS_UNKNOWN_NODE;

    if (len > THSI_GOSSIP_MAX)
        return THS_TOO_BIG;
    peer = thsi_remote_lock(remote, uid);
    if (!peer)
        return THS_UNKNOWN_NODE;
    if (peer->linked)
        err = thsi_outbox_put(&peer->outbox, class_of_gossip(packet, len, ordered), &envelope);
    thsi_remote_unlock_dirty(remote, peer);
    return err;
}
