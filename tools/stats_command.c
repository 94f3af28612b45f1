/* thiasos stats: counters of a node for each behaviour and message type. */

#include "tools/cli.h"
#include "tools/list.h"
#include "tools/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Which rows, and in which order ---------------------------------------------------------------- */

/* One command runs in a process. */
static struct {
    const char *behaviour, *type; /* NULL: any; a type that contains this */
    const char *sort;
    unsigned limit;               /* 0: none */
} choice;

static uint32_t row_count(const struct control_stats_answer *stats)
{
    uint32_t count = stats->behaviours.count;

    return stats->types.count == count && stats->handled.count == count && stats->busy_ns.count == count &&
           stats->busy_max_ns.count == count && stats->waited.count == count && stats->waited_ns.count == count &&
           stats->waited_max_ns.count == count && stats->refused.count == count && stats->expired.count == count &&
           stats->crashed.count == count ? count : 0;
}

static uint64_t mean(uint64_t sum, uint64_t count)
{
    return count > 0 ? sum / count : 0;
}

/* What rows are sorted by, largest first; "name" is none of these. */
static const char *const orders[] = { "busy", "handled", "mean", "wait", "refused", "expired", "crashed", "name" };

static uint64_t weight(const struct control_stats_answer *stats, uint32_t i)
{
    switch (choice.sort ? choice.sort[0] : 'b') {
    case 'h': return stats->handled.items[i];
    case 'm': return mean(stats->busy_ns.items[i], stats->handled.items[i]);
    case 'w': return mean(stats->waited_ns.items[i], stats->waited.items[i]);
    case 'r': return stats->refused.items[i];
    case 'e': return stats->expired.items[i];
    case 'c': return stats->crashed.items[i];
    case 'n': return 0;
    default: return stats->busy_ns.items[i];
    }
}

static const struct control_stats_answer *sorted; /* for compare_rows */

static int compare_rows(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    uint64_t first = weight(sorted, a), second = weight(sorted, b);
    int order = strcmp(sorted->behaviours.items[a], sorted->behaviours.items[b]);

    if (first != second)
        return first < second ? 1 : -1;
    return order ? order : strcmp(sorted->types.items[a], sorted->types.items[b]);
}

/* The rows to show, in their order (gives: free); *@count of them. NULL: memory is out. */
static uint32_t *choose_rows(const struct control_stats_answer *stats, uint32_t *count)
{
    uint32_t *rows = malloc((row_count(stats) + 1) * sizeof *rows);

    *count = 0;
    for (uint32_t i = 0; rows && i < row_count(stats); i++)
        if ((!choice.behaviour || strcmp(stats->behaviours.items[i], choice.behaviour) == 0) &&
            (!choice.type || strstr(stats->types.items[i], choice.type)))
            rows[(*count)++] = i;
    sorted = stats;
    if (rows)
        qsort(rows, *count, sizeof *rows, compare_rows);
    if (choice.limit > 0 && *count > choice.limit)
        *count = choice.limit;
    return rows;
}

/* ---- Rates ------------------------------------------------------------------------------------------ */

/* What was handled when the table was shown last, to say how much it is a second. */
static struct {
    struct seen {
        char *behaviour, *type;
        uint64_t handled;
    } *rows;
    uint32_t count;
    double at_s;
} last;

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Keep @stats for the next time. Without memory there are no rates next time. */
static void keep(const struct control_stats_answer *stats, double at_s)
{
    for (uint32_t i = 0; i < last.count; i++) {
        free(last.rows[i].behaviour);
        free(last.rows[i].type);
    }
    free(last.rows);
    last.rows = calloc(row_count(stats) + 1, sizeof *last.rows);
    last.count = last.rows ? row_count(stats) : 0;
    last.at_s = at_s;
    for (uint32_t i = 0; i < last.count; i++)
        last.rows[i] = (struct seen){ strdup(stats->behaviours.items[i]), strdup(stats->types.items[i]), stats->handled.items[i] };
}

/* Messages a second since the last time; below 0: unknown. */
static double rate_of(const struct control_stats_answer *stats, uint32_t i, double at_s)
{
    for (uint32_t j = 0; j < last.count; j++) {
        const struct seen *seen = &last.rows[j];

        if (seen->behaviour && seen->type && strcmp(seen->behaviour, stats->behaviours.items[i]) == 0 &&
            strcmp(seen->type, stats->types.items[i]) == 0)
            return at_s > last.at_s && stats->handled.items[i] >= seen->handled
                       ? (double)(stats->handled.items[i] - seen->handled) / (at_s - last.at_s) : -1;
    }
    return -1;
}

/* ---- Printing ---------------------------------------------------------------------------------------- */

static void add_time(struct thsi_table *table, bool known, uint64_t ns)
{
    char text[THSI_TIME_SIZE];

    thsi_table_add(table, "%s", known ? thsi_time_text(ns, text) : "");
}

