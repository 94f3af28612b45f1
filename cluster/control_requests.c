#include "cluster/control_requests.h"

#include "cluster/root.h"
#include "cluster/types_actor.h"
#include "node/base/message_table.h"
#include "thiasos/cluster.h"

#include <stdio.h>

#define ASK_MS_MAX 600000u
#define WHY_SIZE 512

/* ---- Failing --------------------------------------------------------------------------------- */

static enum ths_err fail(struct thsi_control_session *session, enum ths_err err, const char *why)
{
    struct control_failed failed = { .err = err, .why = why && *why ? why : ths_err_text(err) };

    return thsi_control_write(&session->link, &control_failed_type, &failed);
}

/* ---- Members by name and uid ----------------------------------------------------------------- */

struct search {
    const char *name; /* or NULL: by uid */
    uint64_t uid;
    bool found;
    char found_name[64];
    char list[256];   /* of all that are up, for the sentence */
};

static void look_at_member(void *arg, const struct ths_member_info *member)
{
    struct search *search = arg;
    size_t len = strlen(search->list);
    bool is_up = member->state == THS_MEMBER_UP || member->state == THS_MEMBER_SUSPECT;

    if (is_up || member->self)
        (void)snprintf(search->list + len, sizeof search->list - len, "%s%s", len > 0 ? ", " : "", member->name);
    if (search->name ? strcmp(search->name, member->name) != 0 || !(is_up || member->self)
                     : search->uid != member->uid)
        return;
    search->found = true;
    search->uid = member->uid;
    (void)snprintf(search->found_name, sizeof search->found_name, "%s", member->name);
}

/* A node without a cluster is its own only member. */
static void search_members(struct thsi_control_session *session, struct search *search)
{
    struct ths_member_info self = { .uid = ths_node_uid(session->node), .name = ths_node_name(session->node),
                                    .state = THS_MEMBER_UP, .self = true };

    if (ths_cluster_members(session->node, look_at_member, search) == 0)
        look_at_member(search, &self);
}

/* ---- Finding a target --------------------------------------------------------------------- */

/* A ref, as text. */
static enum ths_err find_ref(struct thsi_control_session *session, ths_ref ref)
{
    struct search search = { .uid = ref.node };
    struct control_found found = { .to = ref };
    char why[WHY_SIZE];

    search_members(session, &search);
    found.node = search.found_name;
    if (search.found)
        return thsi_control_write(&session->link, &control_found_type, &found);
    (void)snprintf(why, sizeof why, "no node with the uid %016llx is known; there are %s", (unsigned long long)ref.node,
                   search.list);
    return fail(session, THS_UNKNOWN_NODE, why);
}

/* "name" or "name@node". */
static enum ths_err find_name(struct thsi_control_session *session, const char *target)
{
    const char *at = strchr(target, '@');
    const char *node = at ? at + 1 : ths_node_name(session->node);
    int name_len = (int)(at ? (size_t)(at - target) : strlen(target));
    struct search search = { .name = node };
    bool is_here = strcmp(node, ths_node_name(session->node)) == 0;
    struct control_found found = { .node = node };
    char why[WHY_SIZE];

    search_members(session, &search);
    if (!search.found) {
        (void)snprintf(why, sizeof why, "no node is named \"%.64s\"; there are %s", node, search.list);
        return fail(session, THS_UNKNOWN_NODE, why);
    }
    found.to = ths_whereis(session->node, target, is_here ? 0 : THSI_CONTROL_LOOKUP_MS);
    if (!ths_ref_is_nobody(found.to))
        return thsi_control_write(&session->link, &control_found_type, &found);
    (void)snprintf(why, sizeof why, "no actor on node %.64s is named \"%.*s\"", node, name_len < 64 ? name_len : 64,
                   target);
    return fail(session, THS_NOT_FOUND, why);
}

static enum ths_err on_find(struct thsi_control_session *session, const struct control_find *msg)
{
    ths_ref ref;

    if (ths_ref_parse(msg->target, &ref) == THS_OK)
        return find_ref(session, ref);
    return find_name(session, msg->target);
}

/* The types actor of the node with this uid, or nobody with *@err: UNKNOWN_NODE, NOT_FOUND. */
static ths_ref types_actor_of(struct thsi_control_session *session, uint64_t uid, enum ths_err *err)
{
    struct search search = { .uid = uid };
    char name[sizeof THSI_TYPES_ACTOR + 1 + sizeof search.found_name];
    ths_ref ref;

    *err = THS_UNKNOWN_NODE;
    if (uid == ths_node_uid(session->node)) {
        ref = ths_whereis(session->node, THSI_TYPES_ACTOR, 0);
    } else {
        search_members(session, &search);
        if (!search.found)
            return THS_NOBODY;
        (void)snprintf(name, sizeof name, "%s@%s", THSI_TYPES_ACTOR, search.found_name);
        ref = ths_whereis(session->node, name, THSI_CONTROL_LOOKUP_MS);
    }
    *err = ths_ref_is_nobody(ref) ? THS_NOT_FOUND : THS_OK;
    return ref;
}

