#include "codec/envelope.h"

#include "codec/schema_resolve.h"

#include <assert.h>
#include <string.h>

#include "codec/wire.h"
#include "node/base/utf8.h"

/* ---- Packing ---------------------------------------------------------------------------- */

static enum ths_err pack_text(const char *text, size_t max, struct thsi_packer *packer)
{
    size_t len = text ? strlen(text) : 0;

    if (len > max)
        return THS_TOO_BIG;
    thsi_pack_str(packer, text ? text : "", (uint32_t)len);
    return THS_OK;
}

static void pack_actor(struct thsi_actor_id actor, struct thsi_packer *packer)
{
    thsi_pack_u64(packer, actor.slot);
    thsi_pack_u64(packer, actor.generation);
}

static void pack_remaining(uint64_t remaining_ms, struct thsi_packer *packer)
{
    if (remaining_ms == THSI_REMAINING_NONE)
        thsi_pack_nil(packer);
    else
        thsi_pack_u64(packer, remaining_ms);
}

/* The last two elements of all records that may have a body: the type's number, and the body if that is not 0. */
static enum ths_err pack_body(const struct thsi_envelope *envelope, struct thsi_packer *packer)
{
    thsi_pack_u64(packer, envelope->type_number);
    return envelope->type_number > 0 ? thsi_schema_pack(envelope->type, envelope->body, packer) : THS_OK;
}

static void begin(const struct thsi_envelope *envelope, uint32_t fields, struct thsi_packer *packer)
{
    thsi_pack_array(packer, fields);
    thsi_pack_u64(packer, (unsigned)envelope->kind);
}

/* Begin a record of @fields elements, the body not counted, that goes from one actor to another. */
static void begin_pair(const struct thsi_envelope *envelope, uint32_t fields, struct thsi_packer *packer)
{
    begin(envelope, fields, packer);
    pack_actor(envelope->from, packer);
    pack_actor(envelope->to, packer);
}

/* Control records share one layout; zeros at its end are left out, so most are short. */
static enum ths_err pack_control(const struct thsi_envelope *envelope, struct thsi_packer *packer)
{
    const char *text = envelope->text ? envelope->text : "";
    uint32_t fields = envelope->remaining_ms ? 14
                      : envelope->fence ? 13 : envelope->incarnation ? 12 : envelope->child ? 11 : *text ? 10
                      : envelope->certainty ? 9 : envelope->reason ? 8 : envelope->id ? 7 : 6;
    enum ths_err err = THS_OK;

    begin(envelope, fields, packer);
    thsi_pack_u64(packer, envelope->number);
    pack_actor(envelope->from, packer);
    pack_actor(envelope->to, packer);
    if (fields >= 7)
        thsi_pack_u64(packer, envelope->id);
    if (fields >= 8)
        thsi_pack_u64(packer, envelope->reason);
    if (fields >= 9)
        thsi_pack_u64(packer, envelope->certainty);
    if (fields >= 10)
        err = pack_text(text, THSI_ENVELOPE_TEXT_MAX, packer);
    if (fields >= 11)
        thsi_pack_u64(packer, envelope->child);
    if (fields >= 12)
        thsi_pack_u64(packer, envelope->incarnation);
    if (fields >= 13)
        thsi_pack_u64(packer, envelope->fence);
    if (fields >= 14)
        thsi_pack_u64(packer, envelope->remaining_ms);
    return err;
}

/* In the place of a body an error may have a text. */
static enum ths_err pack_reply(const struct thsi_envelope *envelope, uint32_t with_body, struct thsi_packer *packer)
{
    uint32_t with_text = !with_body && envelope->text && *envelope->text;
    enum ths_err err;

    begin_pair(envelope, 8 + with_body + with_text, packer);
    thsi_pack_u64(packer, envelope->id);
    thsi_pack_u64(packer, envelope->err);
    err = pack_body(envelope, packer);
    return err == THS_OK && with_text ? pack_text(envelope->text, THSI_ENVELOPE_TEXT_MAX, packer) : err;
}

/* How many elements; zeros at the end are left out. */
static uint32_t wish_fields(const struct thsi_spawn_wish *wish)
{
    if (!wish)
        return 0;
    return wish->urgent_count ? 7 : wish->key ? 6 : wish->memory_max ? 5 : wish->mailbox_bytes ? 4 : wish->idle_ms ? 3
           : wish->when_full ? 2 : wish->flags ? 1 : 0;
}

