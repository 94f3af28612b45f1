/* thiasos tree: the supervisors of a node and their children, on whatever node these run. */

#include "tools/cli.h"
#include "tools/list.h"
#include "tools/table.h"

#include "thiasos/supervisor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint32_t row_count(const struct control_tree_answer *tree)
{
    uint32_t count = tree->depths.count;

    return tree->names.count == count && tree->behaviours.count == count && tree->refs.count == count &&
           tree->nodes.count == count && tree->states.count == count && tree->policies.count == count &&
           tree->incarnations.count == count && tree->restarts.count == count && tree->supervisors.count == count &&
           tree->strategies.count == count && tree->restarts_below.count == count && tree->running.count == count &&
           tree->wanted.count == count ? count : 0;
}

static const char *strategy_text(uint8_t strategy)
{
    static const char *const texts[] = { "one_for_one", "one_for_all", "rest_for_one", "dynamic" };

    return strategy <= THS_DYNAMIC ? texts[strategy] : "unknown";
}

/* ---- For people ------------------------------------------------------------------------------------- */

/* Whether row @i is the last child of its supervisor. */
static bool is_last(const struct control_tree_answer *tree, uint32_t i)
{
    for (uint32_t j = i + 1; j < row_count(tree) && tree->depths.items[j] >= tree->depths.items[i]; j++)
        if (tree->depths.items[j] == tree->depths.items[i])
            return false;
    return true;
}

enum { DEPTH_MAX = 32, LABEL_SIZE = 4 * DEPTH_MAX + 80 };

/* "|  `- name": @open tells for each depth whether more children follow there. */
static void draw_label(const struct control_tree_answer *tree, uint32_t i, bool open[DEPTH_MAX], char label[LABEL_SIZE])
{
    unsigned depth = tree->depths.items[i] < DEPTH_MAX ? tree->depths.items[i] : DEPTH_MAX - 1;
    const char *name = *tree->names.items[i] ? tree->names.items[i] : tree->behaviours.items[i];
    size_t used = 0;

    label[0] = '\0';
    for (unsigned at = 1; at < depth; at++)
        used += (size_t)snprintf(label + used, LABEL_SIZE - used, "%s", open[at] ? "|  " : "   ");
    open[depth] = depth > 0 && !is_last(tree, i);
    if (depth > 0)
        used += (size_t)snprintf(label + used, LABEL_SIZE - used, "%s", open[depth] ? "|- " : "`- ");
    (void)snprintf(label + used, LABEL_SIZE - used, "%.64s", name);
}

static bool print_tree(const void *answer)
{
    static const char *const headings[] = { "NAME", "BEHAVIOUR", "STATE", "RESTARTS", "INCARNATION", "POLICY", "CHILDREN", "NODE",
                                            "REF" };
    const struct control_tree_answer *tree = answer;
    struct thsi_table *table = thsi_table_create(headings, 9);
    char label[LABEL_SIZE], ref[THS_REF_TEXT_SIZE];
    bool open[DEPTH_MAX] = { false };

    for (uint32_t i = 0; table && i < row_count(tree); i++) {
        bool is_supervisor = tree->supervisors.items[i], is_root = tree->depths.items[i] == 0;

        draw_label(tree, i, open, label);
        thsi_table_add(table, "%s", label);
        thsi_table_add(table, "%s", is_supervisor ? strategy_text(tree->strategies.items[i]) : tree->behaviours.items[i]);
        thsi_table_add(table, "%s", ths_child_state_text((enum ths_child_state)tree->states.items[i]));
        thsi_table_add(table, "%" PRIu32, tree->restarts.items[i]);
        thsi_table_add(table, "%" PRIu32, tree->incarnations.items[i]);
        thsi_table_add(table, "%s", is_root ? "" : ths_restart_text((enum ths_restart)tree->policies.items[i]));
        if (is_supervisor)
            thsi_table_add(table, "%" PRIu32 "/%" PRIu32 " run, %" PRIu64 " restarts", tree->running.items[i],
                           tree->wanted.items[i], tree->restarts_below.items[i]);
        else
            thsi_table_add(table, "%s", "");
        thsi_table_add(table, "%s", tree->nodes.items[i]);
        thsi_table_add(table, "%s", ths_ref_is_nobody(tree->refs.items[i]) ? "" : ths_ref_print(tree->refs.items[i], ref));
    }
    return thsi_table_print(table);
}

