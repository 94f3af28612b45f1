/* thiasos schema: how a program declares a message, and whether another declaration of it gets along with that. */

#include "tools/cli.h"
#include "tools/control_client.h"
#include "tools/declaration.h"
#include "tools/learn.h"
#include "tools/table.h"

#include "cluster/types_actor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGET_SIZE 512

static const char *control_socket;
static bool as_json;

/* ---- Where declarations come from --------------------------------------------------------- */

/* @word is TYPE or TYPE@NODE: ask the node. */
static int ask_node(const char *word, struct thsi_declaration *out)
{
    const char *at = strchr(word, '@');
    char type[TARGET_SIZE], target[TARGET_SIZE];
    const struct ths_described *described;
    struct thsi_client client;
    ths_ref to;
    int status = thsi_client_open(&client, "schema", control_socket);

    if (status != THSI_EXIT_OK)
        return status;
    (void)snprintf(type, sizeof type, "%.*s", at ? (int)(at - word) : (int)strlen(word), word);
    (void)snprintf(target, sizeof target, "%s%s", THSI_TYPES_ACTOR, at ? at : "");
    status = thsi_client_find(&client, target, &to);
    if (status == THSI_EXIT_OK)
        status = thsi_learn_description(&client, to, type, 0, 0, &described);
    if (status == THSI_EXIT_OK && thsi_declaration_init(out, described) != THS_OK)
        status = thsi_cli_fail(THSI_EXIT_FAILED, "schema", "message type \"%s\": the node's description of it is not understood; "
                               "use the command of the node's version", type);
    thsi_client_close(&client);
    return status;
}

/* @word is a file, or TYPE@NODE. */
static int read_declaration(const char *word, struct thsi_declaration *out)
{
    char why[THSI_DECLARATION_WHY_SIZE];
    FILE *file = fopen(word, "r");
    json_error_t error;
    json_t *object;
    enum ths_err err;

    if (!file && strchr(word, '@'))
        return ask_node(word, out);
    if (!file)
        return thsi_cli_fail(THSI_EXIT_FAILED, "schema", "\"%s\" cannot be read: there is no such file; give a file that schema "
                             "show --json printed, or TYPE@NODE", word);
    object = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    (void)fclose(file);
    err = thsi_declaration_from_json(out, object, why);
    json_decref(object);
    return err == THS_OK ? THSI_EXIT_OK
                         : thsi_cli_fail(THSI_EXIT_FAILED, "schema", "\"%s\" is no declaration: %s; make it again with schema "
                                         "show --json TYPE@NODE", word, object ? why : "it is no JSON");
}

/* ---- show ------------------------------------------------------------------------------- */

static bool print_json(json_t *json)
{
    bool printed = json && json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 && putchar('\n') != EOF;

    json_decref(json);
    return printed;
}

static bool print_declaration(const struct thsi_declaration *declaration)
{
    static const char *const headings[] = { "FIELD", "KIND" };
    const struct ths_type *type = &declaration->description.type;
    struct thsi_table *table = thsi_table_create(headings, 2);
    char kind[THSI_BOUNDED_TEXT_SIZE];

    (void)printf("%s, version %" PRIu32 ", fingerprint %016" PRIx64 "\n", type->name, type->version, thsi_type_fingerprint(type));
    for (uint32_t i = 0; table && i < type->fields_count; i++) {
        thsi_table_add(table, "%s", type->fields[i].name);
        thsi_table_add(table, "%s", thsi_bounded_print(&type->fields[i], kind));
    }
    return thsi_table_print(table);
}

static int show(char **words)
{
    struct thsi_declaration declaration;
    int status = ask_node(words[0], &declaration);

    if (status != THSI_EXIT_OK)
        return status;
    if (!(as_json ? print_json(thsi_declaration_to_json(&declaration)) : print_declaration(&declaration)))
        return thsi_cli_fail(THSI_EXIT_FAILED, "schema", "the declaration is not shown: memory is out; try again");
    return thsi_cli_done(THSI_EXIT_OK, "schema");
}

/* ---- diff ------------------------------------------------------------------------------- */

static const char *change_text(const struct thsi_change *change)
{
    char before[THSI_BOUNDED_TEXT_SIZE], after[THSI_BOUNDED_TEXT_SIZE];

    if (!change->before)
        return "added";
    if (!change->after)
        return "removed";
    return strcmp(thsi_bounded_print(change->before, before), thsi_bounded_print(change->after, after)) == 0 ? "same" : "changed";
}

static json_t *side_json(const struct ths_field *field)
{
    char text[THSI_BOUNDED_TEXT_SIZE];

    return field ? json_string(thsi_bounded_print(field, text)) : json_null();
}

