/* Envelope: signals and the node's own announcements as records inside sealed frames.
 *
 * A record is one msgpack array whose first element is its kind; protocol/records.md lists the fields of each. Fields are
 * only ever appended: a longer record's unknown rest is skipped, a shorter one's missing fields are zero. Actors are
 * named by slot and generation alone; which nodes are meant follows from the link, but for the asker of a request that was
 * passed on.
 *
 * Unpacking comes in two steps because a body can only be read by its type: thsi_envelope_unpack reads up to the
 * body, then the caller, who knows what the type number stands for, reads or skips it. Pure. */

#ifndef THSI_CODEC_ENVELOPE_H
#define THSI_CODEC_ENVELOPE_H

#include "codec/pack.h"
#include "codec/schema.h"
#include "codec/unpack.h"
#include "node/base/message_table.h"
#include "thiasos/mailbox.h"

/* Kinds 1 to 21 are those of enum thsi_signal_kind; the numbers are repeated here because codec/ does not see node/. */
enum thsi_record_kind {
    THSI_RECORD_TELL = 1,
    THSI_RECORD_ASK = 2,
    THSI_RECORD_REPLY = 3,
    THSI_RECORD_LINK = 4,
    THSI_RECORD_UNLINK = 5,
    THSI_RECORD_EXIT = 6,
    THSI_RECORD_MONITOR = 7,
    THSI_RECORD_DEMONITOR = 8,
    THSI_RECORD_DOWN = 9,
    THSI_RECORD_KILL = 10,
    THSI_RECORD_LOOKUP = 11,
    THSI_RECORD_SPAWN = 12,
    THSI_RECORD_HALTED = 13,
    THSI_RECORD_RESTART = 14,
    THSI_RECORD_HALT = 15,
    THSI_RECORD_FINISH = 16,
    THSI_RECORD_REFUSED = 17,
    THSI_RECORD_STOP = 18,
    THSI_RECORD_DRAIN = 19,
    THSI_RECORD_CANCEL = 20,
    THSI_RECORD_MOVED = 21,
    THSI_RECORD_TYPE = 32,         /* what a type number of this direction stands for */
    THSI_RECORD_TYPE_REFUSED = 33, /* the other side does not know it so */
    THSI_RECORD_GROUP_TELL = 34,   /* one body for several actors */
    THSI_RECORD_GOSSIP = 35,       /* a packet of membership or groups */
    THSI_RECORD_BYE = 36,          /* the link is about to be closed on purpose */
    THSI_RECORD_KEYS = 37,         /* fingerprints of the cluster keys that the sender holds */
    THSI_RECORD_KEY = 38,          /* fingerprint of the one that goes into the key of the next frame */
    THSI_RECORD_FRAGMENT = 40,     /* a piece of a record that is larger than a frame */
    THSI_RECORD_CREDIT = 41,       /* how much more a mailbox may be sent */
    THSI_RECORD_AGAIN = 42         /* a TELL of a pair that an earlier one of the frame has named */
};

/* Which piece a FRAGMENT is; both for the only one. */
enum { THSI_FRAGMENT_FIRST = 1u, THSI_FRAGMENT_LAST = 2u };

#define THSI_ENVELOPE_TEXT_MAX 127u      /* bytes of a reason's text or a name */
#define THSI_ENVELOPE_TYPE_NAME_MAX 255u
#define THSI_GROUP_TELL_MAX 4096u        /* receivers of one record */
#define THSI_GOSSIP_MAX 61440u           /* bytes of one packet */
#define THSI_FINGERPRINTS_MAX 24u        /* bytes of a KEYS or KEY */
#define THSI_FRAME_PAIRS_MAX 16u         /* pairs of a frame that AGAIN can speak of: of its first TELLs */
#define THSI_FRAGMENT_MAX 65535u         /* bytes of one piece */
#define THSI_FRAGMENT_HEAD 7u            /* bytes before them */
#define THSI_STREAMS_MAX 16u             /* records in pieces at a time, in one direction of a link */
#define THSI_STREAMED_MAX ((256u << 20) + (128u << 10)) /* bytes of such a record, and of all unfinished ones */
#define THSI_REMAINING_NONE UINT64_MAX   /* no deadline */
#define THSI_CREDIT_NO_LIMIT UINT64_MAX

/* One actor of a node that both sides know. Generation 0: nobody, or the node itself. */
struct thsi_actor_id {
    uint32_t slot, generation;
};

/* Bits of the flags of a SPAWN. */
enum {
    THSI_SPAWN_TRAPS = 1,
    THSI_SPAWN_OWN_THREAD = 2,
    THSI_SPAWN_HELD = 4,
    THSI_SPAWN_LINK = 8,
    THSI_SPAWN_WATCH = 16,
    THSI_SPAWN_FLAGS = 31 /* all that are known */
};

/* What a SPAWN asks for beyond the defaults. Behind the body. */
struct thsi_spawn_wish {
    uint32_t flags;
    uint32_t when_full, idle_ms; /* as the numbers came: the reader judges unknown ones */
    uint64_t mailbox_bytes, memory_max;
    const char *key;             /* NULL: none */
    uint32_t urgent_count;
    uint32_t urgent[THS_URGENT_MAX]; /* type numbers */
};

/* One record. Which fields a kind uses: protocol/records.md. For packing, all pointers are borrowed; after unpacking they point
 * into the frame or, the texts and wishes, into the arena. */
