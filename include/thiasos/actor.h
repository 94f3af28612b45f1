/* Actors: behaviours, messages to and from them, and what a handler may do.
 *
 * A behaviour is a state struct and one typed handler for each message it
 * accepts. Handlers of one actor never run at the same time and run to their end;
 * they should not block, or be marked so (sched.h). Signals between two actors keep their order.
 *
 * Ownership in one sentence: sending copies; a handler borrows its message until
 * it returns. Every pointer of this API is described with one of these words:
 *
 *   borrows  used during the call only; the caller keeps it
 *   copies   the callee makes its own copy; the caller keeps the original
 *   takes    on success the callee owns it; on failure the caller still does
 *   gives    the result belongs to the caller, who releases it with the named function
 *   lends    the result stays owned by the callee and is valid until the named event
 *
 * Where a function takes `where`, both a `struct ths_node *` (from any thread) and a
 * `struct ths_ctx *` (from a handler, as that actor) are accepted. What takes `ctx` alone is for handlers; what takes a
 * node and waits says "Thread: any but a worker": it is for threads outside of actors, such as that of main, and not for
 * handlers, of whatever behaviour.
 *
 * A ref may be of an actor on any node. Where a call is for actors of this node alone, its comment says so. */

#ifndef THIASOS_ACTOR_H
#define THIASOS_ACTOR_H

#include "thiasos/env.h"
#include "thiasos/mailbox.h"
#include "thiasos/message.h"
#include "thiasos/reason.h"
#include "thiasos/ref.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ths_node;

/* What a handler is called with: the running actor. Lent until the handler returns. */
struct ths_ctx;

typedef struct ths_timer_id { uint64_t value; } ths_timer_id;     /* 0: none */
typedef struct ths_monitor_id { uint64_t value; } ths_monitor_id; /* 0: none */
typedef struct ths_ask_id { uint64_t value; } ths_ask_id;         /* 0: none */

/* ---- Behaviours ------------------------------------------------------------------------- */

typedef void ths_handler(struct ths_ctx *ctx, void *self, const void *msg);
typedef void ths_reply_handler(struct ths_ctx *ctx, void *self, enum ths_err err, const void *reply);

struct ths_entry {
    struct ths_type *type;
    ths_handler *handler;
};

/* One behaviour. Made by THS_BEHAVIOUR; lives as long as the program. */
struct ths_behaviour {
    const char *name;                /* under which it is started once it is registered (ths_register) */
    size_t state_size;               /* bytes, zeroed at the start of each incarnation */
    const struct ths_entry *entries;
    unsigned entries_count;
    void *prepared;                  /* the runtime's dispatch table; built at first use */
    bool blocking;                   /* its handlers may block, see sched.h */
};

/* The type of reply an ask wants and who takes it. Made by THS_ON_REPLY. With a NULL type any reply will do, and the handler
 * gets a `const struct ths_message *` in place of the struct. */
struct ths_reply_to {
    ths_reply_handler *handler;
    struct ths_type *type;
};

#ifndef __cplusplus

/* THS_ON(greeter, greet) { ... }: the handler of message greet in behaviour greeter.
 * In scope: struct ths_ctx *ctx, struct greeter *self, const struct greet *msg. */
#define THS_ON(behaviour, message)                                                                  \
    static void behaviour##_on_##message(struct ths_ctx *ctx __attribute__((unused)),               \
                                         struct behaviour *self __attribute__((unused)),            \
                                         const struct message *msg __attribute__((unused)))

/* THS_BEHAVIOUR(greeter, greet, farewell): the table, "greeter" by name. struct greeter is the state.
 * The lifecycle messages of lifecycle.h (ths_started, ths_stopping, ths_down, ...) are entries like any other. */
#define THS_BEHAVIOUR(behaviour, ...) THSP_BEHAVIOUR(false, behaviour, __VA_ARGS__)
/* The same, and its handlers may block (sched.h). */
#define THS_BLOCKING_BEHAVIOUR(behaviour, ...) THSP_BEHAVIOUR(true, behaviour, __VA_ARGS__)
#define THSP_BEHAVIOUR(blocking, behaviour, ...)                                                    \
    THSP_FOR_EACH_WITH(THSP_BEHAVIOUR_THUNK, behaviour, __VA_ARGS__)                                \
    static const struct ths_entry behaviour##_entries[] = {                                         \
        THSP_FOR_EACH_WITH(THSP_BEHAVIOUR_ENTRY, behaviour, __VA_ARGS__)                            \
    };                                                                                              \
    static struct ths_behaviour behaviour##_behaviour __attribute__((unused)) = {                   \
        #behaviour, sizeof(struct behaviour), behaviour##_entries,                                  \
        sizeof behaviour##_entries / sizeof behaviour##_entries[0], 0, blocking                     \
    };

