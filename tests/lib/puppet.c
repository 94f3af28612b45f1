#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#include "node/base/message_table.h"

#include <stdio.h>

static void *at_address(uint64_t address)
{
    return (void *)(uintptr_t)address; /* only ever handed around inside this process */
}

static uint64_t address_of(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

THS_ON(puppet, ths_started)
{
    self->incarnation = msg->incarnation;
}

THS_ON(puppet, puppet_start)
{
    (void)snprintf(self->label, sizeof self->label, "%s", msg->label);
    self->notes = msg->notes;
    probe_name(ths_self(ctx), self->label);
    if (self->notes & PUPPET_NOTES_START)
        probe_note("%s: started %u", self->label, self->incarnation);
}

THS_ON(puppet, ths_stopping)
{
    if (self->notes & PUPPET_NOTES_STOPPING)
        probe_note("%s: stopping %s \"%s\"", self->label, ths_reason_text((enum ths_reason)msg->reason), msg->text);
}

THS_ON(puppet, ths_finally)
{
    if (self->notes & PUPPET_NOTES_FINALLY)
        probe_note("%s: finally %s \"%s\"", self->label, ths_reason_text((enum ths_reason)msg->reason), msg->text);
}

THS_ON(puppet, word)
{
    probe_note("%s: %s", self->label, msg->text);
}

THS_ON(puppet, question)
{
    (void)ths_reply(ctx, answer, .text = msg->text);
}

THS_ON(puppet, secret)
{
    self->counter++;
}

THS_ON(puppet, act)
{
    const struct puppet_todo *todo = at_address(msg->todo);

    todo->act(ctx, self, todo->arg);
    if (!self->failed)
        (void)ths_reply(ctx, done); /* refused as NO_ASK after an act that replied, or that was told */
}

THS_ON(puppet, hold)
{
    probe_gate_pass(at_address(msg->gate));
}

THS_ON(puppet, ths_down)
{
    static const char *const certainties[] = { "observed", "fenced", "assumed" };

    probe_note("%s: down %s %s %s \"%s\"", self->label, probe_label(msg->who),
               ths_reason_text((enum ths_reason)msg->reason), certainties[msg->certainty % 3], msg->text);
}

THS_ON(puppet, ths_exited)
{
    probe_note("%s: exited %s %s \"%s\"", self->label, probe_label(msg->who),
               ths_reason_text((enum ths_reason)msg->reason), msg->text);
}

THS_BEHAVIOUR(puppet, ths_started, puppet_start, ths_stopping, ths_finally, word, question, secret, act, hold, ths_down,
              ths_exited)

static bool is_type(const struct ths_message *message, struct ths_type *type)
{
    return thsi_type_intern(message->type) == thsi_type_intern(type);
}

static void heard(struct ths_ctx *ctx, void *state, enum ths_err err, const void *reply)
{
    const struct puppet *self = state;
    const struct ths_message *message = reply;
    char text[192] = "";

    (void)ctx;
    if (err != THS_OK || !message)
        probe_note("%s: heard %s%s", self->label, ths_err_name(err), message ? " with a reply" : "");
    else if (is_type(message, &ths_found_type))
        probe_note("%s: heard OK found %s", self->label, probe_label(((const struct ths_found *)message->body)->who));
    else if (is_type(message, &ths_spawned_type))
        probe_note("%s: heard OK spawned", self->label);
    else {
        (void)thsi_message_print(thsi_type_intern(message->type), message->body, text, sizeof text);
        probe_note("%s: heard OK %s", self->label, text);
    }
}

const struct ths_reply_to puppet_heard = { heard, NULL };

ths_ref puppet_spawn_in(struct ths_ctx *ctx, const char *label, struct ths_spawn_options options)
{
    const struct puppet_start *asked = options.start.body; /* a test may set the notes */
    struct puppet_start start = { .label = label, .notes = asked ? asked->notes : 0 };
    ths_ref ref;

    options.start = (struct ths_message){ &puppet_start_type, &start };
    ref = thsp_spawn(ctx, &puppet_behaviour, &options, NULL);
    if (!ths_ref_is_nobody(ref))
        probe_name(ref, label);
    return ref;
}

ths_ref puppet_spawn(struct ths_node *node, const char *label, struct ths_spawn_options options)
{
    ths_ref ref = puppet_spawn_in(thsp_of_node(node), label, options);

    assert_false(ths_ref_is_nobody(ref));
    return ref;
}

enum ths_err puppet_register(struct ths_node *node)
{
    return ths_register(node, puppet);
}

enum ths_err puppet_try(struct ths_node *node, ths_ref who, puppet_act *act, void *arg)
{
    struct puppet_todo todo = { act, arg };

    return ths_call(node, who, THS_MSG(act, .todo = address_of(&todo)), PROBE_LIMIT_MS, NULL, NULL);
}

void puppet_do(struct ths_node *node, ths_ref who, puppet_act *act, void *arg)
{
    assert_err(puppet_try(node, who, act, arg), OK);
}

void puppet_hold(struct ths_node *node, ths_ref who, struct probe_gate *gate)
{
    assert_err(ths_tell(node, who, hold, .gate = address_of(gate)), OK);
    probe_gate_reached(gate);
}

void puppet_settle(struct ths_node *node, ths_ref who)
{
    assert_err(ths_call(node, who, THS_MSG(question, .text = "settled?"), PROBE_LIMIT_MS, NULL, NULL), OK);
}

void puppet_will_fail(struct ths_ctx *ctx, struct puppet *self, const char *text)
{
    self->failed = true;
    ths_fail(ctx, "%s", text);
}

ths_ref puppet_watch(struct ths_node *node, const char *label, ths_ref who)
{
    ths_ref watcher = puppet_spawn(node, label, (struct ths_spawn_options){ 0 });

    puppet_do(node, watcher, puppet_monitors, &who);
    if (ths_call(node, who, THS_MSG(question), PROBE_LIMIT_MS, NULL, NULL) == THS_TIMEOUT)
        fail(); /* its monitor came before this question, by then it had an answer */
    return watcher;
}

void puppet_stops(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_stop(ctx);
}

void puppet_shuts_down(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_shutdown(ctx);
}

void puppet_fails(struct ths_ctx *ctx, struct puppet *self, void *text)
{
    puppet_will_fail(ctx, self, text ? text : "");
}

void puppet_traps(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_trap_exits(ctx, true);
}

void puppet_links(struct ths_ctx *ctx, struct puppet *self, void *ref)
{
    (void)self;
    ths_link(ctx, *(const ths_ref *)ref);
}

void puppet_monitors(struct ths_ctx *ctx, struct puppet *self, void *ref)
{
    (void)self;
    (void)ths_monitor(ctx, *(const ths_ref *)ref);
}

int puppet_node_setup(void **state)
{
    probe_reset();
    *state = ths_node_start(&(struct ths_node_options){ .name = "test", .workers = 4 });
    return *state ? 0 : -1;
}

int puppet_node_teardown(void **state)
{
    ths_node_stop(*state, 100); /* puppets that trap exits do not go by themselves */
    return 0;
}
