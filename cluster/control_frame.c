#include "cluster/control_frame.h"

#include "codec/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ARENA_KEPT (64u * 1024) /* a larger arena is given back before the next message */

/* ---- Pack and unpack: pure ------------------------------------------------------------------ */

enum ths_err thsi_control_pack(struct ths_type *type, const void *msg, uint8_t *out, size_t cap, size_t *len)
{
    const struct thsi_type_info *info = thsi_type_intern(type);
    struct thsi_packer packer;
    enum ths_err err = info ? thsi_message_check(info, msg) : THS_NOMEM;

    if (err != THS_OK)
        return err;
    if (cap < THSI_LENGTH_SIZE)
        return THS_TOO_BIG;
    thsi_packer_init(&packer, out + THSI_LENGTH_SIZE, cap - THSI_LENGTH_SIZE);
    thsi_pack_str(&packer, info->name, (uint32_t)strlen(info->name));
    thsi_pack_u64(&packer, info->version);
    thsi_pack_u64(&packer, info->fingerprint);
    err = thsi_schema_pack(info, msg, &packer);
    if (err != THS_OK || packer.len > THSI_CONTROL_FRAME_MAX)
        return THS_TOO_BIG;
    thsi_put_u32(out, (uint32_t)packer.len);
    *len = THSI_LENGTH_SIZE + packer.len;
    return THS_OK;
}

enum ths_err thsi_control_unpack_head(struct thsi_unpacker *unpacker, struct ths_type *const *types,
                                      size_t types_count, const struct thsi_type_info **got)
{
    uint32_t name_len;
    const char *name = thsi_unpack_str(unpacker, THSI_CONTROL_FRAME_MAX, &name_len);
    uint32_t version = thsi_unpack_u32(unpacker);
    uint64_t fingerprint = thsi_unpack_u64(unpacker);
    enum ths_err err = THS_UNKNOWN_TYPE;

    *got = NULL;
    if (unpacker->err != THS_OK)
        return THS_MALFORMED;
    for (size_t i = 0; i < types_count; i++) {
        const struct thsi_type_info *info = thsi_type_intern(types[i]);

        if (!info)
            return THS_NOMEM;
        if (strlen(info->name) != name_len || memcmp(info->name, name, name_len) != 0)
            continue;
        err = THS_TYPE_MISMATCH;
        if (info->version != version || info->fingerprint != fingerprint)
            continue;
        *got = info;
        return THS_OK;
    }
    return err;
}

/* ---- Bytes in and out, with a deadline ------------------------------------------------------- */

/* Wait until @fd is ready for @events. Errors: TIMEOUT, IO. */
static enum ths_err await(struct thsi_control_link *link, short events, uint64_t deadline_ns)
{
    struct pollfd pollfd = { .fd = link->fd, .events = events };

    for (;;) {
        uint64_t now_ns = link->env->now_ns(link->env);
        uint64_t left_ms = now_ns < deadline_ns ? (deadline_ns - now_ns + 999999) / 1000000 : 0;
        int ready = poll(&pollfd, 1, left_ms < 3600000 ? (int)left_ms : 3600000);

        if (ready > 0)
            return THS_OK;
        if (ready < 0 && errno != EINTR)
            return THS_IO;
        if (ready == 0 && left_ms == 0)
            return THS_TIMEOUT;
    }
}

