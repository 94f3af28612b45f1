/* The packets of groups. All go on the ordered lane, so a receiver sees them in the order of the versions; what can
 * happen is only that one is missing, and that shows in the next. */

#include "cluster/groups_internal.h"

#include <assert.h>

#define SMALL_MAX 512u /* a packet with one name */
#define BLOCK_MAX (THSI_GROUP_NAME_SIZE + 64)
#define ITEM_MAX 24u

static_assert(2 + 9 + THSI_GROUP_NAME_SIZE + 32 <= SMALL_MAX, "a delta fits");

static void pack_text(struct thsi_packer *packer, const char *text)
{
    thsi_pack_str(packer, text, (uint32_t)strlen(text));
}

static void send_to_scope(struct thsi_groups *g, const struct thsi_packer *packer, unsigned scope)
{
    for (size_t i = 0; i < THSI_GROUP_OWNER_CHAINS; i++)
        for (const struct thsi_group_owner *to = g->owners[i]; to; to = to->next)
            if (to->linked && (to->scopes >> scope & 1))
                thsi_gossip_send(&g->batch, packer, to->uid, true);
}

/* A text that is one of the scopes shared with @from. */
static unsigned unpack_scope(const struct thsi_groups *g, const struct thsi_group_owner *from,
                             struct thsi_unpacker *unpacker)
{
    uint32_t len;
    const char *text = thsi_unpack_str(unpacker, THSI_GROUP_PART_MAX, &len);
    unsigned scope = unpacker->err == THS_OK ? thsi_groups_scope(g, text, len) : g->scopes_count;

    if (scope < g->scopes_count && (from->scopes >> scope & 1))
        return scope;
    thsi_unpack_fail(unpacker, THS_MALFORMED);
    return 0;
}

/* The whole name of a group in this scope. */
static void unpack_name(const struct thsi_groups *g, unsigned scope, struct thsi_unpacker *unpacker, char *name)
{
    char text[THSI_GROUP_NAME_SIZE];
    size_t len = strlen(g->scopes[scope]);

    thsi_unpack_text(unpacker, text, sizeof text);
    if (unpacker->err == THS_OK && (thsi_group_parse(text, name) != THS_OK || strcmp(text, name) != 0 ||
                                    strncmp(name, g->scopes[scope], len) != 0 || name[len] != '/'))
        thsi_unpack_fail(unpacker, THS_MALFORMED);
}

static ths_ref unpack_actor(const struct thsi_group_owner *from, struct thsi_unpacker *unpacker)
{
    ths_ref who = { .node = from->uid };

    who.slot = thsi_unpack_u32(unpacker);
    who.generation = thsi_unpack_u32(unpacker);
    if (who.generation == 0)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    return who;
}

/* Add, or weigh anew. More than its bounds is MALFORMED: its own node would not have let it. */
static enum ths_err put(struct thsi_groups *g, struct thsi_group_owner *from, unsigned scope, const char *name,
                        ths_ref who, uint32_t weight, uint32_t mark)
{
    struct thsi_group_entry *entry = thsi_groups_entry(g, name, who);
    enum ths_err err = THS_OK;

    if (entry)
        thsi_groups_weigh(g, entry, weight);
    else
        err = thsi_groups_add(g, from, name, scope, who, weight, &entry);
    if (err == THS_OK)
        entry->mark = mark;
    return err == THS_TOO_MANY ? THS_MALFORMED : err;
}

static void ask(struct thsi_groups *g, struct thsi_group_owner *from, unsigned scope)
{
    if (from->shares[scope].asked)
        return;
    from->shares[scope].asked = true;
    thsi_groups_pack_repair(g, scope, from->uid);
}

/* ---- DELTA: scope, version, name, slot, generation, weight ---------------------------------- */

void thsi_groups_pack_delta(struct thsi_groups *g, unsigned scope, const struct thsi_group_op *op)
{
    struct thsi_packer packer;

    if (!thsi_gossip_begin(&g->batch, &packer, SMALL_MAX))
        return;
    thsi_pack_array(&packer, 7);
    thsi_pack_u64(&packer, THSI_GOSSIP_DELTA);
    pack_text(&packer, g->scopes[scope]);
    thsi_pack_u64(&packer, g->self->shares[scope].version);
    pack_text(&packer, op->name);
    thsi_pack_u64(&packer, op->who.slot);
    thsi_pack_u64(&packer, op->who.generation);
    thsi_pack_u64(&packer, op->weight);
    send_to_scope(g, &packer, scope);
}

