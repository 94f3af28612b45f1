/* Beginnings and ends while memory is out: the n-th allocation fails, n running over a scenario, once alone and once with all
 * behind it. Nothing hangs, nothing is left, and what is refused says so. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>

#include "node/pool.h"
#include "tests/lib/os_env.h"
#include "tests/lib/puppet.h"

enum { ALLOCATIONS = 120, TIMEOUT_MS = 50 };

/* ---- Memory --------------------------------------------------------------------------------- */

static _Atomic long before_failure; /* allocations that succeed; negative: it has failed */
static _Atomic bool armed, for_good;
static _Atomic bool no_slabs; /* nothing is refused but what pools grow by */

enum { SMALL = 8192 };

static void *memory(struct ths_env *env, void *ptr, size_t size)
{
    (void)env;
    if (size > SMALL && atomic_load(&no_slabs))
        return NULL;
    if (size > 0 && atomic_load(&armed)) {
        long left = atomic_fetch_sub(&before_failure, 1);

        if (left == 0 || (left < 0 && atomic_load(&for_good)))
            return NULL;
    }
    return ths_env_os()->memory(ths_env_os(), ptr, size);
}

static struct ths_env scarce;

/* ---- The scenario --------------------------------------------------------------------------- */

THS_MESSAGE(tenant_start, "test.tenant_start", 1, u8(fails), u8(vetoes))

struct tenant { uint8_t vetoes; };

THS_ON(tenant, tenant_start)
{
    self->vetoes = msg->vetoes;
    if (msg->fails)
        ths_fail(ctx, "no flat");
}

THS_ON(tenant, ths_stopping)
{
    if (self->vetoes)
        (void)ths_veto(ctx);
}

THS_ON(tenant, word)
{
    (void)ths_receive_timeout(ctx, 1);
    (void)ths_exit_after(ctx, 60000, THS_REASON_NORMAL);
}

THS_ON(tenant, ths_idle)
{
    (void)ths_receive_timeout(ctx, 0);
}

THS_BEHAVIOUR(tenant, tenant_start, ths_stopping, word, ths_idle)

static unsigned refusals;

/* @err is @expected, or one of the ways to say that memory was out. */
static void check(enum ths_err err, enum ths_err expected)
{
    if (err == expected)
        return;
    refusals++;
    if (err != THS_NOMEM && err != THS_TOO_MANY && err != THS_TIMEOUT && err != THS_GONE)
        fail_msg("%s, expected %s", ths_err_name(err), ths_err_name(expected));
}

static ths_ref spawn(struct ths_node *node, uint8_t vetoes)
{
    ths_ref ref;
    enum ths_err err = ths_spawn_wait(node, &ref, NULL, TIMEOUT_MS, tenant, .held = true, .idle_ms = 60000,
                                      .start = THS_MSG(tenant_start, .vetoes = vetoes));

    if (err != THS_CRASHED) /* no memory for the idle timeout */
        check(err, THS_OK);
    return ref;
}

static void live(struct ths_node *node, ths_ref refs[4])
{
    ths_ref none;

    check(ths_spawn_wait(node, &none, NULL, TIMEOUT_MS, tenant, .start = THS_MSG(tenant_start, .fails = 1)), THS_CRASHED);
    for (int i = 0; i < 4; i++)
        refs[i] = spawn(node, i == 0);
    for (int i = 0; i < 4; i++)
        if (!ths_ref_is_nobody(refs[i]))
            check(ths_tell(node, refs[i], word), THS_OK);
    if (!ths_ref_is_nobody(refs[0]))
        check(ths_stop_wait(node, refs[0], TIMEOUT_MS), THS_REFUSED);
    if (!ths_ref_is_nobody(refs[1]))
        check(ths_stop_wait(node, refs[1], TIMEOUT_MS, .deadline_ms = TIMEOUT_MS), THS_OK);
    if (!ths_ref_is_nobody(refs[2]))
        check(ths_drain(node, refs[2]), THS_OK);
    if (!ths_ref_is_nobody(refs[3])) {
        check(ths_hold(node, refs[3]), THS_OK);
        check(ths_release(node, refs[3]), THS_OK);
    }
}

