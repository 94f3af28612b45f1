/* Blobs that actors on several workers hold, pass on and release at once: the bytes stay what they are, and the memory goes with
 * the last one. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#include <stdatomic.h>
#include <string.h>

enum { RUNNERS = 16, BATONS = 32, LAPS = 500, BYTES = 300 };

THS_MESSAGE(team, "test.blob_team", 1, list(ref, runners), u32(place))
THS_MESSAGE(baton, "test.blob_baton", 1, blob(load), u32(laps))

static _Atomic uint32_t wrong;
static _Atomic long live; /* blocks of the node's memory */

struct runner {
    ths_ref next[2];
    struct ths_blob *kept;
};

THS_ON(runner, team)
{
    self->next[0] = msg->runners.items[(msg->place + 1) % msg->runners.count];
    self->next[1] = msg->runners.items[(msg->place + 5) % msg->runners.count];
}

static bool is_whole(const struct ths_blob *blob)
{
    const uint8_t *data = ths_blob_data(blob);

    for (uint32_t i = 1; i < BYTES; i++)
        if (data[i] != data[0])
            return false;
    return ths_blob_len(blob) == BYTES;
}

THS_ON(runner, baton)
{
    if (!is_whole(msg->load) || (self->kept && !is_whole(self->kept)))
        atomic_fetch_add(&wrong, 1);
    ths_blob_release(self->kept);
    self->kept = ths_blob_ref(msg->load);
    if (msg->laps > 0)
        (void)ths_tell(ctx, self->next[msg->laps % 2], baton, .load = self->kept, .laps = msg->laps - 1);
    else
        probe_note("home");
}

THS_ON(runner, ths_finally)
{
    ths_blob_release(self->kept);
}

THS_BEHAVIOUR(runner, team, baton, ths_finally)

static void *memory(struct ths_env *env, void *ptr, size_t size)
{
    void *got = ths_env_os()->memory(ths_env_os(), ptr, size);

    (void)env;
    if (!ptr && got)
        atomic_fetch_add(&live, 1);
    if (ptr && size == 0)
        atomic_fetch_sub(&live, 1);
    return got;
}

static void blobs_shared_by_workers_stay_whole_and_go(void **state)
{
    struct ths_env env = *ths_env_os();
    struct ths_node *node;
    ths_ref runners[RUNNERS];

    (void)state;
    probe_reset();
    env.memory = memory;
    node = ths_node_start(&(struct ths_node_options){ .name = "track", .workers = 4, .env = &env });
    assert_non_null(node);
    for (uint32_t i = 0; i < RUNNERS; i++)
        runners[i] = ths_spawn(node, runner);
    for (uint32_t i = 0; i < RUNNERS; i++)
        assert_err(ths_tell(node, runners[i], team, .runners = { runners, RUNNERS }, .place = i), OK);
    for (uint32_t i = 0; i < BATONS; i++) {
        uint8_t bytes[BYTES];
        struct ths_blob *blob;

        memset(bytes, (int)i, sizeof bytes);
        assert_err(ths_blob_new(node, bytes, sizeof bytes, &blob), OK);
        assert_err(ths_tell(node, runners[i % RUNNERS], baton, .load = blob, .laps = LAPS), OK);
        assert_err(ths_tell(node, runners[(i + 1) % RUNNERS], baton, .load = blob, .laps = LAPS + i), OK);
        ths_blob_release(blob);
    }
    probe_wait(2 * BATONS);
    ths_node_stop(node, 1000);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(atomic_load(&live), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(blobs_shared_by_workers_stay_whole_and_go) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
