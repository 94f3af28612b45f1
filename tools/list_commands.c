/* thiasos members, groups, actors, info: tables that a node keeps anyway. */

#include "tools/cli.h"
#include "tools/control_client.h"
#include "tools/table.h"

#include "thiasos/cluster.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 10000u

#define SOCKET_OPTION(to)                                                                                        \
    { "socket", THSI_OPTION_TEXT, &(to), 0, 0, "PATH", "the node's control socket; needed if several nodes run" }
#define JSON_OPTION(to) { "json", THSI_OPTION_FLAG, &(to), 0, 0, NULL, "print JSON" }

struct list_options {
    const char *socket;
    bool json;
};

/* ---- What all four do ---------------------------------------------------------------------------- */

/* One kind of table: how to print an answer. */
struct list {
    struct ths_type *request;
    struct ths_type *answer;
    bool (*print)(const void *answer);
    json_t *(*to_json)(const void *answer);
    bool (*is_cut)(const void *answer); /* NULL: never */
};

/* New references are given to the object, NULLs too: then the whole is NULL. */
static bool print_json(json_t *json)
{
    bool printed = json && json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 && putchar('\n') != EOF;

    json_decref(json);
    return printed;
}

static int run_list(const struct thsi_command *command, const struct list *list, const struct list_options *options)
{
    struct thsi_client client;
    const void *answer;
    int status = thsi_client_open(&client, command->name, options->socket);

    if (status != THSI_EXIT_OK)
        return status;
    status = thsi_client_request(&client, list->request, &(char){ 0 }, list->answer, ANSWER_MS,
                                 "the node cannot be looked at", NULL, &answer);
    if (status == THSI_EXIT_OK && !(options->json ? print_json(list->to_json(answer)) : list->print(answer)))
        status = thsi_cli_fail(THSI_EXIT_FAILED, command->name,
                               "the table is not printed: memory or stdout failed; try again");
    if (status == THSI_EXIT_OK && list->is_cut && list->is_cut(answer))
        status = thsi_cli_fail(THSI_EXIT_PARTIAL, command->name,
                               "the table is cut: it has more rows than one answer holds; take it as a sample");
    thsi_client_close(&client);
    return thsi_cli_done(status, command->name);
}

/* Lists of one table that differ in length come from no node of ours. */
static json_t *row_array(void)
{
    return json_array();
}

static bool add_row(json_t *rows, json_t *row)
{
    return row && json_array_append_new(rows, row) == 0;
}

/* ---- Members ------------------------------------------------------------------------------------- */

static uint32_t member_count(const struct control_members_answer *members)
{
    uint32_t count = members->names.count;

    return members->uids.count == count && members->boots.count == count && members->addresses.count == count &&
           members->roles.count == count && members->states.count == count && members->incarnations.count == count &&
           members->rtts_us.count == count && members->selves.count == count ? count : 0;
}

static const char *state_text(uint8_t state)
{
    return state <= THS_MEMBER_LEFT ? ths_member_state_text((enum ths_member_state)state) : "unknown";
}

static bool print_members(const void *answer)
{
    static const char *const headings[] = { "NAME", "STATE", "ADDRESS", "ROLES", "UID", "RTT" };
    const struct control_members_answer *members = answer;
    struct thsi_table *table = thsi_table_create(headings, 6);

    for (uint32_t i = 0; table && i < member_count(members); i++) {
        thsi_table_add(table, "%s%s", members->names.items[i], members->selves.items[i] ? "*" : "");
        thsi_table_add(table, "%s", state_text(members->states.items[i]));
        thsi_table_add(table, "%s", members->addresses.items[i]);
        thsi_table_add(table, "%s", members->roles.items[i]);
        thsi_table_add(table, "%016" PRIx64, members->uids.items[i]);
        if (members->rtts_us.items[i] > 0)
            thsi_table_add(table, "%.1f ms", (double)members->rtts_us.items[i] / 1000);
        else
            thsi_table_add(table, "%s", "");
    }
    return thsi_table_print(table);
}

