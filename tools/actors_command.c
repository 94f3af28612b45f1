/* thiasos actors: the actors of a node, some of them, in some order. */

#include "tools/cli.h"
#include "tools/list.h"
#include "tools/table.h"

#include "thiasos/observe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint32_t actor_count(const struct control_actors_answer *actors)
{
    uint32_t count = actors->refs.count;

    return actors->behaviours.count == count && actors->names.count == count && actors->queued.count == count &&
           actors->incarnations.count == count && actors->bytes.count == count ? count : 0;
}

/* Which of them are shown, and in which order. One command runs in a process. */
static struct {
    const char *behaviour, *name; /* NULL: any; a name that contains this */
    const char *sort;             /* NULL: as they come; one of `orders` */
    unsigned limit;               /* 0: none */
    bool bytes;                   /* show them */
} choice;

static const char *const orders[] = { "queued", "depth", "bytes", "incarnation", "behaviour", "name" };

static const struct control_actors_answer *sorted; /* for compare_actors */

static bool is_chosen(const struct control_actors_answer *actors, uint32_t i)
{
    return (!choice.behaviour || strcmp(actors->behaviours.items[i], choice.behaviour) == 0) &&
           (!choice.name || strstr(actors->names.items[i], choice.name));
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

static int compare_actors(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = 0;

    if (strcmp(choice.sort, "queued") == 0 || strcmp(choice.sort, "depth") == 0)
        order = compare_numbers(sorted->queued.items[a], sorted->queued.items[b]);
    else if (strcmp(choice.sort, "bytes") == 0) /* the unknown ones first: they are busy */
        order = compare_numbers(sorted->bytes.items[a], sorted->bytes.items[b]);
    else if (strcmp(choice.sort, "incarnation") == 0)
        order = compare_numbers(sorted->incarnations.items[a], sorted->incarnations.items[b]);
    else if (strcmp(choice.sort, "behaviour") == 0)
        order = strcmp(sorted->behaviours.items[a], sorted->behaviours.items[b]);
    else
        order = strcmp(sorted->names.items[a], sorted->names.items[b]);
    return order ? order : (a > b) - (a < b); /* else as they came */
}

/* The rows to show, in their order (gives: free); *@count of them. NULL: memory is out. */
static uint32_t *choose_actors(const struct control_actors_answer *actors, uint32_t *count)
{
    uint32_t *rows = malloc((actor_count(actors) + 1) * sizeof *rows);

    *count = 0;
    for (uint32_t i = 0; rows && i < actor_count(actors); i++)
        if (is_chosen(actors, i))
            rows[(*count)++] = i;
    sorted = actors;
    if (rows && choice.sort)
        qsort(rows, *count, sizeof *rows, compare_actors);
    if (choice.limit > 0 && *count > choice.limit)
        *count = choice.limit;
    return rows;
}

static bool print_actors(const void *answer)
{
    static const char *const headings[] = { "REF", "BEHAVIOUR", "NAME", "QUEUED", "INCARNATION", "BYTES" };
    const struct control_actors_answer *actors = answer;
    uint32_t count, *rows = choose_actors(actors, &count);
    struct thsi_table *table = rows ? thsi_table_create(headings, choice.bytes ? 6 : 5) : NULL;
    char ref[THS_REF_TEXT_SIZE];

    for (uint32_t row = 0; table && row < count; row++) {
        uint32_t i = rows[row];

        thsi_table_add(table, "%s", ths_ref_print(actors->refs.items[i], ref));
        thsi_table_add(table, "%s", actors->behaviours.items[i]);
        thsi_table_add(table, "%s", actors->names.items[i]);
        thsi_table_add(table, "%" PRIu32, actors->queued.items[i]);
        thsi_table_add(table, "%" PRIu32, actors->incarnations.items[i]);
        if (choice.bytes && actors->bytes.items[i] == THS_BYTES_UNKNOWN)
            thsi_table_add(table, "%s", "");
        else if (choice.bytes)
            thsi_table_add(table, "%" PRIu64, actors->bytes.items[i]);
    }
    free(rows);
    return thsi_table_print(table);
}

static json_t *actor_json(const void *answer, uint32_t i)
{
    const struct control_actors_answer *actors = answer;
    char ref[THS_REF_TEXT_SIZE];
    json_t *row = json_pack("{s:s, s:s, s:s, s:I, s:I}", "ref", ths_ref_print(actors->refs.items[i], ref), "behaviour",
                     actors->behaviours.items[i], "name", actors->names.items[i], "queued",
                     (json_int_t)actors->queued.items[i], "incarnation", (json_int_t)actors->incarnations.items[i]);

    if (row && choice.bytes)
        (void)json_object_set_new(row, "bytes", actors->bytes.items[i] == THS_BYTES_UNKNOWN
                                                    ? json_null() : json_integer((json_int_t)actors->bytes.items[i]));
    return row;
}

static json_t *actors_json(const void *answer)
{
    uint32_t count, *rows = choose_actors(answer, &count);

    return thsi_list_json(answer, rows, count, actor_json);
}

static const char *actors_shortfall(const void *answer)
{
    return ((const struct control_actors_answer *)answer)->cut ? THSI_LIST_CUT : NULL;
}

int thsi_actors_command(int argc, char **argv)
{
    static struct control_actors request = { .timeout_ms = 200 };
    struct thsi_list_options got = { 0 };
    const struct thsi_option options[] = {
        { "behaviour", THSI_OPTION_TEXT, &choice.behaviour, 0, 0, "NAME", "only actors of this behaviour" },
        { "name", THSI_OPTION_TEXT, &choice.name, 0, 0, "TEXT", "only actors whose name contains this" },
        { "sort", THSI_OPTION_TEXT, &choice.sort, 0, 0, "BY",
          "depth (or queued), bytes, incarnation (largest first), behaviour or name" },
        { "bytes", THSI_OPTION_FLAG, &choice.bytes, 0, 0, NULL, "ask them how many bytes wait in their mailboxes" },
        { "timeout", THSI_OPTION_NUMBER, &request.timeout_ms, 1, 2000, "MS", "how long they have to say so; default 200" },
        { "limit", THSI_OPTION_NUMBER, &choice.limit, 1, 4096, "N", "show the first N" },
        THSI_WATCH_OPTIONS(got), THSI_SOCKET_OPTION(got), THSI_JSON_OPTION(got),
    };
    const struct thsi_command command = {
        .name = "actors",
        .usage = "[--behaviour NAME] [--name TEXT] [--sort BY] [--limit N] [--bytes [--timeout MS]]\n"
                 "                      [--watch SECONDS [--count N]] [--socket PATH] [--json]",
        .about = "Show the actors of a node: ref, behaviour, name, messages that wait, and how often it was\n"
                 "started. The node shows at most 4,096, of which these are chosen; when it has more the exit\n"
                 "status is 3. --bytes, or --sort bytes, asks each actor that has messages for the memory that these\n"
                 "take; - is one that did not answer in time.",
        .examples = "  thiasos actors\n  thiasos actors --sort depth --limit 10 --watch 2\n  thiasos actors --sort bytes\n"
                    "  thiasos actors --json --behaviour echo --socket /run/thiasos/a.sock",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
    };
    const struct thsi_list list = { .request = &control_actors_type, .message = &request,
                                    .answer = &control_actors_answer_type,
                                    .print = print_actors, .to_json = actors_json, .shortfall = actors_shortfall };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    if (choice.sort && !thsi_list_is_one(choice.sort, orders, sizeof orders / sizeof orders[0]))
        return thsi_cli_fail(THSI_EXIT_USAGE, command.name, "--sort %s is not known: actors have no such order; say depth, "
                             "queued, bytes, incarnation, behaviour or name", choice.sort);
    choice.bytes = choice.bytes || (choice.sort && strcmp(choice.sort, "bytes") == 0);
    request.weigh = choice.bytes;
    return thsi_list_run(&command, &list, &got);
}