static bool may_try_again(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Errors: TIMEOUT, CLOSED (before the first byte), MALFORMED (closed within), IO. */
static enum ths_err receive(struct thsi_control_link *link, uint8_t *out, size_t len, uint64_t deadline_ns)
{
    size_t done = 0;

    while (done < len) {
        enum ths_err err = await(link, POLLIN, deadline_ns);
        ssize_t got;

        if (err != THS_OK)
            return err;
        got = recv(link->fd, out + done, len - done, 0);
        if (got == 0)
            return done == 0 ? THS_CLOSED : THS_MALFORMED;
        if (got < 0 && !may_try_again())
            return errno == ECONNRESET ? THS_CLOSED : THS_IO;
        done += got > 0 ? (size_t)got : 0;
    }
    return THS_OK;
}

static enum ths_err send_all(struct thsi_control_link *link, const uint8_t *data, size_t len, uint64_t deadline_ns)
{
    while (len > 0) {
        ssize_t sent = send(link->fd, data, len, MSG_NOSIGNAL);
        enum ths_err err;

        if (sent < 0 && !may_try_again())
            return errno == EPIPE || errno == ECONNRESET ? THS_CLOSED : THS_IO;
        if (sent > 0) {
            data += sent;
            len -= (size_t)sent;
            continue;
        }
        err = await(link, POLLOUT, deadline_ns);
        if (err != THS_OK)
            return err;
    }
    return THS_OK;
}

static uint64_t in_ms(struct thsi_control_link *link, unsigned ms)
{
    return link->env->now_ns(link->env) + (uint64_t)ms * 1000000;
}

/* ---- The link ---------------------------------------------------------------------------- */

enum ths_err thsi_control_link_init(struct thsi_control_link *link, struct ths_env *env, int fd)
{
    int flags = fcntl(fd, F_GETFL);

    *link = (struct thsi_control_link){ .env = env, .fd = fd };
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        thsi_control_link_close(link);
        return THS_IO;
    }
    link->buffer = env->memory(env, NULL, THSI_LENGTH_SIZE + THSI_CONTROL_FRAME_MAX);
    if (!link->buffer) {
        thsi_control_link_close(link);
        return THS_NOMEM;
    }
    return THS_OK;
}

void thsi_control_link_close(struct thsi_control_link *link)
{
    struct ths_env *env = link->env;

    if (link->fd >= 0)
        (void)close(link->fd);
    link->fd = -1;
    link->buffer = env->memory(env, link->buffer, 0);
    link->arena.base = env->memory(env, link->arena.base, 0);
    link->arena = (struct thsi_arena){ 0 };
}

enum ths_err thsi_control_write(struct thsi_control_link *link, struct ths_type *type, const void *msg)
{
    size_t len;
    enum ths_err err = thsi_control_pack(type, msg, link->buffer, THSI_LENGTH_SIZE + THSI_CONTROL_FRAME_MAX, &len);

    if (err != THS_OK)
        return err;
    return send_all(link, link->buffer, len, in_ms(link, THSI_CONTROL_FRAME_MS));
}

/* An empty arena of at least @room bytes. */
static bool make_room(struct thsi_control_link *link, size_t room)
{
    struct ths_env *env = link->env;
    struct thsi_arena *arena = &link->arena;

    arena->used = 0;
    if (room <= arena->cap && arena->cap <= ARENA_KEPT)
        return true;
    arena->base = env->memory(env, arena->base, 0);
    arena->cap = room > ARENA_KEPT ? room : ARENA_KEPT;
    arena->base = env->memory(env, NULL, arena->cap);
    if (!arena->base)
        arena->cap = 0;
    return arena->base != NULL;
}

enum ths_err thsi_control_read(struct thsi_control_link *link, struct ths_type *const *types, size_t types_count,
                               unsigned timeout_ms, const struct thsi_type_info **got, void **msg)
{
    struct thsi_unpacker unpacker;
    enum ths_err err = await(link, POLLIN, in_ms(link, timeout_ms));
    uint64_t deadline_ns = in_ms(link, THSI_CONTROL_FRAME_MS);
    uint32_t len;

    *msg = NULL;
    if (err == THS_OK)
        err = receive(link, link->buffer, THSI_LENGTH_SIZE, deadline_ns);
    if (err != THS_OK)
        return err;
    len = thsi_get_u32(link->buffer);
    if (len == 0 || len > THSI_CONTROL_FRAME_MAX)
        return len == 0 ? THS_MALFORMED : THS_TOO_BIG;
    err = receive(link, link->buffer, len, deadline_ns);
    if (err != THS_OK)
        return err == THS_CLOSED ? THS_MALFORMED : err;
    thsi_unpacker_init(&unpacker, link->buffer, len);
    err = thsi_control_unpack_head(&unpacker, types, types_count, got);
    if (err != THS_OK)
        return err;
    if (!make_room(link, thsi_schema_room(*got, len)))
        return THS_NOMEM;
    err = thsi_schema_unpack(*got, &unpacker, &link->arena, msg);
    if (err == THS_OK)
        err = thsi_unpack_finish(&unpacker);
    return err;
}