/* ---- Describe and send ------------------------------------------------------------------------ */

/* A reply that ths_call got, copied. */
struct got {
    struct ths_env *env;
    struct ths_type *type; /* wanted */
    enum ths_err err;
    void *block;
};

static void copy_reply(void *arg, struct ths_message reply)
{
    struct got *got = arg;
    const struct thsi_type_info *info = thsi_type_intern(got->type);
    size_t size = 0;

    if (!info || !reply.type || thsi_type_intern(reply.type) != info) {
        got->err = THS_REFUSED;
        return;
    }
    got->err = thsi_message_measure(info, reply.body, &size);
    got->block = got->err == THS_OK ? got->env->memory(got->env, NULL, size) : NULL;
    if (got->block)
        thsi_message_copy(info, got->block, reply.body);
    else if (got->err == THS_OK)
        got->err = THS_NOMEM;
}

static bool is_cancelled(struct thsi_control_session *session)
{
    bool cancelled;

    (void)pthread_mutex_lock(&session->mutex);
    cancelled = session->cancelled;
    (void)pthread_mutex_unlock(&session->mutex);
    return cancelled;
}

/* Call the types actor of node @uid. On OK got->block is a message of got->type, to be freed. */
static enum ths_err call_types_actor(struct thsi_control_session *session, uint64_t uid, struct ths_message request,
                                     struct got *got)
{
    enum ths_err err;
    ths_ref types = types_actor_of(session, uid, &err);

    if (err == THS_OK && is_cancelled(session))
        err = THS_CLOSED; /* one wait is all that a stop has to bear */
    if (err == THS_OK)
        err = ths_call(session->node, types, request, THSI_CONTROL_LOOKUP_MS, copy_reply, got);
    return err == THS_OK ? got->err : err;
}

static enum ths_err on_describe(struct thsi_control_session *session, const struct control_describe *msg)
{
    struct got got = { .env = session->link.env, .type = &ths_described_type };
    enum ths_err err = call_types_actor(session, msg->to.node,
                                        THS_MSG(ths_describe, .name = msg->name, .version = msg->version,
                                                .fingerprint = msg->fingerprint), &got);

    if (err == THS_OK)
        err = thsi_control_write(&session->link, &ths_described_type, got.block);
    else
        err = fail(session, err, err == THS_NOT_FOUND ? "its node does not describe its message types" : NULL);
    (void)got.env->memory(got.env, got.block, 0);
    return err;
}

static enum ths_err on_tell(struct thsi_control_session *session, const struct ths_relay *relay)
{
    struct got got = { .env = session->link.env, .type = &ths_relayed_type };
    enum ths_err err = call_types_actor(session, relay->to.node, (struct ths_message){ &ths_relay_type, relay }, &got);
    const struct ths_relayed *relayed = got.block;

    if (err == THS_OK)
        err = (enum ths_err)relayed->err;
    (void)got.env->memory(got.env, got.block, 0);
    if (err != THS_OK)
        return fail(session, err, NULL);
    return thsi_control_write(&session->link, &control_sent_type, &(struct control_sent){ 0 });
}

/* While it waits, the call is where the stopping thread finds it. */
static enum ths_err wait_for(struct thsi_control_session *session, struct thsi_control_call *call,
                             const struct ths_relayed **answer)
{
    enum ths_err err;

    (void)pthread_mutex_lock(&session->mutex);
    if (session->cancelled)
        thsi_control_call_cancel(call);
    session->call = call;
    (void)pthread_mutex_unlock(&session->mutex);
    err = thsi_control_call_wait(call, answer);
    (void)pthread_mutex_lock(&session->mutex);
    session->call = NULL;
    (void)pthread_mutex_unlock(&session->mutex);
    return err;
}

static enum ths_err on_ask(struct thsi_control_session *session, const struct ths_relay *relay)
{
    struct thsi_control_call *call = NULL;
    const struct ths_relayed *answer = NULL;
    struct control_sent sent;
    enum ths_err err;
    ths_ref types = types_actor_of(session, relay->to.node, &err);

    if (err == THS_OK)
        err = thsi_control_call_start(session->node, types, relay, &call);
    if (err == THS_OK)
        err = wait_for(session, call, &answer);
    if (err == THS_OK) {
        sent = (struct control_sent){ .type = answer->type, .version = answer->version,
                                      .fingerprint = answer->fingerprint };
        sent.body = answer->body;
        err = thsi_control_write(&session->link, &control_sent_type, &sent);
    } else {
        err = fail(session, err, NULL);
    }
    if (call)
        thsi_control_call_drop(call);
    return err;
}

