/* Inbox: the mailbox of an actor that drops, replaces or prefers messages. Pure: the lock is the caller's (inboxes.h).
 *
 * Two queues, of what is urgent and of all else, control signals among it. Both are linked through the messages, so that a
 * signal, which nobody may refuse, never needs memory. For THS_LATEST_BY_KEY an index finds the message of a key
 * that waits; one that is replaced keeps the place for its successor and is given back with it, so at most twice as many
 * messages as there are places lie in memory. */

#ifndef THSI_NODE_INBOX_H
#define THSI_NODE_INBOX_H

#include "node/base/map.h"
#include "node/message.h"
#include "thiasos/mailbox.h"

struct thsi_inbox_options {
    enum ths_when_full when_full;
    uint32_t capacity;               /* data messages, at least 1 */
    uint64_t bytes_max;              /* of data messages; 0: no bound */
    const char *key;                 /* a field; copied */
    ths_key_of *key_of;              /* instead */
    struct ths_type *const *urgent;  /* ends with NULL; NULL: none */
};

struct thsi_latest;

struct thsi_inbox_queue {
    struct thsi_message *head, *tail; /* NULL: empty */
};

struct thsi_inbox {
    struct ths_env *env;
    struct thsi_inbox_queue urgent;
    struct thsi_inbox_queue rest;
    struct thsi_message *data;        /* the oldest data message of `rest` */
    struct thsi_message *before_data; /* the one before it; NULL: it is the head */
    struct thsi_message *passed;      /* the last of `rest` that take_acting has passed over; NULL: none */
    enum ths_when_full when_full;
    uint32_t capacity;
    uint32_t count;                   /* data messages that wait, replaced ones not included */
    uint64_t bytes, bytes_max;        /* of all data messages, replaced ones included */
    ths_key_of *key_of;
    char *key;
    struct thsi_map latest;           /* of struct thsi_latest, by type and hash of key */
    struct thsi_latest *free_latest;
    uint32_t urgent_count;
    const struct thsi_type_info *urgent_types[THS_URGENT_MAX];
};

/* Errors: INVALID, NOMEM (for an urgent type); *@why then says in a line what is wrong. */
THS_MUST_CHECK enum ths_err thsi_inbox_options_check(const struct thsi_inbox_options *options, const char **why);

/* Errors: those of the check, NOMEM; nothing to fini then. */
THS_MUST_CHECK enum ths_err thsi_inbox_init(struct thsi_inbox *inbox, struct ths_env *env,
                                            const struct thsi_inbox_options *options);

/* It is empty. */
void thsi_inbox_fini(struct thsi_inbox *inbox);

/* Append @message (takes it unless it fails) while @held data messages of the actor wait elsewhere. *@dropped gives those that
 * had to go, linked by `next`: with OK the older ones, or, under THS_DROP_NEWEST, @message itself.
 * Errors: FULL, NOMEM; never for a message that is not counted. */
THS_MUST_CHECK enum ths_err thsi_inbox_put(struct thsi_inbox *inbox, struct thsi_message *message, uint32_t held,
                                           struct thsi_message **dropped);

/* Take the next message (given); NULL: empty. *@husk gives what it has replaced, to be freed; or NULL. */
struct thsi_message *thsi_inbox_take(struct thsi_inbox *inbox, struct thsi_message **husk);

/* Take the oldest signal that does not wait; NULL: all that is there waits. @waits is asked about each once until the next
 * thsi_inbox_take. For an actor between two incarnations: what is for the next one keeps its place, is bounded, dropped and
 * replaced as ever, and what is urgent still comes first. */
typedef bool thsi_inbox_waits(const void *arg, struct thsi_message *message);
struct thsi_message *thsi_inbox_take_acting(struct thsi_inbox *inbox, thsi_inbox_waits *waits, const void *arg);

static inline bool thsi_inbox_is_empty(const struct thsi_inbox *inbox)
{
    return !inbox->urgent.head && !inbox->rest.head;
}

/* Assert everything believed about it. For tests. */
void thsi_inbox_check(const struct thsi_inbox *inbox);

#endif /* THSI_NODE_INBOX_H */
