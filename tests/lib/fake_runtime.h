/* Fake runtime: the runtime's side of the seams as a recorder. It keeps what is delivered and answers what the test
 * wants. For one thread. */

#ifndef THS_TESTS_LIB_FAKE_RUNTIME_H
#define THS_TESTS_LIB_FAKE_RUNTIME_H

#include "node/runtime.h"
#include "tests/lib/test_env.h"

#define FAKE_DELIVERED_MAX 256
#define FAKE_LOST_MAX 16

/* One delivered signal; its pointers are the recorder's copies. */
struct fake_delivered {
    struct thsi_signal signal;
    char text[160];
    char name[160], key[160];
    struct ths_type *urgent[THS_URGENT_MAX + 1];
    struct ths_spawn_options options;
    void *body;
};

struct fake_runtime {
    struct thsi_runtime runtime;
    struct test_env *env;
    enum ths_err result;      /* of deliver from now on */
    struct thsi_room room;    /* of every mailbox */
    size_t count;             /* signals delivered; those beyond the table are only counted */
    struct fake_delivered delivered[FAKE_DELIVERED_MAX];
    size_t lost_count;
    uint64_t lost[FAKE_LOST_MAX];
};

/* Borrows @env and @name. */
void fake_runtime_init(struct fake_runtime *fake, struct test_env *env, uint64_t uid, const char *name);
void fake_runtime_fini(struct fake_runtime *fake);

/* Forget what was delivered. */
void fake_runtime_clear(struct fake_runtime *fake);

/* The only signal delivered since the last clear (a cmocka assertion). Lends until then. */
const struct thsi_signal *fake_runtime_only(const struct fake_runtime *fake);

#endif /* THS_TESTS_LIB_FAKE_RUNTIME_H */