struct thsi_envelope {
    enum thsi_record_kind kind;
    uint64_t number;               /* of a control record in its direction, from 1 */
    struct thsi_actor_id from, to;
    uint64_t id;                   /* request, monitor; REFUSED, CREDIT: how many */
    uint64_t remaining_ms;         /* until a request's deadline; of a control record: STOP's, 0 for none */
    uint64_t fence;
    uint64_t asker_node;           /* ASK: uid of the node of `from`; 0: the sender's. Behind the body */
    uint64_t fingerprint;          /* TYPE, TYPE_REFUSED */
    uint32_t version;              /* TYPE, TYPE_REFUSED */
    uint32_t incarnation, child, mailbox;
    uint32_t err, reason, certainty; /* as the numbers came: the reader judges unknown ones */
    const char *text;              /* reason, of an error, of a BYE, name looked for, behaviour, name of a type; NULL: "" */
    const char *name;              /* SPAWN: name to register, NULL: none */
    const struct thsi_spawn_wish *wish; /* SPAWN; NULL: nothing. Unpacked with the body, into the arena of the texts */
    struct thsi_arena *texts;      /* unpacking: that arena */
    uint32_t type_number;          /* of the body; 0: there is none. TYPE, TYPE_REFUSED: the number spoken of */
    const struct thsi_type_info *type; /* packing: of the body; TYPE, TYPE_REFUSED: to be described, NULL: not */
    const void *body;              /* packing */
    const struct thsi_actor_id *receivers; /* packing GROUP_TELL */
    uint32_t receivers_count;
    struct thsi_unpacker receivers_at;     /* unpacked GROUP_TELL: thsi_envelope_next_receiver */
    uint32_t again;                /* AGAIN: the pair of which TELL of the frame, from 0 */
    uint32_t stream, piece;        /* FRAGMENT: of which record, below THSI_STREAMS_MAX; which piece of it */
    const uint8_t *bytes;          /* GOSSIP, KEYS, KEY, FRAGMENT; unpacked TYPE, TYPE_REFUSED: the description, or NULL */
    uint32_t bytes_len;
    uint32_t fields_left;          /* unpacking: elements behind the head, the body among them */
};

/* Whether records of this kind are numbered and repeated on a new link. */
static inline bool thsi_envelope_is_control(enum thsi_record_kind kind)
{
    return (kind >= THSI_RECORD_LINK && kind <= THSI_RECORD_KILL) ||
           (kind >= THSI_RECORD_HALTED && kind <= THSI_RECORD_FINISH) || kind == THSI_RECORD_STOP ||
           kind == THSI_RECORD_DRAIN || kind == THSI_RECORD_CANCEL || kind == THSI_RECORD_MOVED;
}

/* Whether a record of this kind may come in pieces. */
static inline bool thsi_envelope_is_large(enum thsi_record_kind kind)
{
    return (kind >= THSI_RECORD_TELL && kind <= THSI_RECORD_REPLY) || kind == THSI_RECORD_SPAWN ||
           kind == THSI_RECORD_GROUP_TELL;
}

/* Write the THSI_FRAGMENT_HEAD bytes before the @len bytes of a piece. Always the same number of them, so that room
 * for it can be left. */
void thsi_fragment_head(uint8_t *head, unsigned stream, unsigned piece, size_t len);

/* Give a control record that was packed as number UINT64_MAX the number that it leaves with. */
void thsi_envelope_renumber(uint8_t *record, uint64_t number);

/* Append one record. An overflow shows in @packer. @envelope is borrowed.
 * Errors: TOO_BIG, MALFORMED (a text or the body breaks its bounds). Thread: any. */
THS_MUST_CHECK
enum ths_err thsi_envelope_pack(const struct thsi_envelope *envelope, struct thsi_packer *packer);

/* Append the TELL @envelope as an AGAIN of the pair that the @again-th TELL of the frame had. Errors: as above. */
THS_MUST_CHECK
enum ths_err thsi_envelope_pack_again(const struct thsi_envelope *envelope, uint32_t again, struct thsi_packer *packer);

/* Read a record up to its body. Texts go to @arena, NUL-terminated, which must last until the body was read.
 * Errors: MALFORMED (also an unknown kind), TOO_BIG (the arena is full). Thread: any. */
THS_MUST_CHECK
enum ths_err thsi_envelope_unpack(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker,
                                  struct thsi_arena *arena);

/* Whether an ASK of which only the head was read says behind its body that its asker is elsewhere. */
static inline bool thsi_envelope_is_passed_on(const struct thsi_envelope *envelope)
{
    return envelope->kind == THSI_RECORD_ASK && envelope->fields_left > 1;
}

/* Read the body of the record just unpacked, whose type_number is not 0, into @arena, as @type says, and what an ASK
 * or a SPAWN has behind it, and skip what a newer peer appended. Lends *@body until the arena is reset. With @type
 * NULL the body is skipped.
 * Errors: MALFORMED, TOO_BIG; *@body is then NULL. */
THS_MUST_CHECK
enum ths_err thsi_envelope_unpack_body(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker,
                                       const struct thsi_type_info *type, struct thsi_arena *arena, void **body);

/* The next receiver of an unpacked GROUP_TELL; false after the last. */
bool thsi_envelope_next_receiver(struct thsi_envelope *envelope, struct thsi_actor_id *receiver);

#endif /* THSI_CODEC_ENVELOPE_H */
