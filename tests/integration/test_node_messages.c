/* What a message is on its way from one actor to another: copied, whole, in order, handled by one handler at a time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#include <stdio.h>
#include <string.h>

/* ---- Copies and senders ------------------------------------------------------------------ */

static void told_word_arrives(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ 0 });

    assert_err(ths_tell(node, a, word, .text = "hello"), OK);
    assert_err(ths_try_tell(node, a, word, .text = "again"), OK);
    assert_noted("a: hello\na: again\n");
}

static void sender_may_reuse_its_buffer_after_tell(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ 0 });
    struct probe_gate gate = PROBE_GATE_INIT;
    char text[] = "first";

    puppet_hold(node, a, &gate);
    assert_err(ths_tell(node, a, word, .text = text), OK);
    memcpy(text, "other", sizeof text);
    assert_err(ths_tell(node, a, word, .text = text), OK);
    memcpy(text, "trash", sizeof text);
    probe_gate_open(&gate);
    assert_noted("a: first\na: other\n");
}

static void tells(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)ths_tell(ctx, *(const ths_ref *)to, word, .text = self->label);
}

static void actor_may_tell_itself(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ 0 });

    puppet_do(node, a, tells, &a);
    assert_noted("a: a\n");
}

struct mirror { char none; };

THS_ON(mirror, word)
{
    probe_note("mirror: from %s", probe_label(ths_sender(ctx)));
}

THS_BEHAVIOUR(mirror, word)

static void handler_knows_its_sender(void **state)
{
    struct ths_node *node = *state;
    ths_ref mirror = ths_spawn(node, mirror), a = puppet_spawn(node, "a", (struct ths_spawn_options){ 0 });

    puppet_do(node, a, tells, &mirror);
    assert_noted("mirror: from a\n");
}

static void thread_outside_is_nobody(void **state)
{
    struct ths_node *node = *state;
    ths_ref mirror = ths_spawn(node, mirror);

    assert_err(ths_tell(node, mirror, word, .text = "x"), OK);
    assert_noted("mirror: from nobody\n");
}

struct knower { char none; };

THS_ON(knower, word)
{
    probe_note("self is %s, node is %s", probe_label(ths_self(ctx)), ths_node_name(ths_node_of(ctx)));
}

THS_BEHAVIOUR(knower, word)

static void handler_knows_itself_and_its_node(void **state)
{
    struct ths_node *node = *state;
    ths_ref knower = ths_spawn(node, knower);

    probe_name(knower, "knower");
    assert_int_equal(knower.node, ths_node_uid(node));
    assert_err(ths_tell(node, knower, word, .text = ""), OK);
    assert_noted("self is knower, node is test\n");
}

/* ---- Every kind of field ----------------------------------------------------------------- */

THS_MESSAGE(every, "test.every", 1, boolean(a), u8(b), u16(c), u32(d), u64(e), i8(f), i16(g), i32(h), i64(i), f32(j),
            f64(k), string(l), bytes(m), ref(n), list(u64, o), list(string, p), list(bytes, q), list(ref, r),
            opt(u32, s), opt(string, t), opt(string, u))

struct taster { char none; };

THS_ON(taster, every)
{
    probe_note("%d %u %u %u %llu %d %d %d %lld %g %g", msg->a, msg->b, msg->c, msg->d, (unsigned long long)msg->e,
               msg->f, msg->g, msg->h, (long long)msg->i, (double)msg->j, msg->k);
    probe_note("%s %.*s %s", msg->l, (int)msg->m.len, (const char *)msg->m.data, probe_label(msg->n));
    probe_note("%u:%llu %u:%s %u:%.*s %u:%s", msg->o.count, (unsigned long long)msg->o.items[1], msg->p.count,
               msg->p.items[1], msg->q.count, (int)msg->q.items[0].len, (const char *)msg->q.items[0].data,
               msg->r.count, probe_label(msg->r.items[0]));
    probe_note("%d:%u %d:%s %d", msg->s.present, msg->s.value, msg->t.present, msg->t.value, msg->u.present);
}

THS_BEHAVIOUR(taster, every)

static void every_kind_of_field_arrives(void **state)
{
    struct ths_node *node = *state;
    ths_ref taster = ths_spawn(node, taster);

    probe_name(taster, "taster");
    assert_err(ths_tell(node, taster, every, .a = true, .b = UINT8_MAX, .c = UINT16_MAX, .d = UINT32_MAX,
                        .e = UINT64_MAX, .f = INT8_MIN, .g = INT16_MIN, .h = INT32_MIN, .i = INT64_MIN, .j = 0.5f,
                        .k = -0.25, .l = "\xcf\x80", .m = THS_BYTES("raw", 3), .n = taster,
                        .o = THS_ITEMS(uint64_t, 1, 2, 3), .p = THS_ITEMS(const char *, "x", "y"),
                        .q = THS_ITEMS(struct ths_bytes, { (const uint8_t *)"in", 2 }), .r = THS_ITEMS(ths_ref, taster),
                        .s = THS_SOME(7), .t = THS_SOME("there")), OK);
    assert_noted("1 255 65535 4294967295 18446744073709551615 -128 -32768 -2147483648 -9223372036854775808 0.5 -0.25\n"
                 "\xcf\x80 raw taster\n"
                 "3:2 2:y 1:in 1:taster\n"
                 "1:7 1:there 0\n");
}

struct reader { char none; };

THS_ON(reader, word)
{
    probe_note("%s", msg->text ? msg->text : "NULL");
}

THS_BEHAVIOUR(reader, word)

