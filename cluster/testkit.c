/* Probes. What comes is copied in the probe's handler and waits in a list; what the test does goes as a call into another
 * handler, and the simulator runs until it has returned. */

#include "thiasos/testkit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/blob.h"

enum { IGNORED_MAX = 16, MAILBOX = 1 << 16, ACT_MS = 60000, END_MS = 60000, TEXT = 512 };

/* Something that came. The body lies behind it. */
struct arrival {
    struct arrival *next;
    const struct thsi_type_info *info; /* NULL: an ask ended with err */
    enum ths_err err;
    ths_ref from;
    struct ths_asked asked;            /* id 0: it is no request */
    _Alignas(8) unsigned char body[];
};

struct ths_probe {
    struct ths_sim *sim;
    struct ths_node *node;
    unsigned number;
    char name[THS_NAME_SIZE];
    ths_ref ref;
    void (*fail)(const char *why, void *arg);
    void *fail_arg;
    const struct thsi_type_info *ignored[IGNORED_MAX];
    unsigned ignored_count;
    struct arrival *first, **last;
    struct arrival *hand;              /* expected last; lent */
    bool no_memory;                    /* something came and could not be kept */
};

struct call {
    void (*act)(struct ths_ctx *ctx, void *arg);
    void *arg;
    bool done;
};

/* ---- The actor ------------------------------------------------------------------------------------------------------ */

THS_MESSAGE(ths_probe_begin, "ths.here.probe_begin", 1, u64(address))
THS_MESSAGE(ths_probe_call, "ths.here.probe_call", 1, u64(address))

struct ths_probe_actor {
    struct ths_probe *it;
};

static bool is_ignored(const struct ths_probe *probe, const struct thsi_type_info *info)
{
    for (unsigned i = 0; i < probe->ignored_count; i++)
        if (probe->ignored[i] == info)
            return true;
    return false;
}

static void arrive(struct ths_ctx *ctx, struct ths_probe *probe, const struct thsi_type_info *info, enum ths_err err,
                   const void *body)
{
    size_t size = info ? thsi_message_size(info, body) : 0;
    struct arrival *arrival;

    if (info && is_ignored(probe, info))
        return;
    arrival = malloc(sizeof *arrival + size);
    if (!arrival) {
        probe->no_memory = true;
        return;
    }
    *arrival = (struct arrival){ .info = info, .err = err, .from = ths_sender(ctx) };
    if (info)
        thsi_message_copy(info, arrival->body, body);
    arrival->asked = ths_defer(ctx);
    *probe->last = arrival;
    probe->last = &arrival->next;
}

static void discard(struct arrival *arrival)
{
    if (arrival && arrival->info && arrival->info->has_blobs)
        thsi_message_release(arrival->info, arrival->body);
    free(arrival);
}

static void answered(struct ths_ctx *ctx, void *self, enum ths_err err, const void *reply)
{
    const struct ths_message *message = reply;

    arrive(ctx, ((struct ths_probe_actor *)self)->it, message ? thsi_type_intern(message->type) : NULL, err,
           message ? message->body : NULL);
}

static const struct ths_reply_to answer_kept = { answered, NULL };

THS_ON(ths_probe_actor, ths_probe_begin)
{
    self->it = (struct ths_probe *)(uintptr_t)msg->address;
    ths_trap_exits(ctx, true);
}

THS_ON(ths_probe_actor, ths_probe_call)
{
    struct call *call = (struct call *)(uintptr_t)msg->address;

    call->act(ctx, call->arg);
    call->done = true;
}

THS_ON(ths_probe_actor, ths_any)
{
    arrive(ctx, self->it, thsi_type_intern(msg->message.type), THS_OK, msg->message.body);
}

THS_BEHAVIOUR(ths_probe_actor, ths_probe_begin, ths_probe_call, ths_any)

/* ---- Failing -------------------------------------------------------------------------------------------------------- */

THS_PRINTF(2, 3)
static void fail(struct ths_probe *probe, const char *format, ...)
{
    char why[3 * TEXT];
    int len = snprintf(why, sizeof why, "probe %s, at %llu ms: ", probe->name[0] ? probe->name : "-",
                       (unsigned long long)ths_sim_now_ms(probe->sim));
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why + len, sizeof why - (size_t)len, format, args);
    va_end(args);
    if (probe->fail) {
        probe->fail(why, probe->fail_arg);
        return;
    }
    (void)fprintf(stderr, "%s\n", why);
    abort();
}

/* What came, for a text: "greeting{text=\"a\"} came". */
static const char *print(const struct arrival *arrival, char text[TEXT])
{
    char message[TEXT - 8];

    if (arrival->info) {
        (void)thsi_message_print(arrival->info, arrival->body, message, sizeof message);
        (void)snprintf(text, TEXT, "%s came", message);
        return text;
    }
    (void)snprintf(text, TEXT, "an ask of its own ended %s", ths_err_name(arrival->err));
    return text;
}

