/* A node that is declared dead while it lives: its process, stopped and continued, learns of it and ends with a status
 * of its own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/buried.h"

struct lookout { char none; };
THS_MESSAGE(look, "test.look", 1)

THS_ON(lookout, look)
{
    assert_int_equal(ths_watch_members(ctx), THS_OK);
}

THS_ON(lookout, ths_member)
{
    if (strcmp(msg->name, "b") == 0 && (msg->state == THS_MEMBER_UP || msg->state == THS_MEMBER_DEAD))
        probe_note("b %s", ths_member_state_text((enum ths_member_state)msg->state));
}

THS_BEHAVIOUR(lookout, look, ths_member)

static struct ths_node *start_node(const char *name, const char *seeds)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = name, .workers = 1 });
    enum ths_err err = ths_cluster_join(node, &(struct ths_cluster_options){ .bind = "tcp://127.0.0.1:0",
                                                                             .seeds = seeds,
                                                                             .heartbeat_ms = 50,
                                                                             .suspect_ms = 300,
                                                                             .bury_ms = 300,
                                                                             .bury_exits = true },
                                        NULL, 0);

    return err == THS_OK ? node : NULL;
}

/* The other process: a node with an actor that would go on for ever, and a main that waits for it. */
static int live_as_b(int pipe_end)
{
    char seeds[64];
    struct ths_node *node;
    ths_ref ref;

    if (read(pipe_end, seeds, sizeof seeds) != sizeof seeds)
        return 1;
    node = start_node("b", seeds);
    if (!node)
        return 2;
    ref = ths_spawn(node, lookout);
    return ths_wait(node, ref);
}

static void living_node_that_was_buried_ends_its_process_with_its_own_status(void **state)
{
    char seeds[64] = "";
    struct ths_node *node;
    int ends[2], status;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork(); /* before there is any thread */
    if (child == 0)
        exit(live_as_b(ends[0]));
    node = start_node("a", "");
    assert_non_null(node);
    ths_spawn(node, lookout, .start = THS_MSG(look));
    (void)snprintf(seeds, sizeof seeds, "%s", ths_cluster_endpoint(node) + strlen("tcp://"));
    assert_int_equal(write(ends[1], seeds, sizeof seeds), sizeof seeds);
    probe_wait(1);
    assert_int_equal(kill(child, SIGSTOP), 0);
    assert_noted("b up\nb dead\n");
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), THSI_BURIED_STATUS);
    ths_node_stop(node, 1000);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(living_node_that_was_buried_ends_its_process_with_its_own_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