static enum ths_err pack_wish(const struct thsi_spawn_wish *wish, struct thsi_packer *packer)
{
    uint32_t fields = wish_fields(wish);
    enum ths_err err = THS_OK;

    if (fields >= 1)
        thsi_pack_u64(packer, wish->flags);
    if (fields >= 2)
        thsi_pack_u64(packer, wish->when_full);
    if (fields >= 3)
        thsi_pack_u64(packer, wish->idle_ms);
    if (fields >= 4)
        thsi_pack_u64(packer, wish->mailbox_bytes);
    if (fields >= 5)
        thsi_pack_u64(packer, wish->memory_max);
    if (fields >= 6 && wish->key)
        err = pack_text(wish->key, THSI_ENVELOPE_TEXT_MAX, packer);
    else if (fields >= 6)
        thsi_pack_nil(packer);
    if (fields >= 7)
        thsi_pack_array(packer, wish->urgent_count);
    for (uint32_t i = 0; fields >= 7 && i < wish->urgent_count; i++)
        thsi_pack_u64(packer, wish->urgent[i]);
    return err;
}

static enum ths_err pack_spawn(const struct thsi_envelope *envelope, uint32_t with_body, struct thsi_packer *packer)
{
    enum ths_err err;

    if (envelope->wish && envelope->wish->urgent_count > THS_URGENT_MAX)
        return THS_TOO_BIG;
    begin_pair(envelope, 14 + with_body + wish_fields(envelope->wish), packer);
    thsi_pack_u64(packer, envelope->id);
    pack_remaining(envelope->remaining_ms, packer);
    err = pack_text(envelope->text, THSI_ENVELOPE_TEXT_MAX, packer);
    if (err == THS_OK && envelope->name)
        err = pack_text(envelope->name, THSI_ENVELOPE_TEXT_MAX, packer);
    else
        thsi_pack_nil(packer);
    thsi_pack_u64(packer, envelope->mailbox);
    thsi_pack_u64(packer, envelope->child);
    thsi_pack_u64(packer, envelope->incarnation);
    thsi_pack_u64(packer, envelope->fence);
    if (err == THS_OK)
        err = pack_body(envelope, packer);
    return err == THS_OK ? pack_wish(envelope->wish, packer) : err;
}

/* A request that was passed on says behind its body where its asker is. */
static enum ths_err pack_ask(const struct thsi_envelope *envelope, uint32_t with_body, struct thsi_packer *packer)
{
    bool passed_on = with_body && envelope->asker_node != 0;
    enum ths_err err;

    begin_pair(envelope, 8 + with_body + passed_on, packer);
    thsi_pack_u64(packer, envelope->id);
    pack_remaining(envelope->remaining_ms, packer);
    err = pack_body(envelope, packer);
    if (err == THS_OK && passed_on)
        thsi_pack_u64(packer, envelope->asker_node);
    return err;
}

static enum ths_err pack_group_tell(const struct thsi_envelope *envelope, uint32_t with_body,
                                    struct thsi_packer *packer)
{
    if (envelope->receivers_count > THSI_GROUP_TELL_MAX)
        return THS_TOO_BIG;
    begin(envelope, 5 + with_body, packer);
    pack_actor(envelope->from, packer);
    thsi_pack_array(packer, envelope->receivers_count * 2);
    for (uint32_t i = 0; i < envelope->receivers_count; i++)
        pack_actor(envelope->receivers[i], packer);
    return pack_body(envelope, packer);
}

static enum ths_err pack_bytes(const struct thsi_envelope *envelope, uint32_t max, struct thsi_packer *packer)
{
    if (envelope->bytes_len > max)
        return THS_TOO_BIG;
    begin(envelope, 2, packer);
    thsi_pack_bin(packer, envelope->bytes, envelope->bytes_len);
    return THS_OK;
}

void thsi_fragment_head(uint8_t *head, unsigned stream, unsigned piece, size_t len)
{
    assert(stream < THSI_STREAMS_MAX && piece < 4 && len <= THSI_FRAGMENT_MAX);
    head[0] = 0x94; /* an array of four: kind, stream, piece, bytes with a length of 16 bits */
    head[1] = THSI_RECORD_FRAGMENT;
    head[2] = (uint8_t)stream;
    head[3] = (uint8_t)piece;
    head[4] = 0xc5;
    thsi_put_u16(head + 5, (uint16_t)len);
}