/* Why nothing came, for a text. */
static const char *why_nothing(const struct ths_probe *probe)
{
    if (probe->no_memory)
        return "something came that could not be kept: no memory";
    if (ths_sim_node(probe->sim, probe->number) != probe->node)
        return "its node has crashed";
    return ths_join(probe->node, probe->ref, 0, NULL) == THS_TIMEOUT ? "nothing came" : "its actor has ended";
}

/* ---- Life ----------------------------------------------------------------------------------------------------------- */

struct ths_probe *ths_probe_create(struct ths_sim *sim, unsigned number, const char *name)
{
    struct ths_probe *probe = calloc(1, sizeof *probe);
    struct ths_node *node = ths_sim_node(sim, number);

    if (!probe || !node)
        goto failed;
    probe->sim = sim;
    probe->node = node;
    probe->number = number;
    probe->last = &probe->first;
    (void)snprintf(probe->name, sizeof probe->name, "%s", name ? name : "");
    probe->ref = ths_spawn(node, ths_probe_actor, .name = name, .mailbox = MAILBOX,
                           .start = THS_MSG(ths_probe_begin, .address = (uint64_t)(uintptr_t)probe));
    if (!ths_ref_is_nobody(probe->ref))
        return probe;

failed:
    free(probe);
    return NULL;
}

void ths_probe_destroy(struct ths_probe *probe)
{
    if (!probe)
        return;
    if (ths_sim_node(probe->sim, probe->number) == probe->node) {
        ths_kill(probe->node, probe->ref);
        (void)ths_join(probe->node, probe->ref, END_MS, NULL);
    }
    discard(probe->hand);
    while (probe->first) {
        struct arrival *next = probe->first->next;

        discard(probe->first);
        probe->first = next;
    }
    free(probe);
}

ths_ref ths_probe_ref(const struct ths_probe *probe)
{
    return probe->ref;
}

void ths_probe_on_failure(struct ths_probe *probe, void (*fail_call)(const char *why, void *arg), void *arg)
{
    probe->fail = fail_call;
    probe->fail_arg = arg;
}

/* ---- Expecting ------------------------------------------------------------------------------------------------------ */

static bool has_come(void *arg)
{
    return ((const struct ths_probe *)arg)->first != NULL;
}

/* Take the next arrival into the hand. NULL: none came. */
static struct arrival *next(struct ths_probe *probe, unsigned within_ms)
{
    struct arrival *arrival;

    discard(probe->hand);
    probe->hand = NULL;
    if (!ths_sim_run_until(probe->sim, within_ms, has_come, probe))
        return NULL;
    arrival = probe->first;
    probe->first = arrival->next;
    if (!probe->first)
        probe->last = &probe->first;
    probe->hand = arrival;
    return arrival;
}

enum ths_err thsp_probe_ignore(struct ths_probe *probe, struct ths_type *type)
{
    const struct thsi_type_info *info = thsi_type_intern(type);
    struct arrival **at = &probe->first;

    if (!info || (probe->ignored_count == IGNORED_MAX && !is_ignored(probe, info)))
        return THS_INVALID;
    if (!is_ignored(probe, info))
        probe->ignored[probe->ignored_count++] = info;
    while (*at) {
        struct arrival *arrival = *at;

        if (arrival->info != info) {
            at = &arrival->next;
            continue;
        }
        *at = arrival->next;
        discard(arrival);
    }
    probe->last = at;
    return THS_OK;
}

const void *thsp_probe_expect(struct ths_probe *probe, unsigned within_ms, struct ths_type *type)
{
    struct arrival *arrival = next(probe, within_ms);
    char text[TEXT];

    if (arrival && arrival->info && arrival->info == thsi_type_intern(type))
        return arrival->body;
    if (arrival)
        fail(probe, "expected %s, but %s", type->name, print(arrival, text));
    else
        fail(probe, "expected %s within %u ms, but %s", type->name, within_ms, why_nothing(probe));
    return NULL;
}

struct ths_message ths_probe_expect_any(struct ths_probe *probe, unsigned within_ms)
{
    struct arrival *arrival = next(probe, within_ms);
    char text[TEXT];

    if (arrival && arrival->info)
        return (struct ths_message){ arrival->info->type, arrival->body };
    if (arrival)
        fail(probe, "expected a message, but %s", print(arrival, text));
    else
        fail(probe, "expected a message within %u ms, but %s", within_ms, why_nothing(probe));
    return (struct ths_message){ NULL, NULL };
}