static enum ths_err on_send(struct thsi_control_session *session, const struct control_send *msg)
{
    struct ths_relay relay = {
        .to = msg->to,
        .type = msg->type,
        .version = msg->version,
        .fingerprint = msg->fingerprint,
        .body = msg->body,
        .timeout_ms = msg->timeout_ms < ASK_MS_MAX ? msg->timeout_ms : ASK_MS_MAX,
    };

    return msg->ask ? on_ask(session, &relay) : on_tell(session, &relay);
}

/* ---- Keys ------------------------------------------------------------------------------------- */

static enum ths_err on_reload_keys(struct thsi_control_session *session)
{
    char texts[THSI_KEYRING_MAX][THSI_FINGERPRINT_TEXT_SIZE], why[WHY_SIZE];
    const char *items[THSI_KEYRING_MAX];
    struct control_keys_answer answer = { .fingerprints = { items, 0 } };
    struct thsi_keys_report report;
    enum ths_err err = ths_cluster_reload_keys(session->node, why, sizeof why);

    if (err != THS_OK)
        return fail(session, err, why);
    thsi_keys_report(thsi_cluster_of(session->node), &report);
    for (unsigned i = 0; i < report.fingerprints.count; i++)
        items[i] = thsi_fingerprint_print(&report.fingerprints.of[i], texts[i]);
    answer.fingerprints.count = report.fingerprints.count;
    answer.links = report.links;
    answer.moving = report.moving;
    return thsi_control_write(&session->link, &control_keys_answer_type, &answer);
}

/* ---- A closer look ---------------------------------------------------------------------------- */

static enum ths_err on_inspect(struct thsi_control_session *session, const struct control_inspect *msg)
{
    struct search search = { .uid = msg->to.node };
    bool refused = false;
    enum ths_err err = THS_UNSUPPORTED;
    char why[WHY_SIZE];

    if (msg->to.node == ths_node_uid(session->node))
        err = thsi_control_answer_inspect(session, msg, &refused);
    else
        search_members(session, &search);
    if (err != THS_UNSUPPORTED)
        return refused ? fail(session, err, NULL) : err;
    (void)snprintf(why, sizeof why, "it is an actor of node %.64s, and only its own node can look into it",
                   search.found ? search.found_name : "?");
    return fail(session, THS_UNSUPPORTED, why);
}

/* ---- One request ------------------------------------------------------------------------------ */

enum ths_err thsi_control_serve(struct thsi_control_session *session)
{
    struct ths_type *const types[] = {
        &control_info_type, &control_members_type, &control_groups_type, &control_actors_type, &control_stats_type,
        &control_tree_type, &control_inspect_type, &control_find_type, &control_describe_type, &control_send_type,
        &control_reload_keys_type,
    };
    const struct thsi_type_info *got;
    void *msg;
    enum ths_err err = thsi_control_read(&session->link, types, sizeof types / sizeof types[0], THSI_CONTROL_IDLE_MS,
                                         &got, &msg);

    if (err == THS_UNKNOWN_TYPE || err == THS_TYPE_MISMATCH)
        return fail(session, THS_UNSUPPORTED, "the node is of another version than the command");
    if (err != THS_OK)
        return err;
    if (got == thsi_type_intern(&control_info_type))
        return thsi_control_answer_info(session);
    if (got == thsi_type_intern(&control_members_type))
        return thsi_control_answer_members(session);
    if (got == thsi_type_intern(&control_groups_type))
        return thsi_control_answer_groups(session);
    if (got == thsi_type_intern(&control_actors_type))
        return thsi_control_answer_actors(session, msg);
    if (got == thsi_type_intern(&control_stats_type))
        return thsi_control_answer_stats(session);
    if (got == thsi_type_intern(&control_reload_keys_type))
        return on_reload_keys(session);
    if (got == thsi_type_intern(&control_tree_type))
        return thsi_control_answer_tree(session);
    if (got == thsi_type_intern(&control_inspect_type))
        return on_inspect(session, msg);
    if (got == thsi_type_intern(&control_find_type))
        return on_find(session, msg);
    if (got == thsi_type_intern(&control_describe_type))
        return on_describe(session, msg);
    return on_send(session, msg);
}

void thsi_control_session_cancel(struct thsi_control_session *session)
{
    (void)pthread_mutex_lock(&session->mutex);
    session->cancelled = true;
    if (session->call)
        thsi_control_call_cancel(session->call);
    (void)pthread_mutex_unlock(&session->mutex);
}
