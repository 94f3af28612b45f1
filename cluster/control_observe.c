/* The answers of control_requests.h that take a closer look at the node's work (include/thiasos/observe.h). */

#include "cluster/control_rows.h"

#include "thiasos/cluster.h"
#include "thiasos/observe.h"

#include <stdio.h>

/* ---- Stats ----------------------------------------------------------------------------------- */

struct stats_rows {
    struct thsi_rows rows;
    const char *behaviours[THSI_ROWS_MAX], *types[THSI_ROWS_MAX];
    uint64_t handled[THSI_ROWS_MAX], busy_ns[THSI_ROWS_MAX], busy_max_ns[THSI_ROWS_MAX];
    uint64_t waited[THSI_ROWS_MAX], waited_ns[THSI_ROWS_MAX], waited_max_ns[THSI_ROWS_MAX];
    uint64_t refused[THSI_ROWS_MAX], expired[THSI_ROWS_MAX], crashed[THSI_ROWS_MAX];
};

static void add_stats(void *arg, const struct ths_message_stats *stats)
{
    struct stats_rows *to = arg;
    uint32_t row = to->rows.count;

    if (!thsi_rows_begin(&to->rows))
        return;
    to->behaviours[row] = thsi_rows_text(&to->rows, stats->behaviour);
    to->types[row] = thsi_rows_text(&to->rows, stats->type);
    to->handled[row] = stats->handled;
    to->busy_ns[row] = stats->busy_ns;
    to->busy_max_ns[row] = stats->busy_max_ns;
    to->waited[row] = stats->waited;
    to->waited_ns[row] = stats->waited_ns;
    to->waited_max_ns[row] = stats->waited_max_ns;
    to->refused[row] = stats->refused;
    to->expired[row] = stats->expired;
    to->crashed[row] = stats->crashed;
    thsi_rows_end(&to->rows);
}

enum ths_err thsi_control_answer_stats(struct thsi_control_session *session)
{
    struct stats_rows *to = thsi_rows_create(session, sizeof *to);
    struct control_stats_answer answer;

    if (!to)
        return THS_NOMEM;
    ths_message_stats(session->node, add_stats, to);
    answer = (struct control_stats_answer){
        .cut = to->rows.cut,
        .behaviours = { to->behaviours, to->rows.count },
        .types = { to->types, to->rows.count },
        .handled = { to->handled, to->rows.count },
        .busy_ns = { to->busy_ns, to->rows.count },
        .busy_max_ns = { to->busy_max_ns, to->rows.count },
        .waited = { to->waited, to->rows.count },
        .waited_ns = { to->waited_ns, to->rows.count },
        .waited_max_ns = { to->waited_max_ns, to->rows.count },
        .refused = { to->refused, to->rows.count },
        .expired = { to->expired, to->rows.count },
        .crashed = { to->crashed, to->rows.count },
    };
    return thsi_rows_send(session, to, &control_stats_answer_type, &answer);
}

/* ---- Actors ---------------------------------------------------------------------------------- */

struct actor_rows {
    struct thsi_rows rows;
    ths_ref refs[THSI_ROWS_MAX];
    const char *behaviours[THSI_ROWS_MAX], *names[THSI_ROWS_MAX];
    uint32_t queued[THSI_ROWS_MAX], incarnations[THSI_ROWS_MAX];
    uint64_t bytes[THSI_ROWS_MAX];

    /* Those that are asked for their bytes: which rows. */
    uint32_t asked_count, asked[THSI_ROWS_MAX];
    ths_ref asked_refs[THSI_ROWS_MAX];
    uint64_t asked_bytes[THSI_ROWS_MAX];
};

static void add_actor(void *arg, const struct ths_actor_info *actor)
{
    struct actor_rows *to = arg;
    uint32_t row = to->rows.count;

    if (!thsi_rows_begin(&to->rows))
        return;
    to->refs[row] = actor->ref;
    to->behaviours[row] = thsi_rows_text(&to->rows, actor->behaviour);
    to->names[row] = thsi_rows_text(&to->rows, actor->name);
    to->queued[row] = actor->queued;
    to->incarnations[row] = actor->incarnation;
    to->bytes[row] = actor->queued > 0 && actor->mailbox_bytes == 0 ? THS_BYTES_UNKNOWN : actor->mailbox_bytes;
    thsi_rows_end(&to->rows);
}

/* Ask those in whose mailboxes something waits uncounted. */
static enum ths_err weigh(struct thsi_control_session *session, struct actor_rows *to, unsigned timeout_ms)
{
    enum ths_err err;

