/* The tables of control_requests.h that show what the cluster and the node know anyway. Those for a closer look are in
 * control_observe.c. */

#include "cluster/control_rows.h"

#include "thiasos/cluster.h"
#include "thiasos/group.h"

#include <unistd.h>

/* ---- Info ------------------------------------------------------------------------------------ */

enum ths_err thsi_control_answer_info(struct thsi_control_session *session)
{
    struct ths_node_stats stats;
    struct control_info_answer answer;

    ths_node_stats(session->node, &stats);
    answer = (struct control_info_answer){
        .node = ths_node_name(session->node),
        .uid = ths_node_uid(session->node),
        .endpoint = ths_cluster_endpoint(session->node),
        .pid = (uint64_t)getpid(),
        .actors = stats.actors,
        .spawned = stats.spawned,
        .ended = stats.ended,
        .crashed = stats.crashed,
        .restarted = stats.restarted,
        .messages = stats.messages,
        .dead_letters = { stats.dead_letters, sizeof stats.dead_letters / sizeof stats.dead_letters[0] },
    };
    return thsi_control_write(&session->link, &control_info_answer_type, &answer);
}

/* ---- Members --------------------------------------------------------------------------------- */

struct member_rows {
    struct thsi_rows rows;
    const char *names[THSI_ROWS_MAX], *addresses[THSI_ROWS_MAX], *roles[THSI_ROWS_MAX];
    uint64_t uids[THSI_ROWS_MAX], boots[THSI_ROWS_MAX], incarnations[THSI_ROWS_MAX], rtts_us[THSI_ROWS_MAX];
    uint8_t states[THSI_ROWS_MAX];
    bool selves[THSI_ROWS_MAX];
};

static void add_member(void *arg, const struct ths_member_info *member)
{
    struct member_rows *to = arg;
    uint32_t row = to->rows.count;

    if (!thsi_rows_begin(&to->rows))
        return;
    to->names[row] = thsi_rows_text(&to->rows, member->name);
    to->addresses[row] = thsi_rows_text(&to->rows, member->address);
    to->roles[row] = thsi_rows_text(&to->rows, member->roles);
    to->uids[row] = member->uid;
    to->boots[row] = member->boot;
    to->incarnations[row] = member->incarnation;
    to->rtts_us[row] = member->rtt_us;
    to->states[row] = (uint8_t)member->state;
    to->selves[row] = member->self;
    thsi_rows_end(&to->rows);
}

enum ths_err thsi_control_answer_members(struct thsi_control_session *session)
{
    struct member_rows *to = thsi_rows_create(session, sizeof *to);
    struct control_members_answer answer;

    if (!to)
        return THS_NOMEM;
    (void)ths_cluster_members(session->node, add_member, to);
    answer = (struct control_members_answer){
        .cut = to->rows.cut,
        .names = { to->names, to->rows.count },
        .uids = { to->uids, to->rows.count },
        .boots = { to->boots, to->rows.count },
        .addresses = { to->addresses, to->rows.count },
        .roles = { to->roles, to->rows.count },
        .states = { to->states, to->rows.count },
        .incarnations = { to->incarnations, to->rows.count },
        .rtts_us = { to->rtts_us, to->rows.count },
        .selves = { to->selves, to->rows.count },
    };
    return thsi_rows_send(session, to, &control_members_answer_type, &answer);
}

/* ---- Groups ---------------------------------------------------------------------------------- */

struct group_rows {
    struct thsi_rows rows;
    const char *names[THSI_ROWS_MAX];
    uint64_t members[THSI_ROWS_MAX], local[THSI_ROWS_MAX];
};

static void add_group(void *arg, const struct ths_group_info *group)
{
    struct group_rows *to = arg;
    uint32_t row = to->rows.count;

    if (!thsi_rows_begin(&to->rows))
        return;
    to->names[row] = thsi_rows_text(&to->rows, group->name);
    to->members[row] = group->members;
    to->local[row] = group->members_local;
    thsi_rows_end(&to->rows);
}

enum ths_err thsi_control_answer_groups(struct thsi_control_session *session)
{
    struct group_rows *to = thsi_rows_create(session, sizeof *to);
    struct control_groups_answer answer;

    if (!to)
        return THS_NOMEM;
    ths_groups(session->node, add_group, to);
    answer = (struct control_groups_answer){
        .cut = to->rows.cut,
        .names = { to->names, to->rows.count },
        .members = { to->members, to->rows.count },
        .local = { to->local, to->rows.count },
    };
    return thsi_rows_send(session, to, &control_groups_answer_type, &answer);
}
