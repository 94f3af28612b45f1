#include "node/watch.h"

static unsigned look_at_handler(struct thsi_watched *watched, const struct thsi_watch_limits *limits, uint64_t now_ns)
{
    unsigned verdict = THSI_WATCH_BUSY;

    if (now_ns - watched->since_ns < limits->slice_ns)
        return verdict;
    verdict |= THSI_WATCH_OVERRUN;
    if (!watched->overrun)
        verdict |= THSI_WATCH_FIRST;
    watched->overrun = true;
    if (now_ns < watched->stuck_at_ns)
        return verdict;
    while (watched->stuck_at_ns <= now_ns)
        watched->stuck_at_ns += watched->stuck_at_ns - watched->since_ns;
    return verdict | THSI_WATCH_STUCK;
}

static unsigned look_at_turn(struct thsi_watched *watched, const struct thsi_watch_limits *limits, uint64_t now_ns,
                             const void *turn)
{
    if (turn && turn == watched->turn)
        return now_ns - watched->turn_since_ns >= limits->slice_ns ? THSI_WATCH_LONG_TURN : 0;
    watched->turn = turn;
    watched->turn_since_ns = now_ns;
    return 0;
}

unsigned thsi_watch_look(struct thsi_watched *watched, const struct thsi_watch_limits *limits, uint64_t now_ns, uint32_t beat,
                         const void *turn)
{
    bool same = beat == watched->beat;
    unsigned verdict = look_at_turn(watched, limits, now_ns, turn);

    if (same && beat & 1)
        return look_at_handler(watched, limits, now_ns);
    watched->beat = beat;
    watched->overrun = false;
    watched->since_ns = now_ns;
    watched->stuck_at_ns = limits->stuck_ns < UINT64_MAX - now_ns ? now_ns + limits->stuck_ns : UINT64_MAX;
    return same ? verdict : verdict | THSI_WATCH_BUSY;
}
