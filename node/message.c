#include "node/message.h"

#include <string.h>

static size_t align_8(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static size_t text_len(const struct thsi_signal *signal)
{
    return signal->text ? strnlen(signal->text, THS_REASON_TEXT_SIZE - 1) : 0;
}

/* Bytes between the header and the body. */
static size_t prefix_size(const struct thsi_signal *signal)
{
    if (signal->kind == THSI_TELL)
        return 0;
    if (signal->kind == THSI_ASK)
        return sizeof(struct thsi_ask);
    return align_8(offsetof(struct thsi_control, text) + text_len(signal) + 1);
}

static void fill_prefix(struct thsi_message *message, const struct thsi_signal *signal)
{
    struct thsi_control *control;
    size_t len;

    if (signal->kind == THSI_TELL)
        return;
    if (signal->kind == THSI_ASK) {
        *thsi_message_ask(message) = (struct thsi_ask){ signal->id, signal->deadline_ns };
        return;
    }
    control = thsi_message_control(message);
    control->id = signal->id;
    control->child = signal->child;
    control->incarnation = signal->incarnation;
    control->reason = (uint8_t)signal->reason;
    control->certainty = (uint8_t)signal->certainty;
    control->err = (uint16_t)signal->err;
    len = text_len(signal);
    if (len > 0)
        memcpy(control->text, signal->text, len);
    control->text[len] = '\0';
}

/* With @stamp_size bytes more before the body. */
static enum ths_err create(struct thsi_pool *pool, const struct thsi_signal *signal, size_t stamp_size,
                           struct thsi_message **out)
{
    size_t body_at = sizeof(struct thsi_message) + prefix_size(signal) + stamp_size;
    const struct thsi_type_info *info = NULL;
    struct thsi_message *message;
    size_t body_size = 0;

    if (signal->type) {
        enum ths_err err;

        info = thsi_type_intern(signal->type);
        if (!info)
            return THS_NOMEM;
        err = thsi_message_measure(info, signal->body, &body_size);
        if (err != THS_OK)
            return err;
    }
    message = thsi_pool_get(pool, body_at + body_size);
    if (!message)
        return THS_NOMEM;
    message->type = info;
    message->kind = (uint8_t)signal->kind;
    message->body_at = (uint8_t)body_at;
    message->counted = signal->kind == THSI_TELL || signal->kind == THSI_ASK;
    message->generation = signal->to.generation;
    message->from = signal->from;
    fill_prefix(message, signal);
    if (info)
        thsi_message_copy(info, (char *)message + body_at, signal->body);
    if (info && info->has_blobs)
        message->size_class |= THSI_SIZE_BLOBS;
    *out = message;
    return THS_OK;
}

enum ths_err thsi_message_create(struct thsi_pool *pool, const struct thsi_signal *signal, struct thsi_message **out)
{
    return create(pool, signal, 0, out);
}

enum ths_err thsi_message_create_stamped(struct thsi_pool *pool, const struct thsi_signal *signal, uint64_t now_ns,
                                         struct thsi_message **out)
{
    enum ths_err err = create(pool, signal, sizeof now_ns, out);

    if (err == THS_OK)
        memcpy((char *)*out + (*out)->body_at - sizeof now_ns, &now_ns, sizeof now_ns);
    return err;
}

uint64_t thsi_message_bytes(struct thsi_message *message)
{
    uint64_t size = message->body_at, block = 64;

    if (message->counted && thsi_message_is_stamped(message))
        size -= sizeof(uint64_t); /* whether it is one of those is chance, and no concern of a bound */
    if (message->type)
        size += thsi_message_size(message->type, thsi_message_body(message));
    while (block < size && block < 1024)
        block *= 2;
    if (block < size)
        block = size;
    return message->type && message->type->has_blobs
               ? block + thsi_message_shared_size(message->type, thsi_message_body(message)) : block;
}

static void release_blobs(struct thsi_message *message)
{
    if (!(message->size_class & THSI_SIZE_BLOBS))
        return;
    thsi_message_release(message->type, thsi_message_body(message));
    message->size_class &= (uint8_t)~THSI_SIZE_BLOBS;
}

struct thsi_message *thsi_message_become(struct thsi_message *message, const struct thsi_signal *signal)
{
    struct thsi_control *control = thsi_message_control(message);

    release_blobs(message);
    message->type = NULL;
    message->kind = (uint8_t)signal->kind;
    message->body_at = 0;
    message->counted = 0;
    message->generation = signal->to.generation;
    message->from = signal->from;
    control->id = signal->id;
    control->child = control->incarnation = 0;
    control->reason = (uint8_t)signal->reason;
    control->certainty = (uint8_t)signal->certainty;
    control->err = (uint16_t)signal->err;
    control->text[0] = '\0';
    return message;
}

void thsi_message_free_slow(struct thsi_pool *pool, struct thsi_message *message)
{
    release_blobs(message);
    thsi_pool_put(pool, message, message->size_class);
}