#define THSP_BEHAVIOUR_THUNK(behaviour, message)                                                    \
    static void behaviour##_thunk_##message(struct ths_ctx *ctx, void *self, const void *msg)       \
    {                                                                                               \
        behaviour##_on_##message(ctx, (struct behaviour *)self, (const struct message *)msg);       \
    }
#define THSP_BEHAVIOUR_ENTRY(behaviour, message) { &message##_type, behaviour##_thunk_##message },

/* THS_ON_REPLY(client, client_got, balance) { ... }: takes the answers of asks that name client_got.
 * In scope: ctx, self, enum ths_err err, const struct balance *reply (NULL unless err == THS_OK).
 * Write it above the handlers that ask. */
#define THS_ON_REPLY(behaviour, handler, message)                                                   \
    static void handler##_typed(struct ths_ctx *ctx, struct behaviour *self, enum ths_err err,      \
                                const struct message *reply);                                       \
    static void handler##_thunk(struct ths_ctx *ctx, void *self, enum ths_err err, const void *reply) \
    {                                                                                               \
        handler##_typed(ctx, (struct behaviour *)self, err, (const struct message *)reply);         \
    }                                                                                               \
    static const struct ths_reply_to handler = { handler##_thunk, &message##_type };                \
    static void handler##_typed(struct ths_ctx *ctx __attribute__((unused)),                        \
                                struct behaviour *self __attribute__((unused)),                     \
                                enum ths_err err __attribute__((unused)),                           \
                                const struct message *reply __attribute__((unused)))

/* THS_ACCEPTS(greeter, greet, farewell): in a header shared with the users of greeter. Makes struct greeter_ref,
 * which ths_tell_to lets send these messages and no others. Convert with greeter_ref_of(ref) and .ref. */