bool ths_probe_expect_none(struct ths_probe *probe, unsigned for_ms)
{
    char text[TEXT];

    if (!ths_sim_run_until(probe->sim, for_ms, has_come, probe))
        return true;
    fail(probe, "expected nothing for %u ms, but %s", for_ms, print(probe->first, text));
    return false;
}

bool ths_probe_expect_err(struct ths_probe *probe, unsigned within_ms, enum ths_err err)
{
    struct arrival *arrival = next(probe, within_ms);
    char text[TEXT];

    if (arrival && !arrival->info && arrival->err == err)
        return true;
    if (arrival)
        fail(probe, "expected an ask to end %s, but %s", ths_err_name(err), print(arrival, text));
    else
        fail(probe, "expected an ask to end %s within %u ms, but %s", ths_err_name(err), within_ms, why_nothing(probe));
    return false;
}

ths_ref ths_probe_sender(const struct ths_probe *probe)
{
    return probe->hand ? probe->hand->from : THS_NOBODY;
}

/* ---- Acting --------------------------------------------------------------------------------------------------------- */

static bool is_done(void *arg)
{
    return ((const struct call *)arg)->done;
}

bool ths_probe_do(struct ths_probe *probe, void (*act)(struct ths_ctx *ctx, void *arg), void *arg)
{
    struct call call = { act, arg, false };
    enum ths_err err = THS_GONE;

    if (ths_sim_node(probe->sim, probe->number) == probe->node)
        err = ths_try_tell(probe->node, probe->ref, ths_probe_call, .address = (uint64_t)(uintptr_t)&call);
    if (err == THS_OK && ths_sim_run_until(probe->sim, ACT_MS, is_done, &call))
        return true;
    /* A call that waits on in the mailbox must not find this frame gone. */
    if (err == THS_OK)
        ths_kill(probe->node, probe->ref);
    fail(probe, "expected to act, but %s", err == THS_OK ? "its node gets no time" : why_nothing(probe));
    return false;
}

struct parcel {
    ths_ref to;
    struct ths_type *type;
    const void *body;
    unsigned timeout_ms;
    struct ths_asked *asked;
    enum ths_err err;
    ths_monitor_id monitor;
};

static void do_tell(struct ths_ctx *ctx, void *arg)
{
    struct parcel *parcel = arg;

    parcel->err = thsp_tell(ctx, parcel->to, parcel->type, parcel->body);
}

enum ths_err thsp_probe_tell(struct ths_probe *probe, ths_ref to, struct ths_type *type, const void *body)
{
    struct parcel parcel = { .to = to, .type = type, .body = body, .err = THS_GONE };

    (void)ths_probe_do(probe, do_tell, &parcel);
    return parcel.err;
}

static void do_ask(struct ths_ctx *ctx, void *arg)
{
    struct parcel *parcel = arg;

    (void)thsp_ask(ctx, parcel->to, parcel->type, parcel->body, &answer_kept, parcel->timeout_ms);
}

void thsp_probe_ask(struct ths_probe *probe, ths_ref to, struct ths_type *type, const void *body, unsigned timeout_ms)
{
    struct parcel parcel = { .to = to, .type = type, .body = body, .timeout_ms = timeout_ms };

    (void)ths_probe_do(probe, do_ask, &parcel);
}

static void do_reply(struct ths_ctx *ctx, void *arg)
{
    struct parcel *parcel = arg;

    parcel->err = thsp_reply_to(ctx, parcel->asked, parcel->type, parcel->body);
}

enum ths_err thsp_probe_reply(struct ths_probe *probe, struct ths_type *type, const void *body)
{
    struct parcel parcel = { .type = type, .body = body, .err = THS_GONE };

    if (!probe->hand || probe->hand->asked.id == 0)
        return THS_NO_ASK;
    parcel.asked = &probe->hand->asked;
    (void)ths_probe_do(probe, do_reply, &parcel);
    probe->hand->asked.id = 0;
    return parcel.err;
}

static void do_monitor(struct ths_ctx *ctx, void *arg)
{
    struct parcel *parcel = arg;

    parcel->monitor = ths_monitor(ctx, parcel->to);
}

ths_monitor_id ths_probe_monitor(struct ths_probe *probe, ths_ref whom)
{
    struct parcel parcel = { .to = whom };

    (void)ths_probe_do(probe, do_monitor, &parcel);
    return parcel.monitor;
}

static void do_link(struct ths_ctx *ctx, void *arg)
{
    ths_link(ctx, ((const struct parcel *)arg)->to);
}

void ths_probe_link(struct ths_probe *probe, ths_ref whom)
{
    struct parcel parcel = { .to = whom };

    (void)ths_probe_do(probe, do_link, &parcel);
}