void thsi_envelope_renumber(uint8_t *record, uint64_t number)
{
    assert((record[0] & 0xf0) == 0x90 && record[2] == 0xcf); /* an array of up to 15; its second element, in 64 bits */
    thsi_put_u64(record + 3, number);
}

static bool is_described(const struct thsi_envelope *envelope)
{
    return envelope->type && thsi_type_is_describable(envelope->type->type);
}

/* The end of TYPE and TYPE_REFUSED. */
static void pack_declaration(const struct thsi_envelope *envelope, struct thsi_packer *packer)
{
    thsi_pack_u64(packer, envelope->version);
    thsi_pack_u64(packer, envelope->fingerprint);
    if (is_described(envelope))
        thsi_description_pack(envelope->type->type, packer);
}

static enum ths_err pack_node_record(const struct thsi_envelope *envelope, struct thsi_packer *packer)
{
    uint8_t head[THSI_FRAGMENT_HEAD];
    enum ths_err err;

    switch ((int)envelope->kind) {
    case THSI_RECORD_TYPE:
        begin(envelope, 5 + is_described(envelope), packer);
        thsi_pack_u64(packer, envelope->type_number);
        err = pack_text(envelope->text, THSI_ENVELOPE_TYPE_NAME_MAX, packer);
        pack_declaration(envelope, packer);
        return err;
    case THSI_RECORD_TYPE_REFUSED:
        begin(envelope, 5 + is_described(envelope), packer);
        thsi_pack_u64(packer, envelope->type_number);
        thsi_pack_u64(packer, envelope->err);
        pack_declaration(envelope, packer);
        return THS_OK;
    case THSI_RECORD_GOSSIP:
        return pack_bytes(envelope, THSI_GOSSIP_MAX, packer);
    case THSI_RECORD_KEYS:
    case THSI_RECORD_KEY:
        return pack_bytes(envelope, THSI_FINGERPRINTS_MAX, packer);
    case THSI_RECORD_BYE:
        begin(envelope, envelope->text && *envelope->text ? 3 : 2, packer);
        thsi_pack_u64(packer, envelope->err);
        return envelope->text && *envelope->text ? pack_text(envelope->text, THSI_ENVELOPE_TEXT_MAX, packer) : THS_OK;
    case THSI_RECORD_CREDIT:
        begin(envelope, 4, packer);
        pack_actor(envelope->from, packer);
        pack_remaining(envelope->id, packer); /* nil for no limit, as for no deadline */
        return THS_OK;
    case THSI_RECORD_FRAGMENT:
        if (envelope->bytes_len > THSI_FRAGMENT_MAX)
            return THS_TOO_BIG;
        thsi_fragment_head(head, envelope->stream, envelope->piece, envelope->bytes_len);
        thsi_packer_append(packer, head, sizeof head);
        thsi_packer_append(packer, envelope->bytes, envelope->bytes_len);
        return THS_OK;
    default:
        return THS_MALFORMED;
    }
}

enum ths_err thsi_envelope_pack(const struct thsi_envelope *envelope, struct thsi_packer *packer)
{
    uint32_t with_body = envelope->type_number > 0;

    assert(!with_body || envelope->type || envelope->kind >= THSI_RECORD_TYPE);
    switch ((int)envelope->kind) {
    case THSI_RECORD_TELL:
        begin_pair(envelope, 6 + with_body, packer);
        return pack_body(envelope, packer);
    case THSI_RECORD_AGAIN:
        begin(envelope, 3 + with_body, packer);
        thsi_pack_u64(packer, envelope->again);
        return pack_body(envelope, packer);
    case THSI_RECORD_ASK:
        return pack_ask(envelope, with_body, packer);
    case THSI_RECORD_REPLY:
        return pack_reply(envelope, with_body, packer);
    case THSI_RECORD_LOOKUP:
        begin_pair(envelope, 8, packer);
        thsi_pack_u64(packer, envelope->id);
        pack_remaining(envelope->remaining_ms, packer);
        return pack_text(envelope->text, THSI_ENVELOPE_TEXT_MAX, packer);
    case THSI_RECORD_SPAWN:
        return pack_spawn(envelope, with_body, packer);
    case THSI_RECORD_REFUSED:
        begin_pair(envelope, 7, packer);
        thsi_pack_u64(packer, envelope->err);
        thsi_pack_u64(packer, envelope->id);
        return THS_OK;
    case THSI_RECORD_GROUP_TELL:
        return pack_group_tell(envelope, with_body, packer);
    default:
        return thsi_envelope_is_control(envelope->kind) ? pack_control(envelope, packer)
                                                        : pack_node_record(envelope, packer);
    }
}