/* With memory again, every actor there is can be ended. */
static void run(long n, bool all_behind)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "scarce", .workers = 2, .env = &scarce });
    ths_ref refs[4];

    assert_non_null(node);
    atomic_store(&for_good, all_behind);
    atomic_store(&before_failure, n);
    atomic_store(&armed, true);
    live(node, refs);
    atomic_store(&armed, false);
    for (int i = 0; i < 4; i++) {
        if (ths_ref_is_nobody(refs[i]))
            continue;
        ths_kill(node, refs[i]);
        assert_err(ths_join(node, refs[i], PROBE_LIMIT_MS, NULL), OK);
    }
    ths_node_stop(node, PROBE_LIMIT_MS);
}

static void one_failed_allocation_is_survived(void **state)
{
    (void)state;
    refusals = 0;
    for (long n = 0; n < ALLOCATIONS; n++)
        run(n, false);
    assert_true(refusals > 0);
}

static void end_of_memory_is_survived(void **state)
{
    (void)state;
    refusals = 0;
    for (long n = 0; n < ALLOCATIONS; n++)
        run(n, true);
    assert_true(refusals > 0);
}

/* ---- Holds ---------------------------------------------------------------------------------- */

/* Take what free blocks the node has for messages of all small sizes. */
static void use_up(struct ths_node *node, ths_ref whom)
{
    static char text[512];

    for (size_t len = 0; len < sizeof text; len += 100) {
        memset(text, 'x', len);
        while (ths_tell(node, whom, word, .text = text) == THS_OK) {
        }
    }
}

static void release_without_memory_can_be_tried_again(void **state)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "scarce", .workers = 2, .env = &scarce });
    struct probe_gate gate = PROBE_GATE_INIT;
    ths_ref heap, held;

    (void)state;
    heap = puppet_spawn(node, "heap", (struct ths_spawn_options){ .mailbox = 1 << 20 });
    held = puppet_spawn(node, "held", (struct ths_spawn_options){ .held = true });
    puppet_hold(node, heap, &gate);
    atomic_store(&for_good, true);
    atomic_store(&before_failure, 0);
    atomic_store(&armed, true);
    use_up(node, heap);
    assert_err(ths_release(node, held), NOMEM);
    assert_err(ths_hold(node, held), OK); /* held as before */
    assert_err(ths_release(node, held), OK);
    atomic_store(&armed, false);
    assert_err(ths_release(node, held), OK);
    assert_ends(node, held, SHUTDOWN);
    ths_kill(node, heap);
    probe_gate_open(&gate);
    ths_node_stop(node, PROBE_LIMIT_MS);
}

/* ---- Links ---------------------------------------------------------------------------------- */

struct attempt {
    unsigned blocks; /* used up before */
    enum ths_err err;
};

/* Spawn with link and monitor while only some blocks of the smallest size are left. */
static void spawns_with_little_left(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    const struct ths_spawn_options options = { .link = true, .monitor = true };
    struct attempt *attempt = arg;
    ths_ref child;

    (void)self;
    atomic_store(&no_slabs, true);
    for (unsigned i = 0; i < attempt->blocks; i++)
        (void)ths_tell(ctx, ths_self(ctx), unheard);
    attempt->err = thsp_try_spawn(ctx, &tenant_behaviour, &options, &child);
    atomic_store(&no_slabs, false);
    if (attempt->err == THS_OK) {
        ths_unlink(ctx, child);
        ths_kill(ctx, child);
    }
}

static void spawn_that_is_refused_for_memory_spares_the_spawner(void **state)
{
    if (THSI_POOL_SINGLE)
        skip(); /* no slabs that could run out: every block is allocated by itself */

    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "scarce", .workers = 1, .env = &scarce });
    struct attempt attempt = { .err = THS_OK };
    ths_ref spawner = puppet_spawn(node, "spawner", (struct ths_spawn_options){ .mailbox = 1 << 20 });
    unsigned refused = 0;

    (void)state;
    while (refused < 3) { /* each lacks another block: the next slab comes in between */
        puppet_do(node, spawner, spawns_with_little_left, &attempt);
        puppet_settle(node, spawner);
        check(attempt.err, THS_OK);
        refused += attempt.err == THS_NOMEM;
        attempt.blocks++;
    }
    ths_node_stop(node, PROBE_LIMIT_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_failed_allocation_is_survived),
        cmocka_unit_test(end_of_memory_is_survived),
        cmocka_unit_test(release_without_memory_can_be_tried_again),
        cmocka_unit_test(spawn_that_is_refused_for_memory_spares_the_spawner),
    };

    scarce = os_env_with(memory);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