    to->asked_count = 0;
    for (uint32_t row = 0; row < to->rows.count; row++)
        if (to->bytes[row] == THS_BYTES_UNKNOWN) {
            to->asked[to->asked_count] = row;
            to->asked_refs[to->asked_count++] = to->refs[row];
        }
    err = ths_mailbox_bytes(session->node, to->asked_refs, to->asked_count, timeout_ms, to->asked_bytes);
    for (uint32_t i = 0; err == THS_OK && i < to->asked_count; i++)
        to->bytes[to->asked[i]] = to->asked_bytes[i];
    return err;
}

static unsigned bounded(uint32_t timeout_ms)
{
    return timeout_ms < THSI_CONTROL_LOOKUP_MS ? timeout_ms : THSI_CONTROL_LOOKUP_MS;
}

enum ths_err thsi_control_answer_actors(struct thsi_control_session *session, const struct control_actors *msg)
{
    struct actor_rows *to = thsi_rows_create(session, sizeof *to);
    struct control_actors_answer answer;

    if (!to)
        return THS_NOMEM;
    ths_node_actors(session->node, THSI_ROWS_MAX + 1, add_actor, to);
    if (msg->weigh)
        (void)weigh(session, to, bounded(msg->timeout_ms)); /* without memory they stay unknown */
    answer = (struct control_actors_answer){
        .cut = to->rows.cut,
        .refs = { to->refs, to->rows.count },
        .behaviours = { to->behaviours, to->rows.count },
        .names = { to->names, to->rows.count },
        .queued = { to->queued, to->rows.count },
        .incarnations = { to->incarnations, to->rows.count },
        .bytes = { to->bytes, to->rows.count },
    };
    return thsi_rows_send(session, to, &control_actors_answer_type, &answer);
}

/* ---- One actor --------------------------------------------------------------------------------- */

struct inspecting {
    struct thsi_control_session *session;
    enum ths_err err; /* of the writing */
};

static uint32_t mark(const struct ths_inspection *it, const char *marks[5])
{
    uint32_t count = 0;

    if (it->traps_exits)
        marks[count++] = "traps exits";
    if (it->drains)
        marks[count++] = "drains";
    if (it->may_block)
        marks[count++] = "may block";
    if (it->own_thread)
        marks[count++] = "has a thread of its own";
    return count;
}

static void answer_inspection(void *arg, const struct ths_inspection *it)
{
    struct inspecting *inspecting = arg;
    const char *timer_types[THS_INSPECT_MAX], *ask_types[THS_INSPECT_MAX], *marks[5];
    uint64_t due_ms[THS_INSPECT_MAX], period_ms[THS_INSPECT_MAX], left_ms[THS_INSPECT_MAX];
    ths_ref targets[THS_INSPECT_MAX];
    const uint32_t counts[] = { it->links.count, it->monitors.count, it->watchers.count, it->timers_count, it->asks_count };
    const struct control_inspect_answer answer = {
        .answered = it->answered, .behaviour = it->behaviour, .name = it->name, .is_handling = it->handling != NULL,
        .handling = it->handling, .handling_ms = it->handling_ms, .phase = (uint8_t)it->phase,
        .incarnation = it->incarnation, .queued = it->queued, .queued_bytes = it->queued_bytes, .capacity = it->capacity,
        .state = it->state, .memory_used = it->memory_used, .memory_max = it->memory_max, .supervisor = it->supervisor,
        .stashed = it->stashed, .requests = it->requests, .marks = { marks, mark(it, marks) },
        .links = { it->links.refs, it->links.shown }, .monitors = { it->monitors.refs, it->monitors.shown },
        .watchers = { it->watchers.refs, it->watchers.shown }, .counts = { counts, 5 },
        .timer_types = { timer_types, it->timers_shown }, .timer_due_ms = { due_ms, it->timers_shown },
        .timer_period_ms = { period_ms, it->timers_shown }, .ask_targets = { targets, it->asks_shown },
        .ask_types = { ask_types, it->asks_shown }, .ask_left_ms = { left_ms, it->asks_shown },
        .last = { it->last, it->last_count },
    };

    for (uint32_t i = 0; i < it->timers_shown; i++) {
        timer_types[i] = it->timers[i].type;
        due_ms[i] = it->timers[i].due_ms;
        period_ms[i] = it->timers[i].period_ms;
    }
    for (uint32_t i = 0; i < it->asks_shown; i++) {
        targets[i] = it->asks[i].to;
        ask_types[i] = it->asks[i].type;
        left_ms[i] = it->asks[i].left_ms;
    }
    inspecting->err = thsi_control_write(&inspecting->session->link, &control_inspect_answer_type, &answer);
}