#define THS_ACCEPTS(behaviour, ...)                                                                 \
    struct behaviour##_ref { ths_ref ref; };                                                        \
    static inline struct behaviour##_ref behaviour##_ref_of(ths_ref ref)                            \
    {                                                                                               \
        return (struct behaviour##_ref){ ref };                                                     \
    }                                                                                               \
    enum { THSP_FOR_EACH_WITH(THSP_ACCEPTS_ONE, behaviour, __VA_ARGS__) behaviour##_accepts_count };
#define THSP_ACCEPTS_ONE(behaviour, message) behaviour##_accepts_##message,

/* ---- Spawning --------------------------------------------------------------------------- */

/* ths_spawn(where, greeter, .name = "greeter", .start = THS_MSG(greeter_args, .language = "el")).
 * Returns the ref, or THS_NOBODY when memory is out, the name is taken or the options are invalid (logged).
 * From a handler, .link ties the two and .monitor watches the new one, both in the same step as the spawn. */
#define ths_spawn(where, ...) THSP_SPAWN(where, __VA_ARGS__, .thsp_end = 0)
#define THSP_SPAWN(where, behaviour, ...)                                                           \
    thsp_spawn(THSP_WHERE(where), &behaviour##_behaviour, &(struct ths_spawn_options){ __VA_ARGS__ }, NULL)

/* As ths_spawn, and says why not: ths_try_spawn(where, &ref, greeter, .name = "x"). Must be checked. */
#define ths_try_spawn(where, out, ...) THSP_TRY_SPAWN(where, out, __VA_ARGS__, .thsp_end = 0)
#define THSP_TRY_SPAWN(where, out, behaviour, ...)                                                  \
    thsp_try_spawn(THSP_WHERE(where), &behaviour##_behaviour, &(struct ths_spawn_options){ __VA_ARGS__ }, out)

/* ths_register(node, greeter): let supervisors (supervisor.h) and ths_spawn_at (start.h), of this node and of others, start
 * greeter on this node by its name. Registering twice is registering once. Errors: NAME_TAKEN (by another behaviour), NOMEM.
 * Thread: any. */
#define ths_register(node, behaviour) thsp_register(node, &behaviour##_behaviour)

/* ---- Messages --------------------------------------------------------------------------- */

/* ths_tell(where, to, greet, .name = "world"): copies the message into the receiver's mailbox. At most once.
 * Returns what is known at once: OK, FULL, GONE (also for THS_NOBODY), STALE, UNKNOWN_NODE, TOO_BIG, MALFORMED, NOMEM, CLOSED (it
 * is draining, or its node stops); for an actor of another node also UNKNOWN_TYPE and TYPE_MISMATCH. May be ignored: what was
 * not delivered is counted as a dead letter. For an actor of another node OK means "on its way"; what is refused there,
 * or lost, is counted here when that is known, and told to the sending actor as a ths_undelivered (lifecycle.h). */
#define ths_tell(where, to, ...) \
    thsp_tell(THSP_WHERE(where), to, THSP_TYPE_V(__VA_ARGS__), THSP_LITERAL_V(__VA_ARGS__))

/* The same, but the result must be checked, and a refusal is not counted as a dead letter. */
#define ths_try_tell(where, to, ...) \
    thsp_try_tell(THSP_WHERE(where), to, THSP_TYPE_V(__VA_ARGS__), THSP_LITERAL_V(__VA_ARGS__))

/* ths_tell_to(where, greeter, typed_ref, farewell, ...): does not compile unless greeter accepts farewell. */
#define ths_tell_to(where, behaviour, typed, ...)                                                   \
    ((void)THSP_CAT3(behaviour, _accepts_, THSP_HEAD(__VA_ARGS__)),                                 \
     ths_tell(where, (typed).ref, __VA_ARGS__))

/* ths_ask(ctx, to, get_balance, client_got, 500, .account = 7): sends a request; client_got runs exactly once, with the reply or
 * with why there is none (TIMEOUT, GONE, STALE, FULL, EXPIRED, CRASHED, REFUSED, UNKNOWN_NODE, NODE_LOST, ...).
 * Refusals known at once arrive in the handler too. Returns the ask's id, by which it can be taken back (ask.h); 0 when
 * it ended at once. Only from a handler. */
#define ths_ask(ctx, to, message, reply_to, ...)                                                    \
    thsp_ask(ctx, to, &message##_type, THSP_LITERAL_TAIL_V(message, __VA_ARGS__), &(reply_to),      \
             THSP_HEAD(__VA_ARGS__))

/* ths_reply(ctx, balance, .amount = 5): answers the request at hand. The result may be ignored.
 * Errors: NO_ASK (the message is no request, or was answered), EXPIRED (the asker on this node waits no more), and those of
 * ths_tell. */
#define ths_reply(ctx, ...) thsp_reply(ctx, THSP_TYPE_V(__VA_ARGS__), THSP_LITERAL_V(__VA_ARGS__))

#define THSP_TYPE_V(...) (&THSP_CAT2(THSP_HEAD(__VA_ARGS__), _type))
#define THSP_CAT2(a, b) THSP_CAT2_(a, b)
#define THSP_CAT2_(a, b) a##b
#define THSP_CAT3(a, b, c) THSP_CAT3_(a, b, c)
#define THSP_CAT3_(a, b, c) a##b##c
#define THSP_WHERE(where) \
    _Generic((where), struct ths_node *: thsp_of_node, struct ths_ctx *: thsp_of_ctx)(where)

#endif /* __cplusplus */

/* ---- The running actor ------------------------------------------------------------------ */

THS_API ths_ref ths_self(struct ths_ctx *ctx);

/* Who sent the message at hand; nobody for one sent by a thread outside, a timer or the runtime. */
THS_API ths_ref ths_sender(struct ths_ctx *ctx);

THS_API struct ths_node *ths_node_of(struct ths_ctx *ctx);

/* Monotonic milliseconds; virtual in the simulator. */
THS_API uint64_t ths_now_ms(struct ths_ctx *ctx);

/* End after this handler, reason NORMAL. What waits in the mailbox becomes dead letters. */
THS_API void ths_stop(struct ths_ctx *ctx);

/* End after this handler with SHUTDOWN. */
THS_API void ths_shutdown(struct ths_ctx *ctx);

/* Crash after this handler: reason CRASHED with this text. The request at hand is answered CRASHED.
 * A supervised actor may be restarted in place, with its ref and mailbox. Return after calling it. */
THS_API void ths_fail(struct ths_ctx *ctx, const char *format, ...) THS_PRINTF(2, 3);

/* ths_log(ctx, WARN, "no balance: %s", text). */
#define ths_log(ctx, level, ...) thsp_log(ctx, THS_LOG_##level, __VA_ARGS__)

/* ---- Links, monitors, ends of others ---------------------------------------------------- */

/* Tie the running actor and @to: when one ends with a reason other than NORMAL, the other ends with the same reason,
 * unless it traps exits. Linking twice is one link. A link to an actor that is no more acts at once. */
THS_API void ths_link(struct ths_ctx *ctx, ths_ref to);
THS_API void ths_unlink(struct ths_ctx *ctx, ths_ref to);

/* With @on, exits of linked actors come as ths_exited messages instead of ending this actor. */
THS_API void ths_trap_exits(struct ths_ctx *ctx, bool on);

/* Watch @whom: exactly one ths_down comes when it ends, when its node is lost, or at once when it is not there.
 * Returns 0 when memory is out. */
THS_API ths_monitor_id ths_monitor(struct ths_ctx *ctx, ths_ref whom);

/* After it returned, no ths_down of this monitor is delivered. */
THS_API void ths_demonitor(struct ths_ctx *ctx, ths_monitor_id monitor);

/* ths_kill(where, ref): the actor ends at the end of its present handler, ahead of its queue, and cannot refuse. A supervisor's
 * child may be restarted in place, as after a crash.
 * stop.h has the ways that leave it time. */
#define ths_kill(where, whom) thsp_kill(THSP_WHERE(where), whom)

/* ---- Names ------------------------------------------------------------------------------ */

#define THS_NAME_SIZE 64 /* longest name with its NUL; names are [A-Za-z0-9_.:/-]+ */

/* ths_lookup(ctx, "bank", client_found, 500): ask for the ref of "name" or "name@node". The answer is a ths_found, in
 * THS_ON_REPLY(client, client_found, ths_found); or NOT_FOUND, TIMEOUT, ... */
#define ths_lookup(ctx, name, reply_to, timeout_ms) thsp_lookup(ctx, name, &(reply_to), timeout_ms)

/* ---- What the macros call --------------------------------------------------------------- */

/* What an actor is spawned with, by ths_spawn and its kin, as the child of a supervisor (.spawn of struct ths_child) and on
 * another node (ths_spawn_at): the same options with the same meaning. Those of a child hold for all its incarnations. */
struct ths_spawn_options {
    const char *name;          /* copied; NULL: none. Not of a child, which has its own, nor .start, .link and .monitor */
    struct ths_message start;  /* copied; the first message after ths_started */
    uint32_t mailbox;          /* data messages it may hold; 0: 1,024 */
    bool link;                 /* with the spawner; only from a handler */
    bool monitor;              /* by the spawner; only from a handler */
    bool trap_exits;
    bool own_thread;           /* run by a thread of its own, see sched.h; TOO_MANY, NOMEM or IO when there is none */
    uint32_t idle_ms;          /* ends NORMAL when nothing came for so long, see ths_receive_timeout; 0: never */
    bool held;                 /* once, by the spawner: see ths_release */
    enum ths_when_full when_full; /* these five: mailbox.h */
    const char *key;           /* with THS_LATEST_BY_KEY: the field that is the key; copied */
    ths_key_of *key_of;        /* or the function that finds it; on this node only: elsewhere UNSUPPORTED */
    struct ths_type *const *urgent; /* THS_URGENT(...); the list is copied */
    uint64_t mailbox_bytes;    /* of data messages that wait, as blocks of memory; 0: no bound */
    size_t memory_max;         /* bytes that it may have by ths_alloc (memory.h); 0: no limit */
    char thsp_end;
};

THS_API struct ths_ctx *thsp_of_node(struct ths_node *node);
static inline struct ths_ctx *thsp_of_ctx(struct ths_ctx *ctx) { return ctx; }

THS_API ths_ref thsp_spawn(struct ths_ctx *ctx, struct ths_behaviour *behaviour,
                           const struct ths_spawn_options *options, void *reserved);
THS_MUST_CHECK THS_API enum ths_err thsp_try_spawn(struct ths_ctx *ctx, struct ths_behaviour *behaviour,
                                                   const struct ths_spawn_options *options, ths_ref *out);
THS_API enum ths_err thsp_register(struct ths_node *node, struct ths_behaviour *behaviour);
THS_API enum ths_err thsp_tell(struct ths_ctx *ctx, ths_ref to, struct ths_type *type, const void *body);
THS_MUST_CHECK THS_API enum ths_err thsp_try_tell(struct ths_ctx *ctx, ths_ref to, struct ths_type *type,
                                                  const void *body);
THS_API ths_ask_id thsp_ask(struct ths_ctx *ctx, ths_ref to, struct ths_type *type, const void *body,
                            const struct ths_reply_to *reply_to, unsigned timeout_ms);
THS_API void thsp_lookup(struct ths_ctx *ctx, const char *name, const struct ths_reply_to *reply_to, unsigned timeout_ms);
THS_API enum ths_err thsp_reply(struct ths_ctx *ctx, struct ths_type *type, const void *body);
THS_API void thsp_kill(struct ths_ctx *ctx, ths_ref whom);
THS_API void thsp_log(struct ths_ctx *ctx, enum ths_log_level level, const char *format, ...) THS_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif

#include "thiasos/timer.h" /* timers are a part of it */

#endif /* THIASOS_ACTOR_H */
