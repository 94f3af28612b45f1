/* Errors: what can go wrong in operation, as numbers that stay.
 *
 * An operating error is returned as enum ths_err; a programmer's error asserts;
 * an actor's own failure is an exit reason (see reason.h). The numbers never
 * change meaning, because they cross the wire in refusals and replies. */

#ifndef THIASOS_ERR_H
#define THIASOS_ERR_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define THS_MUST_CHECK __attribute__((warn_unused_result))
#define THS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define THS_API __attribute__((visibility("default")))
#else
#define THS_MUST_CHECK
#define THS_PRINTF(fmt, args)
#define THS_API
#endif

/* X(name, number, sentence): the one list behind the enum, the names and the texts. */
#define THS_ERR_LIST(X)                                                                     \
    X(OK, 0, "no error")                                                                    \
    X(NOMEM, 1, "memory could not be allocated")                                            \
    X(INVALID, 2, "an argument is outside of what the function accepts")                    \
    X(FULL, 3, "the receiver's mailbox or the link to it holds all it may")                 \
    X(GONE, 4, "the actor has ended")                                                       \
    X(STALE, 5, "the ref is of an earlier boot of its node")                                \
    X(TIMEOUT, 6, "no answer came before the deadline")                                     \
    X(EXPIRED, 7, "the request's deadline had passed when it was taken from the mailbox")   \
    X(CRASHED, 8, "the actor crashed while it worked on the request")                       \
    X(REFUSED, 9, "the receiver does not accept this message")                              \
    X(UNKNOWN_NODE, 10, "no node with this uid is known")                                   \
    X(NODE_LOST, 11, "the node that held the actor was lost")                               \
    X(NAME_TAKEN, 12, "the name is in use")                                                 \
    X(NOT_FOUND, 13, "nothing with this name is known")                                     \
    X(UNSUPPORTED, 14, "this version does not support the request")                         \
    X(UNKNOWN_TYPE, 15, "the receiving node does not know this message type")               \
    X(TYPE_MISMATCH, 16, "both nodes know the message type, but with different fields")     \
    X(TOO_BIG, 17, "the message or a field is longer than its bound")                       \
    X(MALFORMED, 18, "the input does not follow its format")                                \
    X(CLOSED, 19, "the node or link is shutting down")                                      \
    X(BAD_KEY, 20, "the peer does not hold the same cluster key")                           \
    X(BAD_VERSION, 21, "the peer speaks no protocol version that this node speaks")         \
    X(IO, 22, "the operating system reported an input or output error")                     \
    X(NO_ASK, 23, "the message at hand is not a request, or it was answered already")       \
    X(UNKNOWN_BEHAVIOUR, 24, "the node has no registered behaviour with this name")         \
    X(NO_KEY, 25, "a cluster key is needed to listen beyond loopback")                      \
    X(TOO_MANY, 26, "a table with a fixed bound is full")                                   \
    X(REPLAYED, 27, "a frame came a second time")                                           \
    X(GAP, 28, "frames are missing before this one")                                        \
    X(FORGED, 29, "a frame failed its authentication")                                      \
    X(SUPERSEDED, 30, "a newer boot of the node has taken its place")                       \
    X(QUARANTINED, 31, "an equal message has crashed the receiver again and again")         \
    X(DROPPED, 32, "the receiver's full mailbox dropped the message for a newer one")       \
    X(NO_NODE_KEY, 33, "one of the two nodes has a node key and the other has none")        \
    X(NOT_ALLOWED, 34, "the other node does not admit this node's key or certificate")      \
    X(FORBIDDEN, 35, "the other node has not given this node the right to do that")

enum ths_err {
#define X(name, number, text) THS_##name = (number),
    THS_ERR_LIST(X)
#undef X
};

/* The name without prefix ("FULL"), or "UNKNOWN" for a number outside the list. Lends a constant. Thread: any. */
THS_API const char *ths_err_name(enum ths_err err);

/* The sentence of the list above. Lends a constant. Thread: any. */
THS_API const char *ths_err_text(enum ths_err err);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_ERR_H */