static json_t *changes_json(const struct thsi_changes *changes)
{
    json_t *fields = json_array();

    for (uint32_t i = 0; i < changes->count; i++) {
        const struct thsi_change *change = &changes->of[i];

        (void)json_array_append_new(fields, json_pack(
            "{s:s,s:s,s:o,s:o,s:b,s:s}", "field", change->after ? change->after->name : change->before->name, "change",
            change_text(change), "before", side_json(change->before), "after", side_json(change->after), "safe",
            (int)change->is_safe, "why", change->why));
    }
    return json_pack("{s:b,s:o}", "safe", (int)changes->is_safe, "fields", fields);
}

static bool print_changes(const struct thsi_changes *changes)
{
    static const char *const headings[] = { "FIELD", "CHANGE", "BEFORE", "AFTER", "VERDICT" };
    struct thsi_table *table = thsi_table_create(headings, 5);
    char text[THSI_BOUNDED_TEXT_SIZE];

    for (uint32_t i = 0; table && i < changes->count; i++) {
        const struct thsi_change *change = &changes->of[i];

        thsi_table_add(table, "%s", change->after ? change->after->name : change->before->name);
        thsi_table_add(table, "%s", change_text(change));
        thsi_table_add(table, "%s", change->before ? thsi_bounded_print(change->before, text) : "");
        thsi_table_add(table, "%s", change->after ? thsi_bounded_print(change->after, text) : "");
        thsi_table_add(table, "%s%s%s", change->is_safe ? "safe" : "unsafe", *change->why ? ": " : "", change->why);
    }
    return thsi_table_print(table);
}

static int diff(char **words)
{
    struct thsi_declaration before, after;
    struct thsi_changes changes;
    int status = read_declaration(words[0], &before);

    if (status == THSI_EXIT_OK)
        status = read_declaration(words[1], &after);
    if (status != THSI_EXIT_OK)
        return status;
    thsi_declarations_compare(&before, &after, &changes);
    if (!(as_json ? print_json(changes_json(&changes)) : print_changes(&changes)))
        return thsi_cli_fail(THSI_EXIT_FAILED, "schema", "the changes are not shown: memory is out; try again");
    if (!as_json && strcmp(before.name, after.name) != 0)
        (void)printf("unsafe: %s and %s are different messages\n", before.name, after.name);
    else if (!as_json)
        (void)printf("%s\n", changes.is_safe ? "safe: nodes with either understand each other" : "unsafe");
    return thsi_cli_done(changes.is_safe ? THSI_EXIT_OK : THSI_EXIT_FAILED, "schema");
}

/* ---- The command ------------------------------------------------------------------------ */

int thsi_schema_command(int argc, char **argv)
{
    const struct thsi_option options[] = {
        { "socket", THSI_OPTION_TEXT, &control_socket, 0, 0, "PATH", "the node's control socket; needed if several nodes run" },
        { "json", THSI_OPTION_FLAG, &as_json, 0, 0, NULL, "print JSON; of show, what diff reads" },
    };
    const struct thsi_command command = {
        .name = "schema",
        .usage = "show TYPE[@NODE] | diff BEFORE AFTER",
        .about = "How a message is declared, and whether a change of it is safe.\n\n"
                 "show  print the declaration of message TYPE that the program of NODE has; default: the node asked\n"
                 "diff  compare two: BEFORE and AFTER are files that show --json printed, or TYPE@NODE. Says for each\n"
                 "      field whether nodes with the one and nodes with the other understand each other, both ways.\n"
                 "      Exits with 1 if one is unsafe.\n\n"
                 "Safe are: fields appended at the end, optional ones (opt, list) added or removed anywhere, fields in\n"
                 "another order, a larger bound. A kind that holds more is read by new nodes, and refused by old ones.",
        .examples = "  thiasos schema show --json demo.greet@a >greet.json\n"
                    "  thiasos schema diff greet.json demo.greet@b",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
        .words_min = 1,
        .words_max = 3,
    };
    int first, status, words;
    bool is_show, is_diff;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    words = argc - first - 1;
    is_show = strcmp(argv[first], "show") == 0;
    is_diff = strcmp(argv[first], "diff") == 0;
    if (!is_show && !is_diff)
        return thsi_cli_fail(THSI_EXIT_USAGE, "schema", "unknown word \"%.64s\": declarations can be shown and compared; write "
                             "show or diff", argv[first]);
    if (words != (is_show ? 1 : 2))
        return thsi_cli_fail(THSI_EXIT_USAGE, "schema", "too %s words for schema %s: it takes %d; see thiasos schema --help",
                             words < (is_show ? 1 : 2) ? "few" : "many", argv[first], is_show ? 1 : 2);
    return is_show ? show(argv + first + 1) : diff(argv + first + 1);
}
