/* Beginnings and ends that a thread outside of actors waits for. */

#include "node/outside.h"
#include "thiasos/lifecycle.h"
#include "thiasos/stop.h"

/* ---- Stopping --------------------------------------------------------------------------- */

struct stop_call {
    ths_ref whom;
    unsigned timeout_ms;
    const struct ths_stop_options *options;
    enum ths_err err;
};

struct ths_stopper {
    struct stop_call *call;
};

THS_ON_REPLY(ths_stopper, stopper_heard, ths_stopped)
{
    self->call->err = err;
    ths_stop(ctx);
}

THS_ON(ths_stopper, ths_caller_start)
{
    self->call = (struct stop_call *)(uintptr_t)msg->address;
    thsp_stop_then(ctx, self->call->whom, &stopper_heard, self->call->timeout_ms, self->call->options);
}

THS_BEHAVIOUR(ths_stopper, ths_caller_start)

enum ths_err thsp_stop_wait(struct ths_node *node, ths_ref whom, unsigned timeout_ms,
                            const struct ths_stop_options *options)
{
    struct stop_call call = { .whom = whom, .timeout_ms = timeout_ms, .options = options, .err = THS_CLOSED };
    enum ths_err err = thsi_outside_run(node, &ths_stopper_behaviour, &call);

    return err == THS_OK ? call.err : err;
}