static enum ths_err unpack_delta(struct thsi_groups *g, struct thsi_group_owner *from,
                                 struct thsi_unpacker *unpacker)
{
    char name[THSI_GROUP_NAME_SIZE] = "";
    unsigned scope = unpack_scope(g, from, unpacker);
    uint64_t version = thsi_unpack_u64(unpacker);
    struct thsi_group_share *share = &from->shares[scope];
    struct thsi_group_entry *entry;
    enum ths_err err = THS_OK;
    uint32_t weight;
    ths_ref who;

    unpack_name(g, scope, unpacker, name);
    who = unpack_actor(from, unpacker);
    weight = (uint32_t)thsi_unpack_u64_max(unpacker, THSI_GROUP_WEIGHT_MAX);
    if (unpacker->err != THS_OK || version <= share->version)
        return THS_OK;
    if (version != share->version + 1) {
        ask(g, from, scope);
        return THS_OK;
    }
    entry = thsi_groups_entry(g, name, who);
    if (weight > 0)
        err = put(g, from, scope, name, who, weight, 0);
    else if (entry)
        thsi_groups_remove(g, entry);
    if (err == THS_OK)
        share->version = version;
    return err;
}

/* ---- SNAPSHOT: scope, version, part, last, [name, [slot, generation, weight, ...], ...] ------- */

struct writer {
    struct thsi_groups *g;
    unsigned scope;
    uint64_t to;
    uint32_t part;
    bool open;
    struct thsi_packer packer;
    size_t last_at;               /* where the byte of "last" is */
    size_t names_at, names_count;
};

static void writer_flush(struct writer *writer, bool last)
{
    if (!writer->open)
        return;
    writer->open = false;
    thsi_gossip_array_close(&writer->packer, writer->names_at, writer->names_count);
    if (last && !writer->packer.overflow)
        writer->packer.data[writer->last_at] = 0xc3;
    thsi_gossip_send(&writer->g->batch, &writer->packer, writer->to, true);
}

static bool writer_begin(struct writer *writer, size_t room)
{
    if (!thsi_gossip_begin(&writer->g->batch, &writer->packer, room))
        return false;
    writer->open = true;
    writer->names_count = 0;
    thsi_pack_array(&writer->packer, 6);
    thsi_pack_u64(&writer->packer, THSI_GOSSIP_SNAPSHOT);
    pack_text(&writer->packer, writer->g->scopes[writer->scope]);
    thsi_pack_u64(&writer->packer, writer->g->self->shares[writer->scope].version);
    thsi_pack_u64(&writer->packer, writer->part++);
    writer->last_at = writer->packer.len;
    thsi_pack_bool(&writer->packer, false);
    writer->names_at = thsi_gossip_array_open(&writer->packer);
    return true;
}

/* One segment, in blocks: each the name and as many entries as fit. False when memory is out. */
static bool write_segment(struct writer *writer, const struct thsi_group_segment *segment, size_t room)
{
    uint32_t at = 0;

    while (at < segment->count) {
        size_t block, count = 0;

        if (writer->open && thsi_packer_room(&writer->packer) < BLOCK_MAX + ITEM_MAX)
            writer_flush(writer, false);
        if (!writer->open && !writer_begin(writer, room))
            return false;
        pack_text(&writer->packer, segment->group->name);
        block = thsi_gossip_array_open(&writer->packer);
        for (; at < segment->count && thsi_packer_room(&writer->packer) >= ITEM_MAX; at++, count += 3) {
            thsi_pack_u64(&writer->packer, segment->entries[at]->who.slot);
            thsi_pack_u64(&writer->packer, segment->entries[at]->who.generation);
            thsi_pack_u64(&writer->packer, segment->entries[at]->weight);
        }
        thsi_gossip_array_close(&writer->packer, block, count);
        writer->names_count += 2;
    }
    return true;
}

/* How large a packet to begin with: all, if that fits. */
static size_t snapshot_room(const struct thsi_groups *g)
{
    size_t room = SMALL_MAX + g->self->entries * (size_t)ITEM_MAX + g->self->names * (size_t)BLOCK_MAX;

    return room < THSI_GOSSIP_MAX ? room : THSI_GOSSIP_MAX;
}