/* "a,b" as an array. */
static json_t *roles_json(const char *roles)
{
    json_t *array = json_array();

    while (*roles) {
        size_t len = strcspn(roles, ",");

        if (len > 0)
            (void)json_array_append_new(array, json_stringn(roles, len));
        roles += len + (roles[len] == ',');
    }
    return array;
}

static json_t *hex_json(uint64_t value)
{
    char text[17];

    (void)snprintf(text, sizeof text, "%016" PRIx64, value);
    return json_string(text);
}

static json_t *members_json(const void *answer)
{
    const struct control_members_answer *members = answer;
    json_t *rows = row_array();

    for (uint32_t i = 0; i < member_count(members); i++)
        if (!add_row(rows, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:b}", "name", members->names.items[i],
                                     "state", state_text(members->states.items[i]), "address",
                                     members->addresses.items[i], "roles", roles_json(members->roles.items[i]), "uid",
                                     hex_json(members->uids.items[i]), "boot", hex_json(members->boots.items[i]),
                                     "incarnation", (json_int_t)members->incarnations.items[i], "rtt_us",
                                     (json_int_t)members->rtts_us.items[i], "self", (int)members->selves.items[i])))
            return NULL;
    return rows;
}

static bool members_cut(const void *answer)
{
    return ((const struct control_members_answer *)answer)->cut;
}

int thsi_members_command(int argc, char **argv)
{
    struct list_options got = { 0 };
    const struct thsi_option options[] = { SOCKET_OPTION(got.socket), JSON_OPTION(got.json) };
    const struct thsi_command command = {
        .name = "members",
        .usage = "[--socket PATH] [--json]",
        .about = "Show the members of the cluster as one node sees them: name (* marks the node asked), state,\n"
                 "address, roles, uid and the time that the last heartbeat took.",
        .examples = "  thiasos members\n  thiasos members --json --socket /run/thiasos/a.sock",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
    };
    const struct list list = { &control_members_type, &control_members_answer_type, print_members, members_json,
                               members_cut };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    return run_list(&command, &list, &got);
}

/* ---- Groups -------------------------------------------------------------------------------------- */

static uint32_t group_count(const struct control_groups_answer *groups)
{
    uint32_t count = groups->names.count;

    return groups->members.count == count && groups->local.count == count ? count : 0;
}

static bool print_groups(const void *answer)
{
    static const char *const headings[] = { "GROUP", "MEMBERS", "HERE" };
    const struct control_groups_answer *groups = answer;
    struct thsi_table *table = thsi_table_create(headings, 3);

    for (uint32_t i = 0; table && i < group_count(groups); i++) {
        thsi_table_add(table, "%s", groups->names.items[i]);
        thsi_table_add(table, "%" PRIu64, groups->members.items[i]);
        thsi_table_add(table, "%" PRIu64, groups->local.items[i]);
    }
    return thsi_table_print(table);
}

static json_t *groups_json(const void *answer)
{
    const struct control_groups_answer *groups = answer;
    json_t *rows = row_array();

    for (uint32_t i = 0; i < group_count(groups); i++)
        if (!add_row(rows, json_pack("{s:s, s:I, s:I}", "group", groups->names.items[i], "members",
                                     (json_int_t)groups->members.items[i], "here",
                                     (json_int_t)groups->local.items[i])))
            return NULL;
    return rows;
}

static bool groups_cut(const void *answer)
{
    return ((const struct control_groups_answer *)answer)->cut;
}

int thsi_groups_command(int argc, char **argv)
{
    struct list_options got = { 0 };
    const struct thsi_option options[] = { SOCKET_OPTION(got.socket), JSON_OPTION(got.json) };
    const struct thsi_command command = {
        .name = "groups",
        .usage = "[--socket PATH] [--json]",
        .about = "Show the process groups known to a node: how many members each has in all, and how many on\n"
                 "this node. Groups of another scope than default are shown as SCOPE/GROUP.",
        .examples = "  thiasos groups\n  thiasos groups --json",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
    };
    const struct list list = { &control_groups_type, &control_groups_answer_type, print_groups, groups_json,
                               groups_cut };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    return run_list(&command, &list, &got);
}

