/* Environment: the four things a node takes from its surroundings.
 *
 * Time, randomness, memory and the log reach every part of a node through this
 * table alone. Production fills it from the operating system
 * (ths_env_os), the simulator from a seed, tests from a counter and
 * an allocator that fails on demand. Each member may be called from any thread
 * of the node, must not block for long and must not call back into the node. */

#ifndef THIASOS_ENV_H
#define THIASOS_ENV_H

#include <stddef.h>
#include <stdint.h>

#include "thiasos/err.h"

#ifdef __cplusplus
extern "C" {
#endif

enum ths_log_level { THS_LOG_DEBUG, THS_LOG_INFO, THS_LOG_WARN, THS_LOG_ERROR };

/* One line of the log. All strings are borrowed for the call. */
struct ths_log_line {
    enum ths_log_level level;
    uint64_t wall_ms;       /* milliseconds since 1970 */
    const char *node;       /* name of the node, or "" */
    const char *component;  /* "peer", "supervisor", "actor", ... */
    const char *text;       /* one line, no newline */
};

struct ths_env {
    /* Monotonic nanoseconds since an arbitrary start. */
    uint64_t (*now_ns)(struct ths_env *env);

    /* Milliseconds since 1970, which may be set at any time. For people (the log, crash records), for ths_at_wall, and as a
     * hint in boot ids; every other time is now_ns. */
    uint64_t (*wall_ms)(struct ths_env *env);

    /* Fill @len bytes. Production: the kernel's generator, fit for keys. */
    void (*random)(struct ths_env *env, void *out, size_t len);

    /* Like realloc: NULL @ptr allocates, 0 @size frees and returns NULL.
     * Returns NULL when memory is out; @ptr is then unchanged. */
    void *(*memory)(struct ths_env *env, void *ptr, size_t size);

    void (*log)(struct ths_env *env, const struct ths_log_line *line);
};

/* The production environment: CLOCK_MONOTONIC, getrandom, malloc, and a log on stderr.
 * Lends; valid for the life of the process. Thread: any. */
THS_API struct ths_env *ths_env_os(void);

/* Lines below @level are dropped before they are formatted; default INFO.
 * @json selects JSON lines instead of text. Thread: any, takes effect at once. */
THS_API void ths_env_os_log(enum ths_log_level level, bool json);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_ENV_H */
