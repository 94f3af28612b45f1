/* thiasos-parity: runs the parity workloads and prints their table. */

#include "parity.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static const struct workload {
    const char *ids;
    void (*run)(const struct bench_options *options);
} workloads[] = {
    { "W1 W2 W5 W7 W10 W24", parity_lives },
    { "W8", parity_trees },
    { "W3 W4 W11 W18 W21 W23", parity_streams },
    { "W6 W9 W12 W13 W14 W15 W25", parity_circles },
    { "W16 W17", parity_asks },
    { "W19 W20", parity_clocks },
    { "W22", parity_wire },
};
enum { WORKLOADS = sizeof workloads / sizeof workloads[0] };

static void print(const char *id, const char *figures, const char *format, va_list args)
{
    char what[128];

    (void)vsnprintf(what, sizeof what, format, args);
    (void)printf("%-4s %-58s %s\n", id, what, figures);
    (void)fflush(stdout);
}

void parity_row(const char *id, uint64_t count, const char *unit, uint64_t took_ns, const char *format, ...)
{
    char figures[128];
    va_list args;

    (void)snprintf(figures, sizeof figures, "%12.1f %14.0f   %-10s", (double)took_ns / (double)count,
                   (double)count * 1e9 / (double)(took_ns ? took_ns : 1), unit);
    va_start(args, format);
    print(id, figures, format, args);
    va_end(args);
}

void parity_bytes(const char *id, uint64_t count, const char *unit, double bytes, const char *format, ...)
{
    char figures[128];
    va_list args;

    (void)snprintf(figures, sizeof figures, "%12.1f %14s   bytes/%s", bytes / (double)count, "", unit);
    va_start(args, format);
    print(id, figures, format, args);
    va_end(args);
}

/* What a node that does nothing costs: CPU time of a second in which nobody asks it for anything. */
static void idle_row(const struct bench_options *options)
{
    struct ths_node *node = bench_node(options, "idle");
    const struct timespec second = { .tv_sec = 1 };
    struct rusage before, after;

    (void)getrusage(RUSAGE_SELF, &before);
    (void)nanosleep(&second, NULL);
    (void)getrusage(RUSAGE_SELF, &after);
    ths_node_stop(node, 1000);
    (void)printf("%-4s %-58s %11.2f%% of a core; peak resident memory %ld MiB\n", "-", "an idle node, for a second",
                 (double)((after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) *
                              1000000 +
                          after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
                          before.ru_stime.tv_usec) / 1e4,
                 after.ru_maxrss / 1024);
}

static void usage(FILE *out)
{
    (void)fprintf(out, "usage: thiasos-parity [--only ID] [--workers N] [--quick]\n\n"
                       "Runs the workloads by which other actor libraries measure themselves and prints one table.\n"
                       "Those that share their setting run together:\n");
    for (unsigned i = 0; i < WORKLOADS; i++)
        (void)fprintf(out, "  %s\n", workloads[i].ids);
    (void)fprintf(out, "\n  --workers N  threads that run actors (default: one for each CPU)\n"
                       "  --quick      a tenth of the work\n");
}

static bool holds(const char *ids, const char *id)
{
    const char *at = strstr(ids, id);
    size_t len = strlen(id);

    while (at && at[len] != ' ' && at[len] != '\0')
        at = strstr(at + len, id);
    return at != NULL;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        { "only", required_argument, NULL, 'o' }, { "workers", required_argument, NULL, 'w' },
        { "quick", no_argument, NULL, 'q' },      { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
    };
    struct bench_options options = { .workers = 0 };
    const char *only = NULL;
    bool found = false;
    int option;

    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (option) {
        case 'o': only = optarg; break;
        case 'w': options.workers = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'q': options.quick = true; break;
        case 'h': usage(stdout); return 0;
        default: usage(stderr); return 2;
        }
    }
    ths_env_os_log(THS_LOG_ERROR, false);
    (void)printf("%-4s %-58s %12s %14s   %s\n", "id", "workload", "ns each", "a second", "unit");
    for (unsigned i = 0; i < WORKLOADS; i++) {
        if (only && !holds(workloads[i].ids, only))
            continue;
        found = true;
        workloads[i].run(&options);
    }
    if (!found)
        bench_die("there is no workload %s; --help lists them", only);
    if (!only)
        idle_row(&options);
    return 0;
}
