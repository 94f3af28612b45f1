#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/stage.h"

#include <stdio.h>

enum { SETTLED_MS = 50, JOINED_MS = 5000 };

struct ths_sim *stage;

static void boot(struct ths_node *node, unsigned number, void *arg)
{
    (void)number, (void)arg;
    assert_err(puppet_register(node), OK);
}

static int start(void **state, unsigned nodes)
{
    probe_reset();
    stage = ths_sim_create(.seed = 1, .nodes = nodes, .alone = nodes == 1, .setup = boot);
    *state = stage ? ths_sim_node(stage, 1) : NULL;
    return *state ? 0 : -1;
}

int stage_alone_setup(void **state)
{
    return start(state, 1);
}

int stage_pair_setup(void **state)
{
    int result = start(state, 2);

    if (result == 0)
        stage_run(JOINED_MS);
    return result;
}

int stage_teardown(void **state)
{
    (void)state;
    ths_sim_destroy(stage);
    stage = NULL;
    return 0;
}

void stage_run(uint64_t ms)
{
    ths_sim_run_ms(stage, ms);
}

void stage_settle(void)
{
    stage_run(SETTLED_MS);
}

ths_ref stage_remote_puppet(const char *name)
{
    char at[THS_NAME_SIZE + 8];
    ths_ref ref;

    (void)puppet_spawn(ths_sim_node(stage, 2), name, (struct ths_spawn_options){ .name = name });
    (void)snprintf(at, sizeof at, "%s@n2", name);
    ref = ths_whereis(ths_sim_node(stage, 1), at, 5000);
    assert_false(ths_ref_is_nobody(ref));
    return ref;
}