static void add_row(struct thsi_table *table, const struct control_stats_answer *stats, uint32_t i, double at_s)
{
    uint64_t handled = stats->handled.items[i], waited = stats->waited.items[i];
    bool rest = !*stats->behaviours.items[i];
    double rate = rate_of(stats, i, at_s);

    thsi_table_add(table, "%s", rest ? "(others)" : stats->behaviours.items[i]);
    thsi_table_add(table, "%s", stats->types.items[i]);
    thsi_table_add(table, "%" PRIu64, handled);
    if (rate < 0)
        thsi_table_add(table, "%s", "");
    else
        thsi_table_add(table, "%.1f", rate);
    add_time(table, handled > 0, stats->busy_ns.items[i]);
    add_time(table, handled > 0, mean(stats->busy_ns.items[i], handled));
    add_time(table, handled > 0, stats->busy_max_ns.items[i]);
    add_time(table, waited > 0, mean(stats->waited_ns.items[i], waited));
    add_time(table, waited > 0, stats->waited_max_ns.items[i]);
    thsi_table_add(table, "%" PRIu64, stats->refused.items[i]);
    thsi_table_add(table, "%" PRIu64, stats->expired.items[i]);
    thsi_table_add(table, "%" PRIu64, stats->crashed.items[i]);
}

static bool print_stats(const void *answer)
{
    static const char *const headings[] = { "BEHAVIOUR", "TYPE", "HANDLED", "PER S", "BUSY", "MEAN", "MAX", "WAIT", "WAIT MAX",
                                            "REFUSED", "EXPIRED", "CRASHED" };
    const struct control_stats_answer *stats = answer;
    uint32_t count, *rows = choose_rows(stats, &count);
    struct thsi_table *table = rows ? thsi_table_create(headings, sizeof headings / sizeof headings[0]) : NULL;
    double at_s = now_s();

    for (uint32_t row = 0; table && row < count; row++)
        add_row(table, stats, rows[row], at_s);
    keep(stats, at_s);
    free(rows);
    return thsi_table_print(table);
}

static json_t *row_json(const void *answer, uint32_t i)
{
    const struct control_stats_answer *stats = answer;

    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "behaviour", stats->behaviours.items[i],
                     "type", stats->types.items[i], "handled", (json_int_t)stats->handled.items[i], "busy_ns",
                     (json_int_t)stats->busy_ns.items[i], "busy_max_ns", (json_int_t)stats->busy_max_ns.items[i], "waited",
                     (json_int_t)stats->waited.items[i], "waited_ns", (json_int_t)stats->waited_ns.items[i],
                     "waited_max_ns", (json_int_t)stats->waited_max_ns.items[i], "refused",
                     (json_int_t)stats->refused.items[i], "expired", (json_int_t)stats->expired.items[i], "crashed",
                     (json_int_t)stats->crashed.items[i]);
}

static json_t *stats_json(const void *answer)
{
    uint32_t count, *rows = choose_rows(answer, &count);

    return thsi_list_json(answer, rows, count, row_json);
}

static const char *stats_shortfall(const void *answer)
{
    return ((const struct control_stats_answer *)answer)->cut ? THSI_LIST_CUT : NULL;
}

/* ---- The command -------------------------------------------------------------------------------------- */

int thsi_stats_command(int argc, char **argv)
{
    struct thsi_list_options got = { 0 };
    const struct thsi_option options[] = {
        { "behaviour", THSI_OPTION_TEXT, &choice.behaviour, 0, 0, "NAME", "only this behaviour" },
        { "type", THSI_OPTION_TEXT, &choice.type, 0, 0, "TEXT", "only message types whose name contains this" },
        { "sort", THSI_OPTION_TEXT, &choice.sort, 0, 0, "BY",
          "busy (default), handled, mean, wait, refused, expired, crashed (largest first) or name" },
        { "limit", THSI_OPTION_NUMBER, &choice.limit, 1, 4096, "N", "show the first N" },
        THSI_WATCH_OPTIONS(got), THSI_SOCKET_OPTION(got), THSI_JSON_OPTION(got),
    };
    const struct thsi_command command = {
        .name = "stats",
        .usage = "[--behaviour NAME] [--type TEXT] [--sort BY] [--limit N] [--watch SECONDS [--count N]]\n"
                 "                     [--socket PATH] [--json]",
        .about = "Show what the messages of each type have cost each behaviour of a node since its start: how many\n"
                 "were handled, and with --watch how many a second since the table before; the time in handlers in\n"
                 "all, in the mean and at most; the time from the sending until they were taken up, in the mean and\n"
                 "at most; how many were refused (no handler, or quarantined), came too late, or crashed their\n"
                 "handler. Times are estimates by samples: of the first messages each, then one in 256 for handlers\n"
                 "and one in 128 for the way. - is unknown.",
        .examples = "  thiasos stats\n  thiasos stats --sort wait --limit 10 --watch 2\n"
                    "  thiasos stats --json --behaviour echo",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
    };
    const struct thsi_list list = { .request = &control_stats_type, .answer = &control_stats_answer_type,
                                    .print = print_stats, .to_json = stats_json, .shortfall = stats_shortfall };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    if (choice.sort && !thsi_list_is_one(choice.sort, orders, sizeof orders / sizeof orders[0]))
        return thsi_cli_fail(THSI_EXIT_USAGE, command.name, "--sort %s is not known: counters have no such order; say busy, "
                             "handled, mean, wait, refused, expired, crashed or name", choice.sort);
    return thsi_list_run(&command, &list, &got);
}