void thsi_groups_pack_snapshot(struct thsi_groups *g, unsigned scope, uint64_t to)
{
    struct writer writer = { .g = g, .scope = scope, .to = to };
    size_t room = snapshot_room(g);
    const struct thsi_group_segment *segment;

    if (!writer_begin(&writer, room))
        return;
    for (segment = g->self->segments; segment; segment = segment->next_of_owner)
        if (segment->group->scope == scope && !write_segment(&writer, segment, room))
            return; /* it will not be complete; the digest will show that */
    writer_flush(&writer, true);
}

/* Entries of @from in this scope that the snapshot did not name. */
static void sweep(struct thsi_groups *g, struct thsi_group_owner *from, unsigned scope, uint32_t mark)
{
    struct thsi_group_segment *segment = from->segments;

    while (segment) {
        struct thsi_group_segment *next = segment->next_of_owner;
        uint32_t count = segment->group->scope == scope ? segment->count : 0;

        /* Backwards, because the last entry takes the place of a removed one; the segment goes with its last. */
        while (count-- > 0)
            if (segment->entries[count]->mark != mark)
                thsi_groups_remove(g, segment->entries[count]);
        segment = next;
    }
}

static enum ths_err unpack_block(struct thsi_groups *g, struct thsi_group_owner *from, unsigned scope, uint32_t mark,
                                 struct thsi_unpacker *unpacker)
{
    char name[THSI_GROUP_NAME_SIZE] = "";
    enum ths_err first = THS_OK;
    uint32_t count;

    unpack_name(g, scope, unpacker, name);
    count = thsi_unpack_array(unpacker);
    if (count % 3 != 0)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    for (; count > 0 && unpacker->err == THS_OK; count -= 3) {
        ths_ref who = unpack_actor(from, unpacker);
        uint32_t weight = (uint32_t)thsi_unpack_u64_max(unpacker, THSI_GROUP_WEIGHT_MAX);
        enum ths_err err;

        if (unpacker->err != THS_OK || mark == 0)
            continue;
        err = weight > 0 ? put(g, from, scope, name, who, weight, mark) : THS_MALFORMED;
        if (first == THS_OK)
            first = err;
    }
    return first;
}

/* Whether this is the part that is due; part 0 begins a snapshot anew. */
static bool is_part_due(struct thsi_groups *g, struct thsi_group_share *share, uint32_t part)
{
    if (part == 0) {
        g->last_mark = g->last_mark == UINT32_MAX ? 1 : g->last_mark + 1;
        share->mark = g->last_mark;
        share->part = 0;
        share->asked = false;
    }
    if (share->mark != 0 && share->part++ == part)
        return true;
    share->mark = 0;
    return false;
}

static enum ths_err unpack_snapshot(struct thsi_groups *g, struct thsi_group_owner *from,
                                    struct thsi_unpacker *unpacker)
{
    unsigned scope = unpack_scope(g, from, unpacker);
    uint64_t version = thsi_unpack_u64(unpacker);
    uint32_t part = thsi_unpack_u32(unpacker);
    bool last = thsi_unpack_bool(unpacker);
    uint32_t count = thsi_unpack_array(unpacker);
    struct thsi_group_share *share = &from->shares[scope];
    enum ths_err first = THS_OK;

    if (count % 2 != 0)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    if (unpacker->err != THS_OK)
        return THS_OK;
    if (!is_part_due(g, share, part))
        last = false; /* and its mark is 0: read, not used */
    for (; count > 0 && unpacker->err == THS_OK; count -= 2) {
        enum ths_err err = unpack_block(g, from, scope, share->mark, unpacker);

        if (first == THS_OK)
            first = err;
    }
    if (first != THS_OK || unpacker->err != THS_OK) {
        share->mark = 0;
        return first;
    }
    if (last) {
        sweep(g, from, scope, share->mark);
        share->version = version;
        share->mark = 0;
    }
    return THS_OK;
}

/* ---- DIGEST: [scope, version, count, digest, ...] ------------------------------------------- */

