#include "cluster/frames.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

/* Ordinary frames kept for reuse: what one busy link has on its way, so that a steady stream allocates nothing. */
#define KEPT_MAX 64

struct thsi_frames {
    struct ths_env *env;
    pthread_mutex_t mutex;        /* over all below; held for a few instructions, once a frame */
    void (*wake)(void *arg);
    void *wake_arg;
    struct thsi_outframe *kept;   /* ordinary, empty */
    unsigned kept_count;
    struct thsi_outframe *back_head, *back_tail; /* given back by the transport, oldest first */
    size_t out_count;             /* frames that exist outside of the pool's lists */
    bool wanted;
    bool closed;
};

static void free_list(struct ths_env *env, struct thsi_outframe *frame)
{
    while (frame) {
        struct thsi_outframe *next = frame->next;
        (void)env->memory(env, frame, 0);
        frame = next;
    }
}

static void destroy(struct thsi_frames *frames)
{
    free_list(frames->env, frames->kept);
    free_list(frames->env, frames->back_head);
    (void)pthread_mutex_destroy(&frames->mutex);
    (void)frames->env->memory(frames->env, frames, 0);
}

struct thsi_frames *thsi_frames_create(struct ths_env *env, void (*wake)(void *arg), void *wake_arg)
{
    struct thsi_frames *frames = env->memory(env, NULL, sizeof *frames);

    if (!frames)
        return NULL;
    memset(frames, 0, sizeof *frames);
    frames->env = env;
    frames->wake = wake;
    frames->wake_arg = wake_arg;
    (void)pthread_mutex_init(&frames->mutex, NULL);
    return frames;
}

void thsi_frames_close(struct thsi_frames *frames)
{
    bool last;

    (void)pthread_mutex_lock(&frames->mutex);
    assert(!frames->closed);
    frames->closed = true;
    last = frames->out_count == 0;
    (void)pthread_mutex_unlock(&frames->mutex);
    if (last)
        destroy(frames);
}

/* The transport is done with the bytes. wake runs under the lock, so that close cannot pass while it runs. */
static void came_back(struct thsi_chunk *chunk)
{
    struct thsi_outframe *frame = (struct thsi_outframe *)chunk;
    struct thsi_frames *frames = frame->frames;

    (void)pthread_mutex_lock(&frames->mutex);
    if (frames->closed) {
        (void)pthread_mutex_unlock(&frames->mutex);
        thsi_frames_put(frames, frame);
        return;
    }
    frame->next = NULL;
    if (frames->back_tail)
        frames->back_tail->next = frame;
    else
        frames->back_head = frame;
    frames->back_tail = frame;
    frames->out_count--;
    if (frames->wanted) {
        frames->wanted = false;
        frames->wake(frames->wake_arg);
    }
    (void)pthread_mutex_unlock(&frames->mutex);
}

static struct thsi_outframe *take_kept(struct thsi_frames *frames, size_t cap)
{
    struct thsi_outframe *frame = NULL;

    (void)pthread_mutex_lock(&frames->mutex);
    if (cap == THSI_FRAME_PAYLOAD && frames->kept) {
        frame = frames->kept;
        frames->kept = frame->next;
        frames->kept_count--;
    }
    frames->out_count++;
    (void)pthread_mutex_unlock(&frames->mutex);
    return frame;
}

struct thsi_outframe *thsi_frames_get(struct thsi_frames *frames, size_t cap)
{
    struct thsi_outframe *frame = take_kept(frames, cap);

    assert(cap <= THSI_SEALED_PAYLOAD_MAX);
    if (!frame)
        frame = frames->env->memory(frames->env, NULL, sizeof *frame + cap + THSI_SEALED_OVERHEAD);
    if (!frame) {
        (void)pthread_mutex_lock(&frames->mutex);
        frames->out_count--;
        (void)pthread_mutex_unlock(&frames->mutex);
        return NULL;
    }
    memset(frame, 0, offsetof(struct thsi_outframe, pairs));
    frame->frames = frames;
    frame->cap = cap;
    frame->chunk.data = frame->bytes;
    frame->chunk.release = came_back;
    return frame;
}

void thsi_frames_put(struct thsi_frames *frames, struct thsi_outframe *frame)
{
    bool last;

    if (!frame)
        return;
    (void)pthread_mutex_lock(&frames->mutex);
    assert(frames->out_count > 0);
    frames->out_count--;
    last = frames->closed && frames->out_count == 0;
    if (!frames->closed && frame->cap == THSI_FRAME_PAYLOAD && frames->kept_count < KEPT_MAX) {
        frame->next = frames->kept;
        frames->kept = frame;
        frames->kept_count++;
        frame = NULL;
    }
    (void)pthread_mutex_unlock(&frames->mutex);
    if (frame)
        (void)frames->env->memory(frames->env, frame, 0);
    if (last)
        destroy(frames);
}

struct thsi_outframe *thsi_frames_collect(struct thsi_frames *frames)
{
    struct thsi_outframe *list;

    (void)pthread_mutex_lock(&frames->mutex);
    list = frames->back_head;
    frames->back_head = frames->back_tail = NULL;
    for (struct thsi_outframe *frame = list; frame; frame = frame->next)
        frames->out_count++;
    (void)pthread_mutex_unlock(&frames->mutex);
    return list;
}

void thsi_frames_want(struct thsi_frames *frames)
{
    (void)pthread_mutex_lock(&frames->mutex);
    if (frames->back_head)
        frames->wake(frames->wake_arg);
    else
        frames->wanted = true;
    (void)pthread_mutex_unlock(&frames->mutex);
}
