/* Exit reasons: why an actor ended, told to links, monitors and supervisors. */

#ifndef THIASOS_REASON_H
#define THIASOS_REASON_H

#include "thiasos/err.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, number, text). The numbers cross the wire and never change meaning. */
#define THS_REASON_LIST(X)                                          \
    X(NORMAL, 0, "normal")          /* it stopped by itself */      \
    X(SHUTDOWN, 1, "shutdown")      /* it was asked to stop in order */ \
    X(KILLED, 2, "killed")          /* ths_kill */                  \
    X(CRASHED, 3, "crashed")        /* ths_fail; text says more */  \
    X(NO_ACTOR, 4, "no_actor")      /* there was none when the monitor came */ \
    X(STALE, 5, "stale")            /* the ref was of an earlier boot */ \
    X(NODE_LOST, 6, "node_lost")    /* its node was declared dead */ \
    X(LEASE_LOST, 7, "lease_lost")  /* its supervisor could not renew it */ \
    X(SIGNAL, 8, "signal")          /* an operating system signal ended its process */ \
    X(REFUSED, 9, "refused")        /* its node took not the link or monitor; whether it lives is unknown */ \
    X(QUOTA, 10, "quota")           /* it wanted more memory than it may have; text says more */

enum ths_reason {
#define X(name, number, text) THS_REASON_##name = (number),
    THS_REASON_LIST(X)
#undef X
};

/* How sure a DOWN is that the actor runs no more. */
enum ths_certainty {
    THS_OBSERVED = 0, /* its node saw it end */
    THS_FENCED = 1,   /* its lease ran out */
    THS_ASSUMED = 2   /* its node was declared dead; it may still run behind a partition */
};

/* Longest text that travels with a reason, with its NUL. */
#define THS_REASON_TEXT_SIZE 96

/* Lends a constant; "unknown" for a number outside the list. Thread: any. */
THS_API const char *ths_reason_text(enum ths_reason reason);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_REASON_H */