/* ---- Actors -------------------------------------------------------------------------------------- */

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
    json_t *array = rows ? row_array() : NULL;

    for (uint32_t row = 0; array && row < count; row++)
        if (!add_row(array, actor_json(answer, rows[row]))) {
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
    struct list_options got = { 0 };
    const struct thsi_option options[] = {
        { "behaviour", THSI_OPTION_TEXT, &choice.behaviour, 0, 0, "NAME", "only actors of this behaviour" },
        { "name", THSI_OPTION_TEXT, &choice.name, 0, 0, "TEXT", "only actors whose name contains this" },
        { "sort", THSI_OPTION_TEXT, &choice.sort, 0, 0, "BY", "queued, incarnation (largest first), behaviour or name" },
        { "limit", THSI_OPTION_NUMBER, &choice.limit, 1, 4096, "N", "show the first N" },
        SOCKET_OPTION(got.socket), JSON_OPTION(got.json),
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
    const struct list list = { &control_actors_type, &control_actors_answer_type, print_actors, actors_json,
                               actors_cut };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    if (choice.sort && !is_order(choice.sort))
        return thsi_cli_fail(THSI_EXIT_USAGE, command.name, "--sort %s is not known: actors have no such order; say queued, "
                             "incarnation, behaviour or name", choice.sort);
    return run_list(&command, &list, &got);
}

/* ---- Info ---------------------------------------------------------------------------------------- */

static bool print_info(const void *answer)
{
    const struct control_info_answer *info = answer;

    (void)printf("node       %s\nuid        %016" PRIx64 "\nendpoint   %s\npid        %" PRIu64 "\n", info->node,
                 info->uid, *info->endpoint ? info->endpoint : "-", info->pid);
    (void)printf("actors     %" PRIu64 " alive, %" PRIu64 " spawned, %" PRIu64 " ended, %" PRIu64 " crashed, %" PRIu64
                 " restarted\nmessages   %" PRIu64 " handled\n", info->actors, info->spawned, info->ended,
                 info->crashed, info->restarted, info->messages);
    for (uint32_t i = 0; i < info->dead_letters.count; i++)
        if (info->dead_letters.items[i] > 0)
            (void)printf("dead       %" PRIu64 " letters: %s\n", info->dead_letters.items[i],
                         ths_err_text((enum ths_err)i));
    return true;
}

static json_t *info_json(const void *answer)
{
    const struct control_info_answer *info = answer;
    json_t *dead = json_object();

    for (uint32_t i = 0; i < info->dead_letters.count; i++)
        if (info->dead_letters.items[i] > 0)
            (void)json_object_set_new(dead, ths_err_name((enum ths_err)i),
                                      json_integer((json_int_t)info->dead_letters.items[i]));
    return json_pack("{s:s, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "node", info->node, "uid",
                     hex_json(info->uid), "endpoint", info->endpoint, "pid", (json_int_t)info->pid, "actors",
                     (json_int_t)info->actors, "spawned", (json_int_t)info->spawned, "ended",
                     (json_int_t)info->ended, "crashed", (json_int_t)info->crashed, "restarted",
                     (json_int_t)info->restarted, "messages", (json_int_t)info->messages, "dead_letters", dead);
}

int thsi_info_command(int argc, char **argv)
{
    struct list_options got = { 0 };
    const struct thsi_option options[] = { SOCKET_OPTION(got.socket), JSON_OPTION(got.json) };
    const struct thsi_command command = {
        .name = "info",
        .usage = "[--socket PATH] [--json]",
        .about = "Show a node's name, uid, address and process, and what it has done since its start. Dead\n"
                 "letters are messages that reached nobody, by reason.",
        .examples = "  thiasos info\n  thiasos info --json",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
    };
    const struct list list = { &control_info_type, &control_info_answer_type, print_info, info_json, NULL };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    return run_list(&command, &list, &got);
}