enum ths_err thsi_control_answer_inspect(struct thsi_control_session *session, const struct control_inspect *msg, bool *refused)
{
    struct inspecting inspecting = { .session = session };
    enum ths_err err = ths_inspect(session->node, msg->to, bounded(msg->timeout_ms), answer_inspection, &inspecting);

    *refused = err != THS_OK && err != THS_TIMEOUT;
    return *refused ? err : inspecting.err;
}

/* ---- Tree ---------------------------------------------------------------------------------------- */

struct tree_rows {
    struct thsi_rows rows;
    struct ths_node *node;
    uint64_t known_uid; /* the node that was looked up last, and its name */
    char known_name[64];
    uint8_t depths[THSI_ROWS_MAX], states[THSI_ROWS_MAX], policies[THSI_ROWS_MAX], strategies[THSI_ROWS_MAX];
    const char *names[THSI_ROWS_MAX], *behaviours[THSI_ROWS_MAX], *nodes[THSI_ROWS_MAX];
    ths_ref refs[THSI_ROWS_MAX];
    uint32_t incarnations[THSI_ROWS_MAX], restarts[THSI_ROWS_MAX], running[THSI_ROWS_MAX], wanted[THSI_ROWS_MAX];
    uint64_t restarts_below[THSI_ROWS_MAX];
    bool supervisors[THSI_ROWS_MAX];
};

static void look_at_member(void *arg, const struct ths_member_info *member)
{
    struct tree_rows *to = arg;

    if (member->uid == to->known_uid)
        (void)snprintf(to->known_name, sizeof to->known_name, "%s", member->name);
}

static const char *name_of_node(struct tree_rows *to, uint64_t uid)
{
    if (uid == ths_node_uid(to->node))
        return ths_node_name(to->node);
    if (uid == 0)
        return "";
    if (uid != to->known_uid) {
        to->known_uid = uid;
        (void)snprintf(to->known_name, sizeof to->known_name, "%016llx", (unsigned long long)uid);
        (void)ths_cluster_members(to->node, look_at_member, to);
    }
    return to->known_name;
}

static void add_tree_row(void *arg, const struct ths_tree_row *shown)
{
    struct tree_rows *to = arg;
    uint32_t row = to->rows.count;

    if (!thsi_rows_begin(&to->rows))
        return;
    to->depths[row] = (uint8_t)shown->depth;
    to->names[row] = thsi_rows_text(&to->rows, shown->child.name);
    to->behaviours[row] = thsi_rows_text(&to->rows, shown->child.behaviour);
    to->refs[row] = shown->child.who;
    to->nodes[row] = thsi_rows_text(&to->rows, name_of_node(to, shown->child.who.node));
    to->states[row] = (uint8_t)shown->child.state;
    to->policies[row] = (uint8_t)shown->child.restart;
    to->incarnations[row] = shown->child.incarnation;
    to->restarts[row] = shown->child.restarts;
    to->supervisors[row] = shown->is_supervisor;
    to->strategies[row] = (uint8_t)shown->strategy;
    to->restarts_below[row] = shown->children.restarts;
    to->running[row] = shown->children.running;
    to->wanted[row] = shown->children.wanted;
    thsi_rows_end(&to->rows);
}

enum ths_err thsi_control_answer_tree(struct thsi_control_session *session)
{
    struct tree_rows *to = thsi_rows_create(session, sizeof *to);
    struct control_tree_answer answer;
    enum ths_err err;

    if (!to)
        return THS_NOMEM;
    to->node = session->node;
    to->known_uid = 0;
    err = ths_tree(session->node, add_tree_row, to);
    if (err != THS_OK) {
        (void)session->link.env->memory(session->link.env, to, 0);
        return err;
    }
    answer = (struct control_tree_answer){
        .cut = to->rows.cut,
        .depths = { to->depths, to->rows.count },
        .names = { to->names, to->rows.count },
        .behaviours = { to->behaviours, to->rows.count },
        .refs = { to->refs, to->rows.count },
        .nodes = { to->nodes, to->rows.count },
        .states = { to->states, to->rows.count },
        .policies = { to->policies, to->rows.count },
        .incarnations = { to->incarnations, to->rows.count },
        .restarts = { to->restarts, to->rows.count },
        .supervisors = { to->supervisors, to->rows.count },
        .strategies = { to->strategies, to->rows.count },
        .restarts_below = { to->restarts_below, to->rows.count },
        .running = { to->running, to->rows.count },
        .wanted = { to->wanted, to->rows.count },
    };
    return thsi_rows_send(session, to, &control_tree_answer_type, &answer);
}
