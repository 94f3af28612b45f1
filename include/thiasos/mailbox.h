/* Mailboxes: what a full one does, and which messages come first.
 *
 * A plain mailbox is one queue without a lock that refuses what it has no place for. An actor that is spawned with one of
 * the options below (.when_full, .urgent, .mailbox_bytes) has a queue under a lock instead, which costs its senders a little
 * more for each message, and can do more:
 *
 *     ths_spawn(node, ticker, .mailbox = 64, .when_full = THS_DROP_OLDEST);
 *     ths_spawn(node, board, .when_full = THS_LATEST_BY_KEY, .key = "symbol");
 *     ths_spawn(node, plant, .urgent = THS_URGENT(alarm, shut_valve), .mailbox_bytes = 1 << 20);
 *
 * The options concern tells and requests, from whatever node. Control signals, replies and timers are neither dropped, nor
 * counted, nor moved. Like all options they are also those of children (.spawn of struct ths_child) and of ths_spawn_at. */

#ifndef THIASOS_MAILBOX_H
#define THIASOS_MAILBOX_H

#include "thiasos/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of a message for which a mailbox has no place. A tell that is dropped was OK to its sender and is counted as
 * the dead letter DROPPED; a request that is dropped is answered FULL at once. */
enum ths_when_full {
    THS_REFUSE,        /* it is refused with FULL */
    THS_DROP_NEWEST,   /* it is dropped */
    THS_DROP_OLDEST,   /* the oldest message that is not urgent is dropped, then the oldest urgent one */
    THS_LATEST_BY_KEY  /* refused with FULL; but, full or not, a tell takes the place of one of its type and key that waits:
                        * so it may come before what its sender sent between the two */
};

/* The key of @msg into *@key; false: it has none, and replaces nothing. Called by the sender's thread, under a lock: it must be
 * short and call nothing of this library. @msg is lent for the call. */
typedef bool ths_key_of(const struct ths_message *msg, uint64_t *key);

/* The most types that .urgent may list. */
#define THS_URGENT_MAX 16

#ifndef __cplusplus
/* .urgent = THS_URGENT(alarm, ...): messages of these types come before all others. They keep their order among themselves,
 * and so do the others. */
#define THS_URGENT(...) ((struct ths_type *const[]){ THSP_FOR_EACH_WITH(THSP_URGENT_ONE, none, __VA_ARGS__) NULL })
#define THSP_URGENT_ONE(none, message) &message##_type,
#endif

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_MAILBOX_H */
