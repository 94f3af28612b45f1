/* One task accepts, one task for each client serves. A client's slot goes FREE, SERVING, DONE and back to FREE; only
 * the accepting task (and, after that has ended, the stopping thread) frees slots and closes descriptors, so nobody
 * ever touches a descriptor that was given to somebody else. */

#define _GNU_SOURCE /* accept4 */

#include "cluster/control.h"

#include "cluster/control_requests.h"
#include "cluster/control_socket.h"
#include "cluster/note.h"
#include "cluster/types_actor.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum client_state { FREE, SERVING, DONE };

struct client {
    struct thsi_task task; /* first: its main finds the client by it */
    struct thsi_control *control;
    struct thsi_control_session session;
    _Atomic uint32_t state;
};

struct thsi_control {
    struct thsi_task task; /* first */
    struct thsi_runtime *runtime;
    struct thsi_control_file file;
    int listen_fd;
    int wake_fd;           /* eventfd: a client is done, or stop */
    _Atomic bool stopping;
    struct thsi_note_limit notes;
    struct client clients[THSI_CONTROL_CLIENTS_MAX];
};

static void wake(struct thsi_control *control)
{
    uint64_t one = 1;

    while (write(control->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

/* ---- A client ---------------------------------------------------------------------------------- */

static void serve(struct thsi_task *task)
{
    struct client *client = (struct client *)task;
    struct thsi_control *control = client->control;

    /* Relaxed: the flag is only a hint to end soon; the descriptor's shutdown is what ends a wait. */
    while (!atomic_load_explicit(&control->stopping, memory_order_relaxed))
        if (thsi_control_serve(&client->session) != THS_OK)
            break;
    (void)shutdown(client->session.link.fd, SHUT_RDWR);
    /* Release: hands the session over to whoever frees it. */
    atomic_store_explicit(&client->state, DONE, memory_order_release);
    wake(control);
}

/* Thread: the accepting task's, or the stopper's after it. */
static void release(struct thsi_control *control, struct client *client)
{
    struct thsi_exec *exec = control->runtime->exec;

    exec->join(exec, &client->task);
    thsi_control_link_close(&client->session.link);
    (void)pthread_mutex_destroy(&client->session.mutex);
    atomic_store_explicit(&client->state, FREE, memory_order_relaxed);
}

static void release_done(struct thsi_control *control)
{
    for (unsigned i = 0; i < THSI_CONTROL_CLIENTS_MAX; i++)
        if (atomic_load_explicit(&control->clients[i].state, memory_order_acquire) == DONE)
            release(control, &control->clients[i]);
}

static struct client *free_client(struct thsi_control *control)
{
    for (unsigned i = 0; i < THSI_CONTROL_CLIENTS_MAX; i++)
        if (atomic_load_explicit(&control->clients[i].state, memory_order_relaxed) == FREE)
            return &control->clients[i];
    return NULL;
}

static void start_client(struct thsi_control *control, struct client *client, int fd)
{
    struct thsi_exec *exec = control->runtime->exec;

    client->control = control;
    client->task = (struct thsi_task){ .name = "ths-control", .main = serve, .cpu = -1 };
    client->session = (struct thsi_control_session){ .node = control->runtime->node };
    if (thsi_control_link_init(&client->session.link, control->runtime->env, fd) != THS_OK)
        return;
    if (pthread_mutex_init(&client->session.mutex, NULL) != 0) {
        thsi_control_link_close(&client->session.link);
        return;
    }
    atomic_store_explicit(&client->state, SERVING, memory_order_relaxed);
    if (exec->start(exec, &client->task) != THS_OK) {
        atomic_store_explicit(&client->state, FREE, memory_order_relaxed);
        thsi_control_link_close(&client->session.link);
        (void)pthread_mutex_destroy(&client->session.mutex);
    }
}

/* ---- Accepting --------------------------------------------------------------------------------- */

/* Why a connection is closed at once, or NULL. */
static const char *objection(struct thsi_control *control, int fd)
{
    if (!thsi_control_is_own_user(fd))
        return "it is a process of another user";
    return free_client(control) ? NULL : "there are as many clients as are served at a time";
}

static void admit(struct thsi_control *control)
{
    struct thsi_runtime *runtime = control->runtime;
    int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    uint64_t held_back;
    const char *why;

    if (fd < 0)
        return;
    release_done(control);
    why = objection(control, fd);
    if (!why) {
        start_client(control, free_client(control), fd);
        return;
    }
    (void)close(fd);
    if (thsi_note_allowed(&control->notes, runtime->env->now_ns(runtime->env), &held_back))
        thsi_note(runtime, THS_LOG_WARN, "control", "a client was closed: %s (%llu like it not shown)", why,
                  (unsigned long long)held_back);
}

static void accept_clients(struct thsi_task *task)
{
    struct thsi_control *control = (struct thsi_control *)task;
    struct pollfd fds[2] = { { .fd = control->wake_fd, .events = POLLIN },
                             { .fd = control->listen_fd, .events = POLLIN } };
    uint64_t wakes;

    /* Relaxed: the eventfd that is written after it orders it. */
    while (!atomic_load_explicit(&control->stopping, memory_order_relaxed)) {
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[0].revents != 0 && read(control->wake_fd, &wakes, sizeof wakes) > 0)
            release_done(control);
        if (fds[1].revents != 0)
            admit(control);
    }
}

/* ---- Start and stop ---------------------------------------------------------------------------- */

static void dispose(struct thsi_control *control)
{
    struct ths_env *env = control->runtime->env;

    if (control->listen_fd >= 0) {
        (void)close(control->listen_fd);
        thsi_control_remove(&control->file);
    }
    if (control->wake_fd >= 0)
        (void)close(control->wake_fd);
    (void)env->memory(env, control, 0);
}

static enum ths_err begin(struct thsi_control *control, const char *path, char *why, size_t why_size)
{
    struct thsi_exec *exec = control->runtime->exec;
    enum ths_err err = thsi_control_listen(path, &control->listen_fd, &control->file, why, why_size);

    if (err != THS_OK)
        return err;
    control->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    err = control->wake_fd < 0 ? THS_IO : thsi_types_actor_start(control->runtime->node);
    if (err == THS_OK)
        err = exec->start(exec, &control->task);
    if (err != THS_OK && why)
        (void)snprintf(why, why_size, "the control socket %.120s: %s; free some memory and descriptors", path,
                       ths_err_text(err));
    return err;
}

enum ths_err thsi_control_start(struct ths_node *node, const char *path, struct thsi_control **out, char *why,
                                size_t why_size)
{
    struct thsi_runtime *runtime = ths_node_runtime(node);
    struct ths_env *env = runtime->env;
    struct thsi_control *control;
    enum ths_err err;

    *out = NULL;
    if (runtime->exec->drive) {
        if (why)
            (void)snprintf(why, why_size, "the simulator has no control sockets");
        return THS_UNSUPPORTED;
    }
    control = env->memory(env, NULL, sizeof *control);
    if (!control)
        return THS_NOMEM;
    memset(control, 0, sizeof *control);
    control->task = (struct thsi_task){ .name = "ths-control", .main = accept_clients, .cpu = -1 };
    control->runtime = runtime;
    control->listen_fd = control->wake_fd = -1;
    err = begin(control, path, why, why_size);
    if (err == THS_OK)
        *out = control;
    else
        dispose(control);
    return err;
}

void thsi_control_stop(struct thsi_control *control)
{
    struct thsi_exec *exec;

    if (!control)
        return;
    exec = control->runtime->exec;
    atomic_store_explicit(&control->stopping, true, memory_order_relaxed);
    wake(control);
    exec->join(exec, &control->task);
    for (unsigned i = 0; i < THSI_CONTROL_CLIENTS_MAX; i++) {
        struct client *client = &control->clients[i];

        if (atomic_load_explicit(&client->state, memory_order_acquire) == FREE)
            continue;
        thsi_control_session_cancel(&client->session);
        (void)shutdown(client->session.link.fd, SHUT_RDWR);
        release(control, client);
    }
    dispose(control);
}
