#include "cluster/remote_types.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/schema_resolve.h"

#define WHY_SIZE 512u

/* ---- What the other node announces -------------------------------------------------------- */

static enum ths_err reserve_types(struct thsi_remote *remote, struct thsi_peer *peer, uint32_t number)
{
    struct ths_env *env = remote->runtime->env;
    uint32_t count = peer->types_in_count ? peer->types_in_count : 32;
    struct thsi_type_in *types;

    if (number == 0 || number > THSI_TYPES_MAX)
        return THS_MALFORMED;
    if (number < peer->types_in_count)
        return THS_OK;
    while (count <= number)
        count *= 2;
    types = env->memory(env, peer->types_in, count * sizeof *types);
    if (!types)
        return THS_NOMEM;
    memset(types + peer->types_in_count, 0, (count - peer->types_in_count) * sizeof *types);
    peer->types_in = types;
    peer->types_in_count = count;
    return THS_OK;
}

static void drop_view(struct thsi_remote *remote, struct thsi_peer *peer, struct thsi_type_in *type)
{
    if (!type->view)
        return;
    type->view = remote->runtime->env->memory(remote->runtime->env, type->view, 0);
    peer->views_count--;
}

void thsi_remote_types_forget(struct thsi_remote *remote, struct thsi_peer *peer)
{
    for (uint32_t number = 0; number < peer->types_in_count; number++)
        drop_view(remote, peer, &peer->types_in[number]);
    peer->types_in = remote->runtime->env->memory(remote->runtime->env, peer->types_in, 0);
    peer->types_in_count = 0;
}

/* A table that reads messages of @theirs as @ours. Errors: TYPE_MISMATCH (there are too many), NOMEM. */
static enum ths_err make_view(struct thsi_remote *remote, struct thsi_peer *peer, const struct thsi_type_info *ours,
                              const struct ths_type *theirs, const struct thsi_resolution *resolution,
                              struct thsi_type_in *type)
{
    struct ths_env *env = remote->runtime->env;

    if (peer->views_count == THSI_VIEWS_MAX)
        return THS_TYPE_MISMATCH;
    type->view = env->memory(env, NULL, thsi_schema_view_size(ours->type, theirs));
    if (!type->view)
        return THS_NOMEM;
    peer->views_count++;
    thsi_schema_view_init(type->view, ours, theirs, resolution);
    type->info = type->view;
    return THS_OK;
}

/* The declaration in a TYPE or TYPE_REFUSED about a type called @name. */
static enum ths_err read_description(const struct thsi_envelope *envelope, const char *name, struct thsi_description *out)
{
    struct thsi_unpacker unpacker;

    thsi_unpacker_init(&unpacker, envelope->bytes, envelope->bytes_len);
    return thsi_description_unpack(out, &unpacker, name, envelope->version, envelope->fingerprint);
}

/* The other node declares @ours differently. *@type says how its messages are read, or that they are not. */
static enum ths_err resolve(struct thsi_remote *remote, struct thsi_peer *peer, const struct thsi_envelope *envelope,
                            const struct thsi_type_info *ours, struct thsi_type_in *type)
{
    struct thsi_description theirs;
    struct thsi_resolution resolution;
    enum ths_err err;

    if (!envelope->bytes)
        return THS_OK; /* a node that does not say */
    err = read_description(envelope, envelope->text, &theirs);
    if (err != THS_OK)
        return err;
    resolution = thsi_schema_resolve(ours->type, &theirs.type);
    if (!resolution.compatible)
        return THS_OK;
    if (resolution.positional)
        type->info = ours;
    else
        err = make_view(remote, peer, ours, &theirs.type, &resolution, type);
    if (type->info)
        type->err = THS_OK;
    return err == THS_TYPE_MISMATCH ? THS_OK : err;
}

static enum ths_err refuse_type(struct thsi_remote *remote, struct thsi_peer *peer, uint32_t number, enum ths_err why,
                                const struct thsi_type_info *ours)
{
    const struct thsi_envelope envelope = {
        .kind = THSI_RECORD_TYPE_REFUSED,
        .type_number = number,
        .err = (uint32_t)why,
        .version = ours ? ours->version : 0,
        .fingerprint = ours ? ours->fingerprint : 0,
        .type = ours,
    };
    enum ths_err err;

    (void)pthread_mutex_lock(&peer->mutex);
    err = thsi_outbox_put(&peer->outbox, THSI_CLASS_NODE, &envelope);
    thsi_remote_unlock_dirty(remote, peer);
    return err == THS_FULL ? THS_OK : err; /* unsaid: then each of its messages is refused alone */
}