enum ths_err thsi_envelope_pack_again(const struct thsi_envelope *envelope, uint32_t again, struct thsi_packer *packer)
{
    thsi_pack_array(packer, 4);
    thsi_pack_u64(packer, THSI_RECORD_AGAIN);
    thsi_pack_u64(packer, again);
    return pack_body(envelope, packer);
}

/* ---- Unpacking -------------------------------------------------------------------------- */

/* Whether the record has one more element; counts it off. */
static bool has_field(struct thsi_envelope *envelope)
{
    if (envelope->fields_left == 0)
        return false;
    envelope->fields_left--;
    return true;
}

static uint64_t take_u64(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker)
{
    return has_field(envelope) ? thsi_unpack_u64(unpacker) : 0;
}

static uint32_t take_u32(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker)
{
    return has_field(envelope) ? thsi_unpack_u32(unpacker) : 0;
}

static struct thsi_actor_id take_actor(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker)
{
    struct thsi_actor_id actor;

    actor.slot = take_u32(envelope, unpacker);
    actor.generation = take_u32(envelope, unpacker);
    return actor;
}

static uint64_t take_remaining(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker)
{
    if (!has_field(envelope) || thsi_unpack_nil_p(unpacker))
        return THSI_REMAINING_NONE;
    return thsi_unpack_u64(unpacker);
}

/* A text with a NUL behind it, in the arena; NULL for nil and after an error. */
static const char *take_text(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker, uint32_t max,
                             struct thsi_arena *arena)
{
    const char *text;
    uint32_t len;
    char *copy;

