/* Questions to actors while real threads run them. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/puppet.h"
#include "thiasos/observe.h"

struct seen {
    unsigned answered, from_outside;
    uint32_t queued;
    char handling[64];
};

static void note(void *arg, const struct ths_inspection *it)
{
    struct seen *seen = arg;

    seen->answered += it->answered;
    seen->from_outside += !it->answered;
    seen->queued = it->queued;
    if (it->handling)
        (void)snprintf(seen->handling, sizeof seen->handling, "%s", it->handling);
}

static void busy_actor_is_seen_from_outside_and_answers_when_it_is_free(void **state)
{
    struct ths_node *node = *state;
    ths_ref puppet = puppet_spawn(node, "p", (struct ths_spawn_options){ 0 });
    struct probe_gate gate = PROBE_GATE_INIT;
    struct seen seen = { .answered = 0 };
    uint64_t bytes;

    puppet_hold(node, puppet, &gate);
    assert_err(ths_tell(node, puppet, word, .text = "later"), OK);
    assert_err(ths_inspect(node, puppet, 20, note, &seen), TIMEOUT);
    assert_int_equal(seen.from_outside, 1);
    assert_int_equal(seen.answered, 0);
    assert_string_equal(seen.handling, "test.hold");
    assert_true(seen.queued >= 1); /* those of its present turn may be among them */
    assert_err(ths_mailbox_bytes(node, &puppet, 1, 20, &bytes), OK);
    assert_true(bytes == THS_BYTES_UNKNOWN);
    probe_gate_open(&gate);
    puppet_settle(node, puppet);
    assert_err(ths_inspect(node, puppet, PROBE_LIMIT_MS, note, &seen), OK);
    assert_int_equal(seen.answered, 1);
    assert_int_equal(seen.queued, 0);
}

/* ---- Many who ask, of actors that come and go ------------------------------------------------- */

enum { ASKERS = 4, ACTORS = 16, ROUNDS = 400 };

THS_MESSAGE(churn, "test.churn", 1, u32(left))

struct churner {
    uint64_t handled;
};

THS_ON(churner, churn)
{
    self->handled++;
    if (msg->left > 0)
        (void)ths_tell(ctx, ths_self(ctx), churn, .left = msg->left - 1);
    else
        ths_stop(ctx);
}

THS_ON(churner, ths_state_wanted)
{
    (void)msg;
    ths_state_say(ctx, "%llu", (unsigned long long)self->handled);
}

THS_BEHAVIOUR(churner, churn, ths_state_wanted)

struct asker {
    pthread_t thread;
    struct ths_node *node;
    ths_ref refs[ACTORS];
    uint64_t answers, ends;
    bool wrong;
};

static void *ask_them(void *arg)
{
    struct asker *asker = arg;
    uint64_t bytes[ACTORS];
    struct seen seen = { .answered = 0 };

    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned i = round % ACTORS;
        enum ths_err err = ths_inspect(asker->node, asker->refs[i], PROBE_LIMIT_MS, note, &seen);

        asker->wrong = asker->wrong || (err != THS_OK && err != THS_GONE);
        if (round % 8 == 0)
            asker->wrong = ths_mailbox_bytes(asker->node, asker->refs, ACTORS, PROBE_LIMIT_MS, bytes) != THS_OK || asker->wrong;
        if (err == THS_GONE) {
            asker->ends++;
            asker->refs[i] = ths_spawn(asker->node, churner);
            (void)ths_tell(asker->node, asker->refs[i], churn, .left = 200);
        }
    }
    asker->answers = seen.answered;
    return NULL;
}

static void questions_meet_actors_that_run_and_end(void **state)
{
    static struct asker askers[ASKERS];
    uint64_t answers = 0, ends = 0;

    for (unsigned a = 0; a < ASKERS; a++) {
        askers[a] = (struct asker){ .node = *state };
        for (unsigned i = 0; i < ACTORS; i++) {
            askers[a].refs[i] = ths_spawn((struct ths_node *)*state, churner);
            assert_err(ths_tell((struct ths_node *)*state, askers[a].refs[i], churn, .left = 200), OK);
        }
        assert_int_equal(pthread_create(&askers[a].thread, NULL, ask_them, &askers[a]), 0);
    }
    for (unsigned a = 0; a < ASKERS; a++) {
        assert_int_equal(pthread_join(askers[a].thread, NULL), 0);
        assert_false(askers[a].wrong);
        answers += askers[a].answers;
        ends += askers[a].ends;
    }
    assert_int_equal(answers + ends, ASKERS * ROUNDS);
    assert_true(ends > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(busy_actor_is_seen_from_outside_and_answers_when_it_is_free),
        puppet_test(questions_meet_actors_that_run_and_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
