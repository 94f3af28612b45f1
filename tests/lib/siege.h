/* Siege: two nodes that are members of one cluster, and an enemy at the port of one of them.
 *
 * For tests of what reaches a node that wishes it no good. Whatever a test does, it ends with the same three facts: the node
 * serves its member, a new member joins, and resident memory has grown by a bounded amount. */

#ifndef THS_TESTS_LIB_SIEGE_H
#define THS_TESTS_LIB_SIEGE_H

#include "tests/lib/forger.h"
#include "thiasos/thiasos.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SIEGE_LIMIT_MS = 120000, SIEGE_FLAT_KIB = 512 * 1024, SIEGE_SANITIZED = 1 }; /* a sanitizer keeps what was freed */
#else
enum { SIEGE_LIMIT_MS = 60000, SIEGE_FLAT_KIB = 32 * 1024, SIEGE_SANITIZED = 0 };
#endif

struct siege {
    struct ths_node *node, *other; /* a, which is besieged, and b */
    ths_ref alice, bob;            /* puppets: alice of a, bob of b */
    struct forger *forger;         /* "mallory", not dialed yet */
    size_t before_kib;             /* resident memory when the test began */
};

extern struct siege siege;

/* Set up and tear down of a test; the latter asserts what is said above. */
int siege_begin(void **state);
int siege_end(void **state);
#define siege_test(fact) cmocka_unit_test_setup_teardown(fact, siege_begin, siege_end)

/* The port of the besieged node. */
unsigned siege_port(void);

/* The member b is found from here: links, records and names work. */
void siege_members_are_served(void);

/* The forger is admitted as a member. */
void siege_forger_joins(void);

/* How many links the besieged node has closed for @err; wait until there are @count. */
uint64_t siege_closed_for(enum ths_err err);
void siege_await_closed_for(enum ths_err err, uint64_t count);

/* Allow as many open files as the system lets us. Returns how many. */
unsigned siege_raise_files(void);

/* Resident memory of this process, and that it grew by no more than is allowed since the test began. */
size_t siege_resident_kib(void);
void siege_memory_is_flat(void);

#endif /* THS_TESTS_LIB_SIEGE_H */