static void missing_string_arrives_as_empty(void **state)
{
    struct ths_node *node = *state;
    ths_ref reader = ths_spawn(node, reader);

    assert_err(ths_tell(node, reader, word, .text = NULL), OK);
    assert_noted("\n");
}

/* ---- Order ------------------------------------------------------------------------------- */

enum { SENDERS = 4, EACH = 20000, BATCH = 100 };

THS_MESSAGE(begin, "test.begin", 1, ref(to), u32(number))
THS_MESSAGE(more, "test.more", 1)
THS_MESSAGE(numbered, "test.numbered", 1, u32(number), u32(count))
THS_MESSAGE(large_numbered, "test.large_numbered", 1, u32(number), u32(count), string(padding))

struct sender {
    ths_ref to;
    uint32_t number, sent;
};

THS_ON(sender, more)
{
    for (unsigned i = 0; i < BATCH && self->sent < EACH; i++) {
        self->sent++;
        if (self->sent % 7 == 0)
            (void)ths_tell(ctx, self->to, large_numbered, .number = self->number, .count = self->sent,
                           .padding = "so long that it does not fit into the first block of a message, which holds less");
        else
            (void)ths_tell(ctx, self->to, numbered, .number = self->number, .count = self->sent);
    }
    if (self->sent < EACH)
        (void)ths_tell(ctx, ths_self(ctx), more);
}

THS_ON(sender, begin)
{
    self->to = msg->to;
    self->number = msg->number;
    (void)ths_tell(ctx, ths_self(ctx), more);
}

THS_BEHAVIOUR(sender, begin, more)

struct receiver {
    uint32_t last[SENDERS];
    uint32_t wrong, total;
    uint32_t inside;
};

static void receiver_takes(struct receiver *self, uint32_t number, uint32_t count)
{
    self->wrong += self->inside++ != 0;          /* plain: a second handler at the same time would be seen here */
    self->wrong += count != self->last[number] + 1;
    self->last[number] = count;
    self->inside--;
    if (++self->total == SENDERS * EACH)
        probe_note("all here, %u wrong", self->wrong);
}

THS_ON(receiver, numbered)
{
    receiver_takes(self, msg->number, msg->count);
}

THS_ON(receiver, large_numbered)
{
    receiver_takes(self, msg->number, msg->count);
}

THS_BEHAVIOUR(receiver, numbered, large_numbered)

static void many_senders_keep_the_order_of_each_pair(void **state)
{
    struct ths_node *node = *state;
    ths_ref receiver = ths_spawn(node, receiver, .mailbox = SENDERS * EACH);

    for (uint32_t i = 0; i < SENDERS; i++)
        (void)ths_spawn(node, sender, .start = THS_MSG(begin, .to = receiver, .number = i));
    assert_noted("all here, 0 wrong\n");
}

static void *tell_from_a_thread(void *arg)
{
    const ths_ref to = *(const ths_ref *)arg;
    struct ths_node *node = *(struct ths_node *const *)((const char *)arg + sizeof to);

    for (uint32_t i = 1; i <= EACH; i++)
        (void)ths_tell(node, to, numbered, .number = i % 2, .count = (i + 1) / 2);
    return NULL;
}

struct pair_counter { uint32_t last[2]; uint32_t wrong; };

THS_ON(pair_counter, numbered)
{
    self->wrong += msg->count < self->last[msg->number];
    self->last[msg->number] = msg->count;
    if (self->last[0] == EACH / 2 && self->last[1] == EACH / 2)
        probe_note("all here, %u wrong", self->wrong);
}

THS_BEHAVIOUR(pair_counter, numbered)

static void one_thread_outside_keeps_its_order(void **state)
{
    struct { ths_ref to; struct ths_node *node; } arg = { THS_NOBODY, *state };
    pthread_t thread;

    arg.to = ths_spawn(arg.node, pair_counter, .mailbox = EACH);
    assert_int_equal(pthread_create(&thread, NULL, tell_from_a_thread, &arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_noted("all here, 0 wrong\n");
}

/* ---- A ring: work passes on, nobody waits ------------------------------------------------ */

enum { RING = 101, LAPS = 50 };

THS_MESSAGE(next_is, "test.next_is", 1, ref(next))
THS_MESSAGE(token, "test.token", 1, u32(left))

struct ring_node { ths_ref next; };

THS_ON(ring_node, next_is)
{
    self->next = msg->next;
}

THS_ON(ring_node, token)
{
    if (msg->left == 0)
        probe_note("token is home");
    else
        (void)ths_tell(ctx, self->next, token, .left = msg->left - 1);
}

THS_BEHAVIOUR(ring_node, next_is, token)

static void token_goes_around_a_ring(void **state)
{
    struct ths_node *node = *state;
    ths_ref ring[RING];

    for (unsigned i = 0; i < RING; i++)
        ring[i] = ths_spawn(node, ring_node);
    for (unsigned i = 0; i < RING; i++)
        assert_err(ths_tell(node, ring[i], next_is, .next = ring[(i + 1) % RING]), OK);
    assert_err(ths_tell(node, ring[0], token, .left = RING * LAPS), OK);
    assert_noted("token is home\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(told_word_arrives),
        puppet_test(sender_may_reuse_its_buffer_after_tell),
        puppet_test(actor_may_tell_itself),
        puppet_test(handler_knows_its_sender),
        puppet_test(thread_outside_is_nobody),
        puppet_test(handler_knows_itself_and_its_node),
        puppet_test(every_kind_of_field_arrives),
        puppet_test(missing_string_arrives_as_empty),
        puppet_test(many_senders_keep_the_order_of_each_pair),
        puppet_test(one_thread_outside_keeps_its_order),
        puppet_test(token_goes_around_a_ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
