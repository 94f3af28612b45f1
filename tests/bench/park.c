/* Benches of waking: a worker that sleeps, beside the bare futex; and how long others wait while a handler blocks in every
 * worker. */

#define _GNU_SOURCE

#include "bench.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void futex_wait(atomic_uint *word, unsigned expected)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static void sleep_ns(uint64_t ns)
{
    const struct timespec time = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };

    (void)nanosleep(&time, NULL);
}

enum { TRIPS = 2000, PAUSE_NS = 300000 }; /* a pause in which whoever waits has gone to sleep */

/* ---- futex_rtt: two threads, both asleep in the kernel ---------------------------------------- */

static atomic_uint ball;

static void *other_side(void *arg)
{
    for (unsigned i = 0; i < TRIPS; i++) {
        while (atomic_load(&ball) != 2 * i + 1)
            futex_wait(&ball, 2 * i);
        atomic_store(&ball, 2 * i + 2);
        futex_wake(&ball);
    }
    return arg;
}

static double bare_futex_us(void)
{
    static uint64_t took[TRIPS];
    pthread_t thread;

    atomic_store(&ball, 0);
    if (pthread_create(&thread, NULL, other_side, NULL) != 0)
        bench_die("no thread for futex_rtt");
    for (unsigned i = 0; i < TRIPS; i++) {
        uint64_t begun;

        sleep_ns(PAUSE_NS);
        begun = bench_now_ns();
        atomic_store(&ball, 2 * i + 1);
        futex_wake(&ball);
        while (atomic_load(&ball) != 2 * i + 2)
            futex_wait(&ball, 2 * i + 1);
        took[i] = bench_now_ns() - begun;
    }
    (void)pthread_join(thread, NULL);
    qsort(took, TRIPS, sizeof took[0], by_size);
    return (double)took[TRIPS / 2] / 1e3;
}

/* ---- park_rtt: the same through a parked worker ------------------------------------------------- */

static atomic_uint returned;

THS_MESSAGE(knock, "bench.knock", 1, u32(number))

struct doorkeeper { char none; };

THS_ON(doorkeeper, knock)
{
    atomic_store(&returned, msg->number);
    futex_wake(&returned);
}

THS_BEHAVIOUR(doorkeeper, knock)

void bench_park(const struct bench_options *options)
{
    static uint64_t took[TRIPS];
    struct ths_node *node = bench_node(options, "park");
    ths_ref keeper = ths_spawn(node, doorkeeper);

    atomic_store(&returned, 0);
    for (unsigned i = 1; i <= TRIPS; i++) {
        uint64_t begun;
        unsigned seen;

        sleep_ns(PAUSE_NS);
        begun = bench_now_ns();
        ths_tell(node, keeper, knock, .number = i);
        while ((seen = atomic_load(&returned)) != i)
            futex_wait(&returned, seen);
        took[i - 1] = bench_now_ns() - begun;
    }
    ths_node_stop(node, 1000);
    qsort(took, TRIPS, sizeof took[0], by_size);
    bench_report("park_rtt", (double)took[TRIPS / 2] / 1e3, "us");
    bench_report("futex_rtt", bare_futex_us(), "us");
}

/* ---- blocked_p99: how late others are while a handler blocks in every worker, ms ------------------ */

enum { BLOCK_MS = 200, PROBES = 400 };

static atomic_uint blocking; /* blockers go on while it is 1 */

THS_MESSAGE(block, "bench.block", 1)
THS_MESSAGE(probe, "bench.probe", 1, u64(sent_ns))

struct blocker { char none; };

THS_ON(blocker, block)
{
    sleep_ns(BLOCK_MS * UINT64_C(1000000));
    if (atomic_load(&blocking))
        ths_tell(ctx, ths_self(ctx), block);
}

THS_BEHAVIOUR(blocker, block)

struct bystander {
    uint64_t count;
};

static uint64_t late_ns[PROBES];

THS_ON(bystander, probe)
{
    if (self->count == PROBES)
        return;
    late_ns[self->count++] = bench_now_ns() - msg->sent_ns;
    if (self->count == PROBES)
        bench_done();
}

THS_BEHAVIOUR(bystander, probe)

void bench_blocked(const struct bench_options *options)
{
    struct ths_node *node = bench_node(options, "blocked");
    ths_ref stander = ths_spawn(node, bystander);
    unsigned blockers = options->workers ? options->workers : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);

    atomic_store(&blocking, 1);
    for (unsigned i = 0; i < blockers; i++) {
        ths_ref one = ths_spawn(node, blocker);
        ths_tell(node, one, block);
    }
    for (unsigned i = 0; i < PROBES; i++) {
        sleep_ns(5000000);
        ths_tell(node, stander, probe, .sent_ns = bench_now_ns());
    }
    bench_wait();
    atomic_store(&blocking, 0);
    ths_node_stop(node, 5000);
    qsort(late_ns, PROBES, sizeof late_ns[0], by_size);
    bench_report("blocked_p99", (double)late_ns[PROBES * 99 / 100] / 1e6, "ms");
}