/* ---- As JSON: supervisors hold their children -------------------------------------------------------------- */

static json_t *row_json(const struct control_tree_answer *tree, uint32_t i)
{
    char text[THS_REF_TEXT_SIZE];
    ths_ref ref = tree->refs.items[i];
    const char *state = ths_child_state_text((enum ths_child_state)tree->states.items[i]);
    const char *policy = ths_restart_text((enum ths_restart)tree->policies.items[i]);
    json_t *row = json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:I, s:I}", "name", tree->names.items[i], "behaviour",
                            tree->behaviours.items[i], "ref",
                            ths_ref_is_nobody(ref) ? json_null() : json_string(ths_ref_print(ref, text)), "node",
                            tree->nodes.items[i], "state", state, "policy", policy, "incarnation",
                            (json_int_t)tree->incarnations.items[i], "restarts", (json_int_t)tree->restarts.items[i]);

    if (row && tree->supervisors.items[i]) {
        (void)json_object_set_new(row, "strategy", json_string(strategy_text(tree->strategies.items[i])));
        (void)json_object_set_new(row, "running", json_integer((json_int_t)tree->running.items[i]));
        (void)json_object_set_new(row, "wanted", json_integer((json_int_t)tree->wanted.items[i]));
        (void)json_object_set_new(row, "restarts_below", json_integer((json_int_t)tree->restarts_below.items[i]));
        (void)json_object_set_new(row, "children", json_array());
    }
    return row;
}

static json_t *tree_json(const void *answer)
{
    const struct control_tree_answer *tree = answer;
    json_t *at[DEPTH_MAX + 1] = { json_array() }; /* [n + 1]: children of the last row of depth n; borrowed but for the first */

    for (uint32_t i = 0; at[0] && i < row_count(tree); i++) {
        unsigned depth = tree->depths.items[i] < DEPTH_MAX - 1 ? tree->depths.items[i] : DEPTH_MAX - 1;
        json_t *row = row_json(tree, i);

        if (!at[depth] || !thsi_list_add(at[depth], row)) {
            json_decref(at[0]);
            return NULL;
        }
        at[depth + 1] = json_object_get(row, "children");
    }
    return at[0];
}

static const char *tree_shortfall(const void *answer)
{
    return ((const struct control_tree_answer *)answer)->cut ? THSI_LIST_CUT : NULL;
}

/* ---- The command ------------------------------------------------------------------------------------------- */

int thsi_tree_command(int argc, char **argv)
{
    struct thsi_list_options got = { 0 };
    const struct thsi_option options[] = { THSI_WATCH_OPTIONS(got), THSI_SOCKET_OPTION(got), THSI_JSON_OPTION(got) };
    const struct thsi_command command = {
        .name = "tree",
        .usage = "[--watch SECONDS [--count N]] [--socket PATH] [--json]",
        .about = "Show the supervisors that run on a node, each with its children in the order of their start: the\n"
                 "behaviour, or of a supervisor its strategy; the state (waits, starts, runs, stops, ended); how\n"
                 "often the child came back, and the present incarnation; when it is restarted; of a supervisor\n"
                 "how many children run of how many that should, and their restarts; the node that the child runs\n"
                 "on, and its ref. Children of supervisors on other nodes are shown by those nodes.",
        .examples = "  thiasos tree\n  thiasos tree --watch 1\n  thiasos tree --json --socket /run/thiasos/a.sock",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
    };
    const struct thsi_list list = { .request = &control_tree_type, .answer = &control_tree_answer_type, .print = print_tree,
                                    .to_json = tree_json, .shortfall = tree_shortfall };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    return thsi_list_run(&command, &list, &got);
}
