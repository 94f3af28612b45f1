/* Timers: messages that an actor sends to itself, later.
 *
 * A timer belongs to the incarnation that started it: it ends with it, does not keep it alive, and never reaches whoever
 * comes after it. Its message comes through the mailbox, not before its time, without a sender, and is not counted against
 * the mailbox's bound. Starting and cancelling cost the same however many there are. All calls: only from a handler.
 *
 * A node whose clock stands still while the machine sleeps does so with all timers but those at a wall time. */

#ifndef THIASOS_TIMER_H
#define THIASOS_TIMER_H

#include "thiasos/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef __cplusplus

/* ths_after(ctx, 250, tick, .n = 1): once, 250 ms from now.
 *
 * This and the others return 0 when memory is out, when the message is refused (as a tell of it would be), and when the time is
 * more than 500 years. */
#define ths_after(ctx, delay_ms, ...) THSP_TIMER(ctx, THSP_AFTER, delay_ms, __VA_ARGS__)

/* ths_every(ctx, 250, tick): again and again, at a fixed rate: the n-th comes n * 250 ms from now at the earliest. Those whose time
 * passed while the actor was busy are left out. Returns 0 for a period of 0, too. */
#define ths_every(ctx, period_ms, ...) THSP_TIMER(ctx, THSP_EVERY, period_ms, __VA_ARGS__)

/* ths_repeat(ctx, 250, tick): again and again, with a fixed pause: 250 ms from now, and then each time 250 ms after the handler of
 * the last one returned. Returns 0 for a pause of 0, too. */
#define ths_repeat(ctx, pause_ms, ...) THSP_TIMER(ctx, THSP_REPEAT, pause_ms, __VA_ARGS__)

/* ths_at_wall(ctx, 1767225600000, happy_new_year): once, when the wall clock (milliseconds since 1970) shows this time or a
 * later one; at once if it does so now. A clock that is set meanwhile is noticed within a second. */
#define ths_at_wall(ctx, wall_ms, ...) THSP_TIMER(ctx, THSP_AT_WALL, wall_ms, __VA_ARGS__)

#define THSP_TIMER(ctx, kind, ms, ...) thsp_timer(ctx, kind, ms, THSP_TYPE_V(__VA_ARGS__), THSP_LITERAL_V(__VA_ARGS__))

#endif /* __cplusplus */

/* Cancel a timer of the running actor. After it returned the timer's message is not delivered any more.
 * A timer that fired or was cancelled is ignored. */
THS_API void ths_cancel(struct ths_ctx *ctx, ths_timer_id timer);

/* What the wall clock shows: milliseconds since 1970. In the simulator it begins with 2026. */
THS_API uint64_t ths_wall_ms(struct ths_ctx *ctx);

/* ---- What the macros call --------------------------------------------------------------- */

enum thsp_timer_kind { THSP_AFTER, THSP_EVERY, THSP_REPEAT, THSP_AT_WALL };

THS_API ths_timer_id thsp_timer(struct ths_ctx *ctx, enum thsp_timer_kind kind, uint64_t ms, struct ths_type *type,
                                const void *body);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_TIMER_H */
