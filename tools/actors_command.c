/* thiasos actors: the actors of a node, some of them, in some order. */

#include "tools/cli.h"
#include "tools/list.h"
#include "tools/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint32_t actor_count(const struct control_actors_answer *actors)
{
    uint32_t count = actors->refs.count;

    return actors->behaviours.count == count && actors->names.count == count && actors->queued.count == count &&
           actors->incarnations.count == count ? count : 0;
}

/* Which of them are shown, and in which order. One command runs in a process. */
static struct {
    const char *behaviour, *name; /* NULL: any; a name that contains this */
    const char *sort;             /* NULL: as they come; "queued", "incarnation": largest first; "behaviour", "name" */
    unsigned limit;               /* 0: none */
} choice;

static const struct control_actors_answer *sorted; /* for compare_actors */

static bool is_chosen(const struct control_actors_answer *actors, uint32_t i)
{
    return (!choice.behaviour || strcmp(actors->behaviours.items[i], choice.behaviour) == 0) &&
           (!choice.name || strstr(actors->names.items[i], choice.name));
}

static int compare_numbers(uint32_t a, uint32_t b)
{
    return (a < b) - (a > b);
}

static int compare_actors(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = 0;

    if (strcmp(choice.sort, "queued") == 0)
        order = compare_numbers(sorted->queued.items[a], sorted->queued.items[b]);
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
    static const char *const headings[] = { "REF", "BEHAVIOUR", "NAME", "QUEUED", "INCARNATION" };
    const struct control_actors_answer *actors = answer;
    uint32_t count, *rows = choose_actors(actors, &count);
    struct thsi_table *table = rows ? thsi_table_create(headings, 5) : NULL;
    char ref[THS_REF_TEXT_SIZE];

    for (uint32_t row = 0; table && row < count; row++) {
        uint32_t i = rows[row];

        thsi_table_add(table, "%s", ths_ref_print(actors->refs.items[i], ref));
        thsi_table_add(table, "%s", actors->behaviours.items[i]);
        thsi_table_add(table, "%s", actors->names.items[i]);
        thsi_table_add(table, "%" PRIu32, actors->queued.items[i]);
        thsi_table_add(table, "%" PRIu32, actors->incarnations.items[i]);
    }
    free(rows);
    return thsi_table_print(table);
}

static json_t *actor_json(const struct control_actors_answer *actors, uint32_t i)
{
    char ref[THS_REF_TEXT_SIZE];

    return json_pack("{s:s, s:s, s:s, s:I, s:I}", "ref", ths_ref_print(actors->refs.items[i], ref), "behaviour",
                     actors->behaviours.items[i], "name", actors->names.items[i], "queued",
                     (json_int_t)actors->queued.items[i], "incarnation", (json_int_t)actors->incarnations.items[i]);
}

static json_t *actors_json(const void *answer)
{
    uint32_t count, *rows = choose_actors(answer, &count);
    json_t *array = rows ? json_array() : NULL;

    for (uint32_t row = 0; array && row < count; row++)
        if (!thsi_list_add(array, actor_json(answer, rows[row]))) {
            json_decref(array);
            array = NULL;
        }
    free(rows);
    return array;
}

static bool actors_cut(const void *answer)
{
    return ((const struct control_actors_answer *)answer)->cut;
}

static bool is_order(const char *by)
{
    static const char *const orders[] = { "queued", "incarnation", "behaviour", "name" };

    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
        if (strcmp(by, orders[i]) == 0)
            return true;
    return false;
}

int thsi_actors_command(int argc, char **argv)
{
    struct thsi_list_options got = { 0 };
    const struct thsi_option options[] = {
        { "behaviour", THSI_OPTION_TEXT, &choice.behaviour, 0, 0, "NAME", "only actors of this behaviour" },
        { "name", THSI_OPTION_TEXT, &choice.name, 0, 0, "TEXT", "only actors whose name contains this" },
        { "sort", THSI_OPTION_TEXT, &choice.sort, 0, 0, "BY", "queued, incarnation (largest first), behaviour or name" },
        { "limit", THSI_OPTION_NUMBER, &choice.limit, 1, 4096, "N", "show the first N" },
        THSI_WATCH_OPTIONS(got), THSI_SOCKET_OPTION(got), THSI_JSON_OPTION(got),
    };
    const struct thsi_command command = {
        .name = "actors",
        .usage = "[--behaviour NAME] [--name TEXT] [--sort BY] [--limit N] [--socket PATH] [--json]",
        .about = "Show the actors of a node: ref, behaviour, name, messages that wait, and how often it was\n"
                 "started. The node shows at most 4,096, of which these are chosen; when it has more the exit\n"
                 "status is 3.",
        .examples = "  thiasos actors\n  thiasos actors --sort queued --limit 10\n"
                    "  thiasos actors --json --behaviour echo --socket /run/thiasos/a.sock",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
    };
    const struct thsi_list list = { .request = &control_actors_type, .answer = &control_actors_answer_type,
                                    .print = print_actors, .to_json = actors_json, .is_cut = actors_cut };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    if (choice.sort && !is_order(choice.sort))
        return thsi_cli_fail(THSI_EXIT_USAGE, command.name, "--sort %s is not known: actors have no such order; say queued, "
                             "incarnation, behaviour or name", choice.sort);
    return thsi_list_run(&command, &list, &got);
}

