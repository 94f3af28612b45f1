/* Bulk: messages of an outbox that are too large to share a frame, and what must not overtake them.
 *
 * A bulk message is packed once, into frames of its own, outside of any lock. Its frames leave in turn with those of
 * other bulk messages and with the ordinary ones, so nothing small waits until it is through; one that takes several
 * frames is cut into FRAGMENT records. What order demands is said by pairs: a record of a pair with an unfinished
 * bulk message waits behind it, in the order in which it came, and so does a bulk message.
 *
 *     open ── take, take ... the last frame ──▶ done: what waited behind it is put again, in order
 *
 * What has several in its way waits behind one of them, then behind the next. Invariants: what waits behind an open
 * message lies in the order in which it was put, and whatever must not overtake it finds that open message in its way.
 *
 * Pure but for memory. The caller serialises all calls for one bulk, but for pack and drop, which know none. */

#ifndef THSI_CLUSTER_BULK_H
#define THSI_CLUSTER_BULK_H

#include "cluster/frames.h"
#include "codec/envelope.h"

#define THSI_BULK_RECORD (32u << 10)     /* larger records are bulk */
#define THSI_BULK_OPEN_MAX 64u           /* unfinished messages of different pairs */
#define THSI_BULK_HUGE (1u << 20)        /* from here on a message counts as huge */
#define THSI_BULK_BYTES_MAX (8u << 20)   /* of unfinished messages that are not huge */
#define THSI_BULK_HUGE_COUNT_MAX 16u     /* huge ones, and their bytes: THSI_STREAMED_MAX */

enum thsi_record_class {
    THSI_CLASS_NODE,     /* lane NODE; not counted, not repeated */
    THSI_CLASS_DATA,     /* lane SIGNALS; counted when lost */
    THSI_CLASS_ANSWER,   /* lane SIGNALS; as DATA, from control's reserve: replies and refusals */
    THSI_CLASS_CONTROL,  /* lane SIGNALS; numbered and repeated */
    THSI_CLASS_ORDERED,  /* lane SIGNALS; node's own records that keep their place among signals */
    THSI_CLASS_LAST      /* as ORDERED, and behind every unfinished bulk message */
};

/* Whose record it is. */
struct thsi_pair {
    struct thsi_actor_id from, to;
    bool many; /* to several actors: in the way of all that `from` sends */
    bool told; /* `from` is an actor that is told when it is lost; who asks has a deadline */
};

static inline struct thsi_pair thsi_pair_of(const struct thsi_envelope *record)
{
    bool many = record->kind == THSI_RECORD_GROUP_TELL;

    return (struct thsi_pair){ record->from, record->to, many,
                               (many || record->kind == THSI_RECORD_TELL) && record->from.generation > 0 };
}

/* A bulk message, or a small record that waits behind one. */
struct thsi_bulk_item {
    struct thsi_bulk_item *next;  /* of the open ones, or of those that wait behind the same one */
    struct thsi_pair pair;        /* of an open one: of what waits behind it, too */
    struct thsi_outframe *head, *tail; /* frames that are left */
    size_t bytes;                 /* of payload when it was packed: what is counted */
    uint64_t order;               /* in which it was put */
    uint64_t after;               /* the last frame leaves after this ordinary one: its pair's earlier records */
    struct thsi_bulk_item *held_head, *held_tail; /* open: what waits behind it */
    uint8_t class;                /* enum thsi_record_class */
    uint8_t stream;               /* of its fragments, once begun; else THSI_STREAMS_MAX */
    bool bulk;                    /* false: a small record */
    bool fragments;
};

struct thsi_bulk {
    struct thsi_bulk_item *head, *tail; /* open, in the order of their turns */
    unsigned open, huge;
    uint32_t streams;             /* in use, a bit each */
    size_t bytes, huge_bytes;     /* of bulk messages, those that wait included */
    uint64_t put;                 /* items put so far */
};

/* Pack @record, which takes at most @bound bytes, into frames of @frames. Gives; thsi_bulk_open,
 * thsi_bulk_hold or thsi_bulk_drop. Thread: any. Errors: NOMEM, TOO_BIG (over @bound), those of thsi_envelope_pack. */
THS_MUST_CHECK
enum ths_err thsi_bulk_pack(struct ths_env *env, struct thsi_frames *frames, enum thsi_record_class class,
                            const struct thsi_envelope *record, size_t bound, struct thsi_bulk_item **out);

/* As above for a small record, which is to wait: takes no more memory than it needs. A control record is packed as
 * number UINT64_MAX. */
THS_MUST_CHECK
enum ths_err thsi_bulk_pack_small(struct ths_env *env, struct thsi_frames *frames, enum thsi_record_class class,
                                  const struct thsi_envelope *record, struct thsi_bulk_item **out);

/* Takes an item that is in no bulk, with what is left of it. Thread: any. */
void thsi_bulk_drop(struct ths_env *env, struct thsi_frames *frames, struct thsi_bulk_item *item);

/* Whether a message of @len bytes may be put. */
bool thsi_bulk_has_room(const struct thsi_bulk *bulk, size_t len);

/* An open message behind which a record of @class and @pair has to wait, or NULL. */
struct thsi_bulk_item *thsi_bulk_in_the_way(const struct thsi_bulk *bulk, enum thsi_record_class class,
                                            const struct thsi_pair *pair);

/* Put a new item: counts it. Then one of the two below, at once. */
void thsi_bulk_put(struct thsi_bulk *bulk, struct thsi_bulk_item *item);

/* Takes a bulk message that nothing is in the way of; its last frame leaves after the ordinary frame @after. */
void thsi_bulk_open(struct thsi_bulk *bulk, struct thsi_bulk_item *item, uint64_t after);

/* The last frames of all open ones leave after the ordinary frame @after, at the earliest. */
void thsi_bulk_leave_after(struct thsi_bulk *bulk, uint64_t after);

/* Takes an item that has to wait behind the open @before. */
void thsi_bulk_hold(struct thsi_bulk_item *before, struct thsi_bulk_item *item);

/* The next frame, or NULL; ordinary frames up to @taken have left. *@done is the message whose last frame this is, or
 * NULL: the caller puts what waits behind it (thsi_bulk_release), then drops it. Gives both. */
struct thsi_outframe *thsi_bulk_take(struct thsi_bulk *bulk, uint64_t taken, struct thsi_bulk_item **done);

/* Take what waits behind @item, linked by next, in order. Gives. */
struct thsi_bulk_item *thsi_bulk_release(struct thsi_bulk_item *item);

/* The link is gone: take the messages of which a part has left, linked by next, and all that waited behind them, in order.
 * Gives both. */
void thsi_bulk_break(struct thsi_bulk *bulk, struct thsi_bulk_item **broken, struct thsi_bulk_item **held);

/* Take everything, linked by next, what waits included. Gives. */
struct thsi_bulk_item *thsi_bulk_take_all(struct thsi_bulk *bulk);

/* @item leaves the bulk for good: count it no more. */
void thsi_bulk_forget(struct thsi_bulk *bulk, const struct thsi_bulk_item *item);

/* Assert all that is believed about it. */
void thsi_bulk_check(const struct thsi_bulk *bulk);

#endif /* THSI_CLUSTER_BULK_H */
