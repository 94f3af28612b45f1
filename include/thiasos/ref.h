/* Ref: the address of one actor, the same on every node.
 *
 * Sixteen bytes, passed by value: copy it, compare it, print it, put it into a
 * message. It names one actor of one boot of one node for ever: when that
 * actor has ended, sends answer GONE or STALE and never reach a stranger. */

#ifndef THIASOS_REF_H
#define THIASOS_REF_H

#include <stddef.h>
#include <stdint.h>

#include "thiasos/err.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ths_ref {
    uint64_t node;       /* uid of the node's boot: 64 random bits, never 0 */
    uint32_t slot;       /* place in the node's actor table */
    uint32_t generation; /* which of the actors that lived there, never 0 */
} ths_ref;

/* The ref of nobody: all bits zero. */
#define THS_NOBODY ((ths_ref){ 0, 0, 0 })

static inline bool ths_ref_equal(ths_ref a, ths_ref b)
{
    return a.node == b.node && a.slot == b.slot && a.generation == b.generation;
}

static inline bool ths_ref_is_nobody(ths_ref ref)
{
    return ref.node == 0;
}

/* Room for the text form with its terminating NUL. */
#define THS_REF_TEXT_SIZE 40

/* Print @ref as "<uid in 16 hex digits>.<slot>.<generation>". @out has THS_REF_TEXT_SIZE bytes.
 * Returns @out. Thread: any. */
THS_API char *ths_ref_print(ths_ref ref, char *out);

/* The reverse. Errors: MALFORMED, and *@out is then THS_NOBODY. Thread: any. */
THS_MUST_CHECK THS_API enum ths_err ths_ref_parse(const char *text, ths_ref *out);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_REF_H */