void thsi_groups_pack_digest(struct thsi_groups *g, const struct thsi_group_owner *to)
{
    struct thsi_packer packer;
    size_t at, count = 0;

    if (to->scopes == 0 || !thsi_gossip_begin(&g->batch, &packer, 16 + g->scopes_count * (size_t)(3 * 9 + 66)))
        return;
    thsi_pack_array(&packer, 2);
    thsi_pack_u64(&packer, THSI_GOSSIP_DIGEST);
    at = thsi_gossip_array_open(&packer);
    for (unsigned scope = 0; scope < g->scopes_count; scope++) {
        const struct thsi_group_share *share = &g->self->shares[scope];

        if (!(to->scopes >> scope & 1))
            continue;
        pack_text(&packer, g->scopes[scope]);
        thsi_pack_u64(&packer, share->version);
        thsi_pack_u64(&packer, share->count);
        thsi_pack_u64(&packer, share->digest);
        count += 4;
    }
    thsi_gossip_array_close(&packer, at, count);
    thsi_gossip_send(&g->batch, &packer, to->uid, true);
}

static enum ths_err unpack_digest(struct thsi_groups *g, struct thsi_group_owner *from,
                                  struct thsi_unpacker *unpacker)
{
    uint32_t count = thsi_unpack_array(unpacker);

    if (count % 4 != 0)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    for (; count > 0 && unpacker->err == THS_OK; count -= 4) {
        unsigned scope = unpack_scope(g, from, unpacker);
        uint64_t version = thsi_unpack_u64(unpacker);
        uint64_t entries = thsi_unpack_u64(unpacker);
        uint64_t digest = thsi_unpack_u64(unpacker);
        struct thsi_group_share *share = &from->shares[scope];

        if (unpacker->err != THS_OK ||
            (version == share->version && entries == share->count && digest == share->digest))
            continue;
        share->asked = false; /* what was asked for before would have come before this digest, or is lost */
        ask(g, from, scope);
    }
    return THS_OK;
}

/* ---- REPAIR: scope -------------------------------------------------------------------------- */

void thsi_groups_pack_repair(struct thsi_groups *g, unsigned scope, uint64_t to)
{
    struct thsi_packer packer;

    if (!thsi_gossip_begin(&g->batch, &packer, SMALL_MAX))
        return;
    thsi_pack_array(&packer, 2);
    thsi_pack_u64(&packer, THSI_GOSSIP_REPAIR);
    pack_text(&packer, g->scopes[scope]);
    thsi_gossip_send(&g->batch, &packer, to, true);
}

static enum ths_err unpack_repair(struct thsi_groups *g, struct thsi_group_owner *from,
                                  struct thsi_unpacker *unpacker)
{
    unsigned scope = unpack_scope(g, from, unpacker);

    /* Once between two digests: a snapshot is large and its packet small. Who lost that one asks again for the next digest. */
    if (unpacker->err != THS_OK || from->shares[scope].answered)
        return THS_OK;
    from->shares[scope].answered = true;
    thsi_groups_pack_snapshot(g, scope, from->uid);
    return THS_OK;
}

/* ---- Dispatch ------------------------------------------------------------------------------- */

enum ths_err thsi_groups_unpack(struct thsi_groups *g, struct thsi_group_owner *from, const uint8_t *packet,
                                size_t len)
{
    static const struct {
        uint32_t fields;
        enum ths_err (*unpack)(struct thsi_groups *g, struct thsi_group_owner *from, struct thsi_unpacker *unpacker);
    } kinds[] = { { 7, unpack_delta }, { 6, unpack_snapshot }, { 2, unpack_digest }, { 2, unpack_repair } };
    struct thsi_unpacker unpacker;
    enum ths_err err;
    uint32_t count;
    uint64_t kind;

    /* One whole value, before anything is done about it. */
    if (len == 0)
        return THS_MALFORMED;
    thsi_unpacker_init(&unpacker, packet, len);
    thsi_unpack_skip(&unpacker);
    if (thsi_unpack_finish(&unpacker) != THS_OK)
        return THS_MALFORMED;
    thsi_unpacker_init(&unpacker, packet, len);
    count = thsi_unpack_array(&unpacker);
    kind = thsi_unpack_u64(&unpacker) - THSI_GOSSIP_DELTA;
    if (unpacker.err != THS_OK || kind >= sizeof kinds / sizeof kinds[0] || count < kinds[kind].fields)
        return THS_MALFORMED;
    err = kinds[kind].unpack(g, from, &unpacker);
    for (uint32_t i = kinds[kind].fields; i < count && unpacker.err == THS_OK; i++)
        thsi_unpack_skip(&unpacker);
    return thsi_unpack_finish(&unpacker) != THS_OK ? THS_MALFORMED : err;
}