    if (!has_field(envelope) || thsi_unpack_nil_p(unpacker))
        return NULL;
    text = thsi_unpack_str(unpacker, max, &len);
    if (unpacker->err == THS_OK && !thsi_utf8_valid(text, len))
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    if (unpacker->err == THS_OK && arena->cap - arena->used <= len)
        thsi_unpack_fail(unpacker, THS_TOO_BIG);
    if (unpacker->err != THS_OK)
        return NULL;
    copy = (char *)arena->base + arena->used;
    arena->used += len + 1;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

static void take_pair(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker)
{
    envelope->from = take_actor(envelope, unpacker);
    envelope->to = take_actor(envelope, unpacker);
}

static void unpack_control(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker, struct thsi_arena *arena)
{
    envelope->number = take_u64(envelope, unpacker);
    take_pair(envelope, unpacker);
    envelope->id = take_u64(envelope, unpacker);
    envelope->reason = take_u32(envelope, unpacker);
    envelope->certainty = take_u32(envelope, unpacker);
    envelope->text = take_text(envelope, unpacker, THSI_ENVELOPE_TEXT_MAX, arena);
    envelope->child = take_u32(envelope, unpacker);
    envelope->incarnation = take_u32(envelope, unpacker);
    envelope->fence = take_u64(envelope, unpacker);
    envelope->remaining_ms = take_u64(envelope, unpacker);
    if (envelope->number == 0)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
}

static void take_urgent(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker, struct thsi_spawn_wish *wish)
{
    uint32_t count = has_field(envelope) ? thsi_unpack_array(unpacker) : 0;

    if (count > THS_URGENT_MAX)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    for (uint32_t i = 0; i < count && unpacker->err == THS_OK; i++)
        wish->urgent[wish->urgent_count++] = thsi_unpack_u32(unpacker);
}

/* What is behind the body of a SPAWN, if anything is. */
static void take_wish(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker)
{
    struct thsi_spawn_wish *wish;

    if (envelope->fields_left == 0)
        return;
    wish = thsi_arena_allot(envelope->texts, sizeof *wish, _Alignof(struct thsi_spawn_wish));
    if (!wish) {
        thsi_unpack_fail(unpacker, THS_TOO_BIG);
        return;
    }
    *wish = (struct thsi_spawn_wish){ .flags = take_u32(envelope, unpacker) };
    wish->when_full = take_u32(envelope, unpacker);
    wish->idle_ms = take_u32(envelope, unpacker);
    wish->mailbox_bytes = take_u64(envelope, unpacker);
    wish->memory_max = take_u64(envelope, unpacker);
    wish->key = take_text(envelope, unpacker, THSI_ENVELOPE_TEXT_MAX, envelope->texts);
    take_urgent(envelope, unpacker, wish);
    envelope->wish = wish;
}

static void unpack_spawn(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker, struct thsi_arena *arena)
{
    take_pair(envelope, unpacker);
    envelope->id = take_u64(envelope, unpacker);
    envelope->remaining_ms = take_remaining(envelope, unpacker);
    envelope->text = take_text(envelope, unpacker, THSI_ENVELOPE_TEXT_MAX, arena);
    envelope->name = take_text(envelope, unpacker, THSI_ENVELOPE_TEXT_MAX, arena);
    envelope->mailbox = take_u32(envelope, unpacker);
    envelope->child = take_u32(envelope, unpacker);
    envelope->incarnation = take_u32(envelope, unpacker);
    envelope->fence = take_u64(envelope, unpacker);
    envelope->type_number = take_u32(envelope, unpacker);
    if (envelope->type_number == 0)
        take_wish(envelope, unpacker);
}

/* Check the list of receivers whole, so that walking it later cannot fail. */
static void unpack_group_tell(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker)
{
    uint32_t numbers;

    envelope->from = take_actor(envelope, unpacker);
    numbers = has_field(envelope) ? thsi_unpack_array(unpacker) : 0;
    if (numbers % 2 != 0 || numbers / 2 > THSI_GROUP_TELL_MAX)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    envelope->receivers_count = numbers / 2;
    envelope->receivers_at = *unpacker;
    for (uint32_t i = 0; i < numbers && unpacker->err == THS_OK; i++)
        (void)thsi_unpack_u32(unpacker);
    envelope->type_number = take_u32(envelope, unpacker);
}

static void take_bytes(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker, uint32_t max)
{
    envelope->bytes = has_field(envelope) ? thsi_unpack_bin(unpacker, max, &envelope->bytes_len) : NULL;
}

/* The end of TYPE and TYPE_REFUSED. The description is only read when the fingerprints differ. */
static void take_declaration(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker)
{
    envelope->version = take_u32(envelope, unpacker);
    envelope->fingerprint = take_u64(envelope, unpacker);
    if (!has_field(envelope) || thsi_unpack_nil_p(unpacker))
        return;
    envelope->bytes = unpacker->at;
    thsi_unpack_skip(unpacker);
    envelope->bytes_len = (uint32_t)(unpacker->at - envelope->bytes);
}

static void unpack_node_record(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker,
                               struct thsi_arena *arena)
{
    switch ((int)envelope->kind) {
    case THSI_RECORD_TYPE:
        envelope->type_number = take_u32(envelope, unpacker);
        envelope->text = take_text(envelope, unpacker, THSI_ENVELOPE_TYPE_NAME_MAX, arena);
        take_declaration(envelope, unpacker);
        break;
    case THSI_RECORD_TYPE_REFUSED:
        envelope->type_number = take_u32(envelope, unpacker);
        envelope->err = take_u32(envelope, unpacker);
        take_declaration(envelope, unpacker);
        break;
    case THSI_RECORD_GOSSIP:
        take_bytes(envelope, unpacker, THSI_GOSSIP_MAX);
        break;
    case THSI_RECORD_KEYS:
    case THSI_RECORD_KEY:
        take_bytes(envelope, unpacker, THSI_FINGERPRINTS_MAX);
        break;
    case THSI_RECORD_BYE:
        envelope->err = take_u32(envelope, unpacker);
        envelope->text = take_text(envelope, unpacker, THSI_ENVELOPE_TEXT_MAX, arena);
        break;
    case THSI_RECORD_CREDIT:
        envelope->from = take_actor(envelope, unpacker);
        envelope->id = take_remaining(envelope, unpacker);
        if (envelope->from.generation == 0)
            thsi_unpack_fail(unpacker, THS_MALFORMED);
        break;
    case THSI_RECORD_FRAGMENT:
        envelope->stream = take_u32(envelope, unpacker);
        envelope->piece = take_u32(envelope, unpacker);
        envelope->bytes = has_field(envelope) ? thsi_unpack_bin(unpacker, THSI_FRAGMENT_MAX, &envelope->bytes_len)
                                              : NULL;
        if (envelope->stream >= THSI_STREAMS_MAX || envelope->piece > 3 || envelope->bytes_len == 0)
            thsi_unpack_fail(unpacker, THS_MALFORMED);
        break;
    default:
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    }
}

static void unpack_fields(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker, struct thsi_arena *arena)
{
    switch ((int)envelope->kind) {
    case THSI_RECORD_TELL:
        take_pair(envelope, unpacker);
        envelope->type_number = take_u32(envelope, unpacker);
        break;
    case THSI_RECORD_AGAIN:
        envelope->again = take_u32(envelope, unpacker);
        envelope->type_number = take_u32(envelope, unpacker);
        break;
    case THSI_RECORD_ASK:
        take_pair(envelope, unpacker);
        envelope->id = take_u64(envelope, unpacker);
        envelope->remaining_ms = take_remaining(envelope, unpacker);
        envelope->type_number = take_u32(envelope, unpacker);
        break;
    case THSI_RECORD_REPLY:
        take_pair(envelope, unpacker);
        envelope->id = take_u64(envelope, unpacker);
        envelope->err = take_u32(envelope, unpacker);
        envelope->type_number = take_u32(envelope, unpacker);
        if (envelope->type_number == 0)
            envelope->text = take_text(envelope, unpacker, THSI_ENVELOPE_TEXT_MAX, arena);
        break;
    case THSI_RECORD_LOOKUP:
        take_pair(envelope, unpacker);
        envelope->id = take_u64(envelope, unpacker);
        envelope->remaining_ms = take_remaining(envelope, unpacker);
        envelope->text = take_text(envelope, unpacker, THSI_ENVELOPE_TEXT_MAX, arena);
        break;
    case THSI_RECORD_SPAWN:
        unpack_spawn(envelope, unpacker, arena);
        break;
    case THSI_RECORD_REFUSED:
        take_pair(envelope, unpacker);
        envelope->err = take_u32(envelope, unpacker);
        envelope->id = take_u64(envelope, unpacker);
        break;
    case THSI_RECORD_GROUP_TELL:
        unpack_group_tell(envelope, unpacker);
        break;
    default:
        if (thsi_envelope_is_control(envelope->kind))
            unpack_control(envelope, unpacker, arena);
        else
            unpack_node_record(envelope, unpacker, arena);
    }
}

static bool may_have_body(enum thsi_record_kind kind)
{
    return thsi_envelope_is_large(kind) || kind == THSI_RECORD_AGAIN;
}

static enum ths_err skip_rest(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker)
{
    while (unpacker->err == THS_OK && has_field(envelope))
        thsi_unpack_skip(unpacker);
    return unpacker->err;
}

enum ths_err thsi_envelope_unpack(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker,
                                  struct thsi_arena *arena)
{
    memset(envelope, 0, sizeof *envelope);
    envelope->texts = arena;
    envelope->fields_left = thsi_unpack_array(unpacker);
    envelope->kind = (enum thsi_record_kind)take_u32(envelope, unpacker);
    unpack_fields(envelope, unpacker, arena);
    if (unpacker->err != THS_OK)
        return unpacker->err;
    if (!may_have_body(envelope->kind) || envelope->type_number == 0)
        return skip_rest(envelope, unpacker);
    if (envelope->fields_left == 0)
        thsi_unpack_fail(unpacker, THS_MALFORMED); /* a type without a body */
    return unpacker->err;
}

enum ths_err thsi_envelope_unpack_body(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker,
                                       const struct thsi_type_info *type, struct thsi_arena *arena, void **body)
{
    enum ths_err err = THS_OK;

    *body = NULL;
    if (has_field(envelope)) {
        if (type)
            err = thsi_schema_unpack(type, unpacker, arena, body);
        else
            thsi_unpack_skip(unpacker);
    }
    if (err == THS_OK && envelope->kind == THSI_RECORD_ASK)
        envelope->asker_node = take_u64(envelope, unpacker);
    if (err == THS_OK && envelope->kind == THSI_RECORD_SPAWN && envelope->fields_left > 0)
        take_wish(envelope, unpacker);
    if (err == THS_OK)
        err = skip_rest(envelope, unpacker);
    if (err != THS_OK)
        *body = NULL;
    return err;
}

bool thsi_envelope_next_receiver(struct thsi_envelope *envelope, struct thsi_actor_id *receiver)
{
    if (envelope->receivers_count == 0)
        return false;
    envelope->receivers_count--;
    receiver->slot = thsi_unpack_u32(&envelope->receivers_at);
    receiver->generation = thsi_unpack_u32(&envelope->receivers_at);
    return true;
}
