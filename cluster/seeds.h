/* Seeds: where a node that is alone looks for others, and when.
 *
 * The list is text from the user: "HOST[:PORT],HOST[:PORT],...". A host may be a name with many addresses (a service of
 * Compose or Kubernetes), so names are resolved again at every round. Rounds come once a second, give or take a
 * fifth so that nodes started together do not stay in step, and only while the node is alone: once it has met anybody,
 * membership knows whom to dial.
 *
 * Pure: time and randomness are arguments, nothing is allocated, names are resolved by the caller. */

#ifndef THSI_CLUSTER_SEEDS_H
#define THSI_CLUSTER_SEEDS_H

#include <stddef.h>
#include <stdint.h>

#include "thiasos/err.h"

#define THSI_SEEDS_MAX 32
#define THSI_SEED_SIZE 264       /* longest host name of DNS, a colon and a port, NUL included */
#define THSI_SEEDS_OWN_MAX 16
#define THSI_DEFAULT_PORT 7400u

struct thsi_seeds {
    unsigned count;
    char address[THSI_SEEDS_MAX][THSI_SEED_SIZE]; /* always with a port */
    uint64_t due_ns;                              /* of the next round */
    unsigned own_count;
    char own[THSI_SEEDS_OWN_MAX][64];             /* resolved addresses that turned out to be this node's */
};

/* Parse @text (borrowed; NULL or "" is an empty list). Spaces around addresses are allowed, empty parts are skipped.
 * The first round is due at once. On an error @why (of @why_size bytes) says which part is wrong.
 * Errors: INVALID (no host, no such port, a character that no host has), TOO_MANY (over THSI_SEEDS_MAX). */
THS_MUST_CHECK
enum ths_err thsi_seeds_init(struct thsi_seeds *seeds, const char *text, char *why, size_t why_size);

/* Whether a round is due; if so the next one is scheduled, @random deciding its jitter. A node that is not @alone
 * has no rounds. */
bool thsi_seeds_step(struct thsi_seeds *seeds, uint64_t now_ns, bool alone, uint64_t random);

/* When to call step again, UINT64_MAX: never (no seeds, or not @alone). */
uint64_t thsi_seeds_deadline_ns(const struct thsi_seeds *seeds, bool alone);

/* The resolved @address is this node's own: never dial it again. Copies. The oldest of too many is forgotten. */
void thsi_seeds_found_own(struct thsi_seeds *seeds, const char *address);
bool thsi_seeds_is_own(const struct thsi_seeds *seeds, const char *address);

/* Check "HOST[:PORT]" of @len bytes and write "HOST:PORT" to @out of @size bytes, with the default port if it has none.
 * Errors: INVALID. Also used for the address that a node advertises. */
THS_MUST_CHECK
enum ths_err thsi_address_parse(const char *text, size_t len, char *out, size_t size);

#endif /* THSI_CLUSTER_SEEDS_H */
