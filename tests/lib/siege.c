#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/os_env.h"
#include "tests/lib/siege.h"

#include "cluster/root.h"
#include "node/node.h"
#include "tests/lib/puppet.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct siege siege;

static struct ths_node *start(const char *name, const char *seeds)
{
    struct ths_node *started = ths_node_start(&(struct ths_node_options){ .name = name, .workers = 1 });

    assert_non_null(started);
    /* Slow to suspect: a test that floods is not about that. */
    assert_int_equal(ths_cluster_join(started, &(struct ths_cluster_options){ .bind = "tcp://127.0.0.1:0",
                                                                              .seeds = seeds,
                                                                              .suspect_ms = 20000 },
                                      NULL, 0),
                     THS_OK);
    return started;
}

static const char *seed(void)
{
    return ths_cluster_endpoint(siege.node) + strlen("tcp://");
}

int siege_begin(void **state)
{
    (void)state;
    probe_reset();
    siege.node = start("a", "");
    siege.other = start("b", seed());
    siege.alice = puppet_spawn(siege.node, "alice", (struct ths_spawn_options){ .name = "alice" });
    siege.bob = puppet_spawn(siege.other, "bob", (struct ths_spawn_options){ .name = "bob" });
    siege_members_are_served();
    siege.forger = calloc(1, sizeof *siege.forger);
    assert_non_null(siege.forger);
    forger_init(siege.forger, "mallory", 0x666);
    siege.before_kib = siege_resident_kib();
    return 0;
}

/* A node that was not there before finds its way in, and is found. */
static void new_member_joins(void)
{
    struct ths_node *third = start("c", seed());
    ths_ref carol = puppet_spawn(third, "carol", (struct ths_spawn_options){ .name = "carol" });

    assert_true(ths_ref_equal(ths_whereis(third, "alice@a", SIEGE_LIMIT_MS), siege.alice));
    assert_true(ths_ref_equal(ths_whereis(siege.node, "carol@c", SIEGE_LIMIT_MS), carol));
    ths_node_stop(third, 1000);
}

int siege_end(void **state)
{
    (void)state;
    siege_members_are_served();
    siege_memory_is_flat();
    new_member_joins();
    forger_fini(siege.forger);
    free(siege.forger);
    ths_node_stop(siege.other, 1000);
    ths_node_stop(siege.node, 1000);
    return 0;
}

unsigned siege_port(void)
{
    return (unsigned)atoi(strrchr(ths_cluster_endpoint(siege.node), ':') + 1);
}

void siege_members_are_served(void)
{
    assert_true(ths_ref_equal(ths_whereis(siege.node, "bob@b", SIEGE_LIMIT_MS), siege.bob));
}

void siege_forger_joins(void)
{
    assert_int_equal(forger_dial(siege.forger, siege_port()), THS_OK);
}

uint64_t siege_closed_for(enum ths_err err)
{
    return atomic_load(&thsi_cluster_of(siege.node)->driver->closed_for[err]);
}

void siege_await_closed_for(enum ths_err err, uint64_t count)
{
    uint64_t until_ms = os_now_ms() + SIEGE_LIMIT_MS;

    while (siege_closed_for(err) < count) {
        if (os_now_ms() > until_ms)
            fail_msg("not %u links were closed for %s", (unsigned)count, ths_err_name(err));
        (void)sched_yield();
    }
}

unsigned siege_raise_files(void)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return (unsigned)limit.rlim_cur;
}

size_t siege_resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size, resident;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    (void)fclose(file);
    return resident * 4;
}

void siege_memory_is_flat(void)
{
    size_t now_kib = siege_resident_kib();

    if (now_kib > siege.before_kib + SIEGE_FLAT_KIB)
        fail_msg("memory grew by %u KiB", (unsigned)(now_kib - siege.before_kib));
}
