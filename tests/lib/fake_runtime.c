#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/fake_runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/message_table.h"

static void *copy_body(const struct thsi_signal *signal)
{
    const struct thsi_type_info *info = thsi_type_intern(signal->type);
    size_t size;
    void *body;

    assert_non_null(info);
    assert_int_equal(thsi_message_measure(info, signal->body, &size), THS_OK);
    body = malloc(size);
    assert_non_null(body);
    thsi_message_copy(info, body, signal->body);
    return body;
}

static void keep_options(struct fake_delivered *kept, const struct ths_spawn_options *options)
{
    kept->options = *options;
    kept->signal.options = &kept->options;
    if (options->name) {
        (void)snprintf(kept->name, sizeof kept->name, "%s", options->name);
        kept->options.name = kept->name;
    }
    if (options->key) {
        (void)snprintf(kept->key, sizeof kept->key, "%s", options->key);
        kept->options.key = kept->key;
    }
    for (unsigned i = 0; options->urgent && options->urgent[i]; i++)
        kept->urgent[i] = options->urgent[i];
    if (options->urgent)
        kept->options.urgent = kept->urgent;
}

static enum ths_err deliver(struct thsi_runtime *runtime, const struct thsi_signal *signal)
{
    struct fake_runtime *fake = (struct fake_runtime *)runtime;
    struct fake_delivered *kept;

    assert_true(signal->to.node == runtime->uid);
    if (fake->count++ >= FAKE_DELIVERED_MAX)
        return fake->result;
    kept = &fake->delivered[fake->count - 1];
    kept->signal = *signal;
    if (signal->text) {
        (void)snprintf(kept->text, sizeof kept->text, "%s", signal->text);
        kept->signal.text = kept->text;
    }
    if (signal->options)
        keep_options(kept, signal->options);
    kept->body = signal->type ? copy_body(signal) : NULL;
    kept->signal.body = kept->body;
    return fake->result;
}

static void node_lost(struct thsi_runtime *runtime, uint64_t uid, enum ths_certainty certainty)
{
    struct fake_runtime *fake = (struct fake_runtime *)runtime;

    (void)certainty;
    assert_true(fake->lost_count < FAKE_LOST_MAX);
    fake->lost[fake->lost_count++] = uid;
}

static enum ths_err mark(struct thsi_runtime *runtime, ths_ref whom)
{
    return whom.node == runtime->uid ? THS_OK : THS_GONE;
}

static enum ths_err await_room(struct thsi_runtime *runtime, ths_ref whom, struct thsi_room *room)
{
    const struct fake_runtime *fake = (struct fake_runtime *)runtime;

    *room = fake->room;
    return whom.node == runtime->uid && fake->result != THS_GONE ? THS_OK : THS_GONE;
}

static bool alive(struct thsi_runtime *runtime, ths_ref ref)
{
    return ref.node == runtime->uid;
}

static bool rests(struct thsi_runtime *runtime, ths_ref ref)
{
    (void)runtime, (void)ref;
    return false;
}

static void event(struct thsi_runtime *runtime, struct ths_ctx *ctx, ths_ref whom, struct ths_type *type, const void *body)
{
    (void)runtime, (void)ctx, (void)whom, (void)type, (void)body;
}

void fake_runtime_init(struct fake_runtime *fake, struct test_env *env, uint64_t uid, const char *name)
{
    memset(fake, 0, sizeof *fake);
    fake->env = env;
    fake->result = THS_OK;
    fake->runtime = (struct thsi_runtime){ .env = &env->env, .uid = uid, .name = name, .deliver = deliver,
                                           .node_lost = node_lost, .mark = mark,
                                           .await_room = await_room, .alive = alive, .rests = rests, .event = event };
}

void fake_runtime_clear(struct fake_runtime *fake)
{
    for (size_t i = 0; i < fake->count && i < FAKE_DELIVERED_MAX; i++)
        free(fake->delivered[i].body);
    memset(fake->delivered, 0, sizeof fake->delivered);
    fake->count = 0;
}

void fake_runtime_fini(struct fake_runtime *fake)
{
    fake_runtime_clear(fake);
}

const struct thsi_signal *fake_runtime_only(const struct fake_runtime *fake)
{
    assert_int_equal(fake->count, 1);
    return &fake->delivered[0].signal;
}
