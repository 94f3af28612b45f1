/* thiasos members, groups, info: tables that a node keeps anyway. */

#include "tools/cli.h"
#include "tools/list.h"
#include "tools/table.h"

#include "thiasos/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
    json_t *rows = json_array();

    for (uint32_t i = 0; i < member_count(members); i++)
        if (!thsi_list_add(rows, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:b}", "name", members->names.items[i],
                                     "state", state_text(members->states.items[i]), "address",
                                     members->addresses.items[i], "roles", roles_json(members->roles.items[i]), "uid",
                                     hex_json(members->uids.items[i]), "boot", hex_json(members->boots.items[i]),
                                     "incarnation", (json_int_t)members->incarnations.items[i], "rtt_us",
                                     (json_int_t)members->rtts_us.items[i], "self", (int)members->selves.items[i])))
            return NULL;
    return rows;
}

static const char *members_shortfall(const void *answer)
{
    return ((const struct control_members_answer *)answer)->cut ? THSI_LIST_CUT : NULL;
}

int thsi_members_command(int argc, char **argv)
{
    struct thsi_list_options got = { 0 };
    const struct thsi_option options[] = { THSI_SOCKET_OPTION(got), THSI_JSON_OPTION(got) };
    const struct thsi_command command = {
        .name = "members",
        .usage = "[--socket PATH] [--json]",
        .about = "Show the members of the cluster as one node sees them: name (* marks the node asked), state,\n"
                 "address, roles, uid and the time that the last heartbeat took.",
        .examples = "  thiasos members\n  thiasos members --json --socket /run/thiasos/a.sock",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
    };
    const struct thsi_list list = { .request = &control_members_type, .answer = &control_members_answer_type,
                                    .print = print_members, .to_json = members_json, .shortfall = members_shortfall };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    return thsi_list_run(&command, &list, &got);
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
    json_t *rows = json_array();

    for (uint32_t i = 0; i < group_count(groups); i++)
        if (!thsi_list_add(rows, json_pack("{s:s, s:I, s:I}", "group", groups->names.items[i], "members",
                                     (json_int_t)groups->members.items[i], "here",
                                     (json_int_t)groups->local.items[i])))
            return NULL;
    return rows;
}

static const char *groups_shortfall(const void *answer)
{
    return ((const struct control_groups_answer *)answer)->cut ? THSI_LIST_CUT : NULL;
}

int thsi_groups_command(int argc, char **argv)
{
    struct thsi_list_options got = { 0 };
    const struct thsi_option options[] = { THSI_SOCKET_OPTION(got), THSI_JSON_OPTION(got) };
    const struct thsi_command command = {
        .name = "groups",
        .usage = "[--socket PATH] [--json]",
        .about = "Show the process groups known to a node: how many members each has in all, and how many on\n"
                 "this node. Groups of another scope than default are shown as SCOPE/GROUP.",
        .examples = "  thiasos groups\n  thiasos groups --json",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
    };
    const struct thsi_list list = { .request = &control_groups_type, .answer = &control_groups_answer_type,
                                    .print = print_groups, .to_json = groups_json, .shortfall = groups_shortfall };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    return thsi_list_run(&command, &list, &got);
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
    struct thsi_list_options got = { 0 };
    const struct thsi_option options[] = { THSI_SOCKET_OPTION(got), THSI_JSON_OPTION(got) };
    const struct thsi_command command = {
        .name = "info",
        .usage = "[--socket PATH] [--json]",
        .about = "Show a node's name, uid, address and process, and what it has done since its start. Dead\n"
                 "letters are messages that reached nobody, by reason.",
        .examples = "  thiasos info\n  thiasos info --json",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
    };
    const struct thsi_list list = { .request = &control_info_type, .answer = &control_info_answer_type,
                                    .print = print_info, .to_json = info_json };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    return thsi_list_run(&command, &list, &got);
}