enum ths_err thsi_remote_type_announced(struct thsi_remote *remote, struct thsi_peer *peer, const struct thsi_envelope *envelope)
{
    const struct thsi_type_info *info;
    struct thsi_type_in type = { .info = NULL };
    enum ths_err err = reserve_types(remote, peer, envelope->type_number);

    if (err != THS_OK || !envelope->text)
        return err != THS_OK ? err : THS_MALFORMED;
    drop_view(remote, peer, &peer->types_in[envelope->type_number]);
    type.err = thsi_type_find(envelope->text, envelope->version, envelope->fingerprint, &info);
    if (type.err == THS_OK)
        type.info = info;
    else if (type.err == THS_TYPE_MISMATCH)
        err = resolve(remote, peer, envelope, info, &type);
    if (err != THS_OK)
        return err;
    type.room = type.info ? thsi_schema_room(type.info, THS_MESSAGE_MAX) : 0;
    peer->types_in[envelope->type_number] = type;
    return type.info ? THS_OK : refuse_type(remote, peer, envelope->type_number, type.err, info);
}

/* ---- What the other node refuses ---------------------------------------------------------- */

/* Which field it is, as far as the other node says how it declares the type. */
static enum ths_err explain(const struct thsi_remote *remote, const struct thsi_peer *peer,
                            const struct thsi_envelope *envelope, const struct thsi_type_info *info, char *why)
{
    struct thsi_description theirs;
    struct thsi_resolution resolution;
    enum ths_err err = envelope->bytes ? read_description(envelope, info->name, &theirs) : THS_OK;

    (void)snprintf(why, WHY_SIZE, "build both from one declaration");
    if (err != THS_OK || !envelope->bytes)
        return err;
    resolution = thsi_schema_resolve(&theirs.type, info->type);
    if (!resolution.compatible)
        (void)thsi_resolution_print(&resolution, &theirs.type, peer->name, info->type, remote->runtime->name, why, WHY_SIZE);
    return THS_OK;
}

static enum ths_err note_type_refused(struct thsi_remote *remote, const struct thsi_peer *peer,
                                      const struct thsi_envelope *envelope, const struct thsi_type_info *info,
                                      enum ths_err err)
{
    const struct thsi_runtime *runtime = remote->runtime;
    char why[WHY_SIZE];
    uint64_t held_back;
    enum ths_err bad = err == THS_TYPE_MISMATCH ? explain(remote, peer, envelope, info, why) : THS_OK;

    if (bad != THS_OK || !thsi_note_allowed(&remote->type_notes, runtime->env->now_ns(runtime->env), &held_back))
        return bad;
    if (err == THS_TYPE_MISMATCH)
        thsi_note(runtime, THS_LOG_WARN, "types",
                  "%s declares %s differently: version %u %016" PRIx64 " there, version %u %016" PRIx64
                  " on %s; %s (%" PRIu64 " such lines held back)",
                  peer->name, info->name, (unsigned)envelope->version, envelope->fingerprint,
                  (unsigned)info->version, info->fingerprint, runtime->name, why, held_back);
    else
        thsi_note(runtime, THS_LOG_WARN, "types",
                  "%s does not know message %s version %u of %s; its program does not use it (%" PRIu64
                  " such lines held back)",
                  peer->name, info->name, (unsigned)info->version, runtime->name, held_back);
    return THS_OK;
}

enum ths_err thsi_remote_type_refused(struct thsi_remote *remote, struct thsi_peer *peer, const struct thsi_envelope *envelope)
{
    struct ths_env *env = remote->runtime->env;
    uint32_t number = envelope->type_number;
    enum ths_err err = envelope->err == THS_TYPE_MISMATCH ? THS_TYPE_MISMATCH : THS_UNKNOWN_TYPE;
    bool known;

    (void)pthread_mutex_lock(&peer->mutex);
    known = number < peer->types_out_count && peer->types_out[number].announced;
    if (known) {
        peer->types_out[number].refused = (uint16_t)err;
        peer->types_out[number].refused_ns = env->now_ns(env);
    }
    (void)pthread_mutex_unlock(&peer->mutex);
    if (!known)
        return THS_MALFORMED;
    return note_type_refused(remote, peer, envelope, thsi_type_by_id(number), err);
}
