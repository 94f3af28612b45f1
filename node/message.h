/* Message: one signal in memory, on its way into a mailbox.
 *
 * A message is one block of a size class. Small payloads lie inside the first 64 bytes; a
 * deep copy of a body needs no second block. What a kind needs beyond the header is
 * put before the body: struct thsi_ask for a request, struct thsi_control for the rest. */

#ifndef THSI_NODE_MESSAGE_H
#define THSI_NODE_MESSAGE_H

#include <stdatomic.h>

#include "node/base/blob.h"
#include "node/pool.h"
#include "node/signal.h"

/* Kinds beyond enum thsi_signal_kind that never leave a node. */
enum {
    THSI_TIMER = 64,    /* struct thsi_timer is the block */
    THSI_NODE_LOST = 65, /* control.id is the uid */
    THSI_TOKEN = 66,    /* stands for what waits in the inbox (inboxes.h) */
    THSI_EVENT = 67,    /* type, body: of the node or the cluster, for one who asked to be told. Taken by a full mailbox */
    THSI_INSPECT = 68   /* somebody has a question (inspect.h) */
};

/* Beside the size class of a message that holds references to blobs. */
enum { THSI_SIZE_BLOBS = 128 };

struct thsi_message {
    _Atomic(struct thsi_message *) next; /* mailbox or inner queue; first, so that an actor can embed a stub */
    const struct thsi_type_info *type;    /* of the body, NULL: none */
    uint8_t kind;
    uint8_t size_class;                  /* and THSI_SIZE_BLOBS */
    uint8_t body_at;                     /* offset of the body from the block's start */
    uint8_t counted;                     /* 1: takes a place in the mailbox's capacity */
    uint32_t generation;                 /* of the actor it was meant for */
    ths_ref from;
};

struct thsi_ask {
    uint64_t id;
    uint64_t deadline_ns;
};

struct thsi_control {
    uint64_t id;
    uint32_t child;
    uint32_t incarnation;
    uint8_t reason;
    uint8_t certainty;
    uint16_t err;
    char text[THS_REASON_TEXT_SIZE]; /* only as long as needed is allocated: last member */
};

_Static_assert(sizeof(struct thsi_message) == 40, "24 bytes of a 64-byte block are left for a payload");
_Static_assert(sizeof(struct thsi_ask) == 16, "so that a body without a stamp lies at an odd multiple of 8");

static inline struct thsi_ask *thsi_message_ask(struct thsi_message *message)
{
    return (struct thsi_ask *)(message + 1);
}

static inline struct thsi_control *thsi_message_control(struct thsi_message *message)
{
    return (struct thsi_control *)(message + 1);
}

static inline void *thsi_message_body(struct thsi_message *message)
{
    return (char *)message + message->body_at;
}

/* Make a message from @signal: measures and checks the body, copies everything. Gives; thsi_message_free.
 * Errors: NOMEM, TOO_BIG, MALFORMED. Thread: the pool's. */
THS_MUST_CHECK enum ths_err thsi_message_create(struct thsi_pool *pool, const struct thsi_signal *signal,
                                                struct thsi_message **out);

/* The same of a TELL or an ASK, which notes that it was sent at @now_ns. */
THS_MUST_CHECK enum ths_err thsi_message_create_stamped(struct thsi_pool *pool, const struct thsi_signal *signal,
                                                        uint64_t now_ns, struct thsi_message **out);

/* Whether a TELL or an ASK notes when it was sent. The time lies before the body, which is then at an even multiple of 8. */
static inline bool thsi_message_is_stamped(const struct thsi_message *message)
{
    return !(message->body_at & sizeof(uint64_t));
}

/* When. Only of one that notes it. */
static inline uint64_t thsi_message_stamp(const struct thsi_message *message)
{
    uint64_t ns;

    __builtin_memcpy(&ns, (const char *)message + message->body_at - sizeof ns, sizeof ns);
    return ns;
}

/* Make a message of @signal without text and body out of the block of @message (taken), whatever it was. Gives it. */
struct thsi_message *thsi_message_become(struct thsi_message *message, const struct thsi_signal *signal);

/* Most bodies are a few words: copied without a call. */
static inline void thsi_copy_body(void *to, const void *from, size_t size)
{
    if (size == 8)
        __builtin_memcpy(to, from, 8);
    else if (size == 16)
        __builtin_memcpy(to, from, 16);
    else if (size == 24)
        __builtin_memcpy(to, from, 24);
    else
        __builtin_memcpy(to, from, size);
}

/* The fast path of a tell, for bodies that hold no pointers. Same contract. */
static inline enum ths_err thsi_message_create_tell(struct thsi_pool *pool, ths_ref from, uint32_t generation,
                                                    struct ths_type *type, const void *body,
                                                    struct thsi_message **out)
{
    const struct thsi_type_info *info = thsi_type_intern(type);
    struct thsi_message *message;

    if (!info || !info->flat) {
        const struct thsi_signal signal = { .kind = THSI_TELL, .from = from, .to = { 1, 0, generation }, .type = type,
                                            .body = body };
        return thsi_message_create(pool, &signal, out);
    }
    message = thsi_pool_get(pool, sizeof *message + info->size);
    if (!message)
        return THS_NOMEM;
    message->type = info;
    message->kind = THSI_TELL;
    message->body_at = sizeof *message;
    message->counted = 1;
    message->generation = generation;
    message->from = from;
    thsi_copy_body(message + 1, body, info->size);
    *out = message;
    return THS_OK;
}

/* The memory that @message takes: its block, and the blobs it holds, whoever else holds them. */
uint64_t thsi_message_bytes(struct thsi_message *message);

void thsi_message_free_slow(struct thsi_pool *pool, struct thsi_message *message);

/* Gives the references of its blobs back. Thread: the pool's. NULL is ignored. */
static inline void thsi_message_free(struct thsi_pool *pool, struct thsi_message *message)
{
    if (!message)
        return;
    if (message->size_class >= THSI_POOL_CLASSES) /* the same test as that of the pool, which falls away here */
        thsi_message_free_slow(pool, message);
    else
        thsi_pool_put(pool, message, message->size_class);
}

#endif /* THSI_NODE_MESSAGE_H */
