/* The tables of control_requests.h: rows are copied while they are visited, then sent as one message. A table has at
 * most THSI_ROWS_MAX rows and TEXT_MAX bytes of text, so that it fits into a frame; what is beyond is cut, and it says
 * so. */

#include "cluster/control_requests.h"

#include "thiasos/cluster.h"
#include "thiasos/group.h"

#include <unistd.h>

#define TEXT_MAX (640u * 1024) /* beside it, 4,096 rows of numbers take at most 90 bytes each */

struct text {
    size_t used;
    bool cut; /* something did not fit: rows and text end here */
    char data[TEXT_MAX];
};

/* Lends the copy. "" and a cut table when there is no room. */
static const char *copy_text(struct text *text, const char *from)
{
    size_t len = from ? strlen(from) : 0;
    char *copy = text->data + text->used;

    if (text->used + len + 1 > TEXT_MAX) {
        text->cut = true;
        return "";
    }
    memcpy(copy, from ? from : "", len);
    copy[len] = '\0';
    text->used += len + 1;
    return copy;
}

static bool has_row(struct text *text, uint32_t count)
{
    if (count == THSI_ROWS_MAX)
        text->cut = true;
    return !text->cut;
}

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
    uint32_t count;
    const char *names[THSI_ROWS_MAX], *addresses[THSI_ROWS_MAX], *roles[THSI_ROWS_MAX];
    uint64_t uids[THSI_ROWS_MAX], boots[THSI_ROWS_MAX], incarnations[THSI_ROWS_MAX], rtts_us[THSI_ROWS_MAX];
    uint8_t states[THSI_ROWS_MAX];
    bool selves[THSI_ROWS_MAX];
    struct text text;
};

static void add_member(void *arg, const struct ths_member_info *member)
{
    struct member_rows *rows = arg;
    uint32_t row = rows->count;

    if (!has_row(&rows->text, row))
        return;
    rows->names[row] = copy_text(&rows->text, member->name);
    rows->addresses[row] = copy_text(&rows->text, member->address);
    rows->roles[row] = copy_text(&rows->text, member->roles);
    rows->uids[row] = member->uid;
    rows->boots[row] = member->boot;
    rows->incarnations[row] = member->incarnation;
    rows->rtts_us[row] = member->rtt_us;
    rows->states[row] = (uint8_t)member->state;
    rows->selves[row] = member->self;
    if (!rows->text.cut)
        rows->count++;
}

enum ths_err thsi_control_answer_members(struct thsi_control_session *session)
{
    struct ths_env *env = session->link.env;
    struct member_rows *rows = env->memory(env, NULL, sizeof *rows);
    struct control_members_answer answer;
    enum ths_err err;

    if (!rows)
        return THS_NOMEM;
    rows->count = 0;
    rows->text.used = 0;
    rows->text.cut = false;
    (void)ths_cluster_members(session->node, add_member, rows);
    answer = (struct control_members_answer){
        .cut = rows->text.cut,
        .names = { rows->names, rows->count },
        .uids = { rows->uids, rows->count },
        .boots = { rows->boots, rows->count },
        .addresses = { rows->addresses, rows->count },
        .roles = { rows->roles, rows->count },
        .states = { rows->states, rows->count },
        .incarnations = { rows->incarnations, rows->count },
        .rtts_us = { rows->rtts_us, rows->count },
        .selves = { rows->selves, rows->count },
    };
    err = thsi_control_write(&session->link, &control_members_answer_type, &answer);
    (void)env->memory(env, rows, 0);
    return err;
}

/* ---- Groups ---------------------------------------------------------------------------------- */

struct group_rows {
    uint32_t count;
    const char *names[THSI_ROWS_MAX];
    uint64_t members[THSI_ROWS_MAX], local[THSI_ROWS_MAX];
    struct text text;
};

static void add_group(void *arg, const struct ths_group_info *group)
{
    struct group_rows *rows = arg;
    uint32_t row = rows->count;

    if (!has_row(&rows->text, row))
        return;
    rows->names[row] = copy_text(&rows->text, group->name);
    rows->members[row] = group->members;
    rows->local[row] = group->members_local;
    if (!rows->text.cut)
        rows->count++;
}

enum ths_err thsi_control_answer_groups(struct thsi_control_session *session)
{
    struct ths_env *env = session->link.env;
    struct group_rows *rows = env->memory(env, NULL, sizeof *rows);
    struct control_groups_answer answer;
    enum ths_err err;

    if (!rows)
        return THS_NOMEM;
    rows->count = 0;
    rows->text.used = 0;
    rows->text.cut = false;
    ths_groups(session->node, add_group, rows);
    answer = (struct control_groups_answer){
        .cut = rows->text.cut,
        .names = { rows->names, rows->count },
        .members = { rows->members, rows->count },
        .local = { rows->local, rows->count },
    };
    err = thsi_control_write(&session->link, &control_groups_answer_type, &answer);
    (void)env->memory(env, rows, 0);
    return err;
}

/* ---- Actors ---------------------------------------------------------------------------------- */

struct actor_rows {
    uint32_t count;
    ths_ref refs[THSI_ROWS_MAX];
    const char *behaviours[THSI_ROWS_MAX], *names[THSI_ROWS_MAX];
    uint32_t queued[THSI_ROWS_MAX], incarnations[THSI_ROWS_MAX];
    struct text text;
};

static void add_actor(void *arg, const struct ths_actor_info *actor)
{
    struct actor_rows *rows = arg;
    uint32_t row = rows->count;

    if (!has_row(&rows->text, row))
        return;
    rows->refs[row] = actor->ref;
    rows->behaviours[row] = copy_text(&rows->text, actor->behaviour);
    rows->names[row] = copy_text(&rows->text, actor->name);
    rows->queued[row] = actor->queued;
    rows->incarnations[row] = actor->incarnation;
    if (!rows->text.cut)
        rows->count++;
}

enum ths_err thsi_control_answer_actors(struct thsi_control_session *session)
{
    struct ths_env *env = session->link.env;
    struct actor_rows *rows = env->memory(env, NULL, sizeof *rows);
    struct control_actors_answer answer;
    enum ths_err err;

    if (!rows)
        return THS_NOMEM;
    rows->count = 0;
    rows->text.used = 0;
    rows->text.cut = false;
    ths_node_actors(session->node, THSI_ROWS_MAX + 1, add_actor, rows);
    answer = (struct control_actors_answer){
        .cut = rows->text.cut,
        .refs = { rows->refs, rows->count },
        .behaviours = { rows->behaviours, rows->count },
        .names = { rows->names, rows->count },
        .queued = { rows->queued, rows->count },
        .incarnations = { rows->incarnations, rows->count },
    };
    err = thsi_control_write(&session->link, &control_actors_answer_type, &answer);
    (void)env->memory(env, rows, 0);
    return err;
}
