/* Puppet: an actor that notes what it hears and does what the test says.
 *
 * The test hands it a function; the puppet calls it in a handler, where every call of actor.h is allowed. So a test reads
 * from top to bottom in its own thread, and each step has happened when the next begins.
 *
 * Lines in the probe, LABEL being the puppet's own:
 *
 *     LABEL: TEXT                                 a word
 *     LABEL: heard OK answer{text="x"}            an ask of its own was answered; "heard TIMEOUT" and the like
 *     LABEL: heard OK found OTHER                 the same for ths_found and ths_spawned
 *     LABEL: down OTHER REASON CERTAINTY "TEXT"   ths_down
 *     LABEL: exited OTHER REASON "TEXT"           ths_exited
 *     LABEL: started INCARNATION                  with PUPPET_NOTES_START
 *     LABEL: stopping REASON "TEXT"               with PUPPET_NOTES_STOPPING
 *     LABEL: finally REASON "TEXT"                with PUPPET_NOTES_FINALLY */

#ifndef THS_TESTS_LIB_PUPPET_H
#define THS_TESTS_LIB_PUPPET_H

#include "tests/lib/probe.h"

enum { PUPPET_NOTES_START = 1, PUPPET_NOTES_STOPPING = 2, PUPPET_NOTES_FINALLY = 4 };

THS_MESSAGE(puppet_start, "test.puppet_start", 1, string(label), u32(notes))
THS_MESSAGE(word, "test.word", 1, string(text))
THS_MESSAGE(question, "test.question", 1, string(text)) /* answered with its text */
THS_MESSAGE(answer, "test.answer", 1, string(text))
THS_MESSAGE(secret, "test.secret", 1)                   /* accepted, never answered */
THS_MESSAGE(unheard, "test.unheard", 1)                 /* puppets have no handler for it */
THS_MESSAGE(act, "test.act", 1, u64(todo))              /* address of a struct puppet_todo; answered with done */
THS_MESSAGE(done, "test.done", 1)
THS_MESSAGE(hold, "test.hold", 1, u64(gate))            /* address of a struct probe_gate: waits there */

struct puppet {
    char label[32];
    uint32_t notes;
    uint32_t incarnation;
    bool failed;      /* by puppet_will_fail: the act at hand is not answered */
    uint64_t counter; /* for acts */
};

typedef void puppet_act(struct ths_ctx *ctx, struct puppet *self, void *arg);

struct puppet_todo {
    puppet_act *act;
    void *arg;
};

/* For ths_ask, ths_lookup and ths_spawn_at from an act: notes whatever comes. */
extern const struct ths_reply_to puppet_heard;

/* Spawn a puppet; options.start is filled in. NOBODY fails the test. */
ths_ref puppet_spawn(struct ths_node *node, const char *label, struct ths_spawn_options options);

/* The same from an act, without a check. */
ths_ref puppet_spawn_in(struct ths_ctx *ctx, const char *label, struct ths_spawn_options options);

/* Under the name "puppet", for supervisors and ths_spawn_at. */
enum ths_err puppet_register(struct ths_node *node);

/* Have @who call @act, and wait until it has returned. Anything but OK fails the test. */
void puppet_do(struct ths_node *node, ths_ref who, puppet_act *act, void *arg);

/* The same, and the error of the call is the caller's business. */
enum ths_err puppet_try(struct ths_node *node, ths_ref who, puppet_act *act, void *arg);

/* Have @who wait at @gate, and return when it does. */
void puppet_hold(struct ths_node *node, ths_ref who, struct probe_gate *gate);

/* ths_fail for acts: the request for the act is left to be answered CRASHED. */
void puppet_will_fail(struct ths_ctx *ctx, struct puppet *self, const char *text);

/* Wait until @who has handled all that this thread and settled actors sent it. */
void puppet_settle(struct ths_node *node, ths_ref who);

/* Wait until @who has ended; it must be for the reason @why. Only for actors that the test itself spawned: of others the
 * reason is known to those who wait for it when it happens, see puppet_watch. */
#define assert_ends(node, who, why)                                                                 \
    do {                                                                                            \
        enum ths_reason why_ = THS_REASON_STALE;                                                    \
        assert_int_equal(ths_join(node, who, PROBE_LIMIT_MS, &why_), THS_OK);                       \
        assert_string_equal(ths_reason_text(why_), ths_reason_text(THS_REASON_##why));              \
    } while (0)

/* Spawn a puppet that notes how @who ends: "LABEL: down ...". It watches when this returns. */
ths_ref puppet_watch(struct ths_node *node, const char *label, ths_ref who);

/* By name, so that a failure reads well. */
#define assert_err(got, expected) assert_string_equal(ths_err_name(got), #expected)

/* Acts that many tests use. */
void puppet_stops(struct ths_ctx *ctx, struct puppet *self, void *arg);
void puppet_shuts_down(struct ths_ctx *ctx, struct puppet *self, void *arg);
void puppet_fails(struct ths_ctx *ctx, struct puppet *self, void *text);
void puppet_traps(struct ths_ctx *ctx, struct puppet *self, void *arg);
void puppet_links(struct ths_ctx *ctx, struct puppet *self, void *ref);
void puppet_monitors(struct ths_ctx *ctx, struct puppet *self, void *ref);

/* Setup and teardown of a test: *state is a started node named "test" with four workers, the probe is empty. */
int puppet_node_setup(void **state);
int puppet_node_teardown(void **state);
#define puppet_test(fact) cmocka_unit_test_setup_teardown(fact, puppet_node_setup, puppet_node_teardown)

#endif /* THS_TESTS_LIB_PUPPET_H */
