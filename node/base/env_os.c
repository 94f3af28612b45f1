/* The production environment: the operating system's clock, randomness and memory, and a log on stderr. */

#include "thiasos/env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int log_level = THS_LOG_INFO;
static int log_json;

static uint64_t now_ns(struct ths_env *env)
{
    struct timespec now;

    (void)env;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t wall_ms(struct ths_env *env)
{
    struct timespec now;

    (void)env;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void fill_random(struct ths_env *env, void *out, size_t len)
{
    unsigned char *at = out;

    (void)env;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            abort(); /* A node without randomness has no safe identity and no safe keys. */
        at += got;
        len -= (size_t)got;
    }
}

static void *memory(struct ths_env *env, void *ptr, size_t size)
{
    (void)env;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, size);
}

/* A JSON string body: quotes, backslashes and control characters escaped; cut when @size is reached. */
static void escape(const char *text, char *out, size_t size)
{
    size_t used = 0;

    for (; *text && used + 7 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            out[used++] = '\\';
            out[used++] = (char)c;
        } else if (c < 0x20) {
            used += (size_t)snprintf(out + used, size - used, "\\u%04x", c);
        } else {
            out[used++] = (char)c;
        }
    }
    out[used] = '\0';
}

/* One line stays one line, whatever is in it: control characters become spaces; cut when @size is reached. */
static void flatten(const char *text, char *out, size_t size)
{
    size_t used = 0;

    for (; *text && used + 1 < size; text++)
        out[used++] = (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text;
    out[used] = '\0';
}

static void log_line(struct ths_env *env, const struct ths_log_line *line)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    char when[32], text[2048], node[160], component[160];
    time_t seconds = (time_t)(line->wall_ms / 1000);
    struct tm utc;

    (void)env;
    /* Relaxed, here and below: settings, each a word of its own. */
    if ((int)line->level < __atomic_load_n(&log_level, __ATOMIC_RELAXED))
        return;
    (void)gmtime_r(&seconds, &utc);
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    if (!__atomic_load_n(&log_json, __ATOMIC_RELAXED)) {
        flatten(line->text, text, sizeof text);
        (void)fprintf(stderr, "%s.%03uZ %-5s %s %s: %s\n", when, (unsigned)(line->wall_ms % 1000), names[line->level],
                      line->node, line->component, text);
        return;
    }
    escape(line->text, text, sizeof text);
    escape(line->node, node, sizeof node);
    escape(line->component, component, sizeof component);
    (void)fprintf(stderr, "{\"time\":\"%s.%03uZ\",\"level\":\"%s\",\"node\":\"%s\",\"component\":\"%s\",\"text\":\"%s\"}\n",
                  when, (unsigned)(line->wall_ms % 1000), names[line->level], node, component, text);
}

struct ths_env *ths_env_os(void)
{
    static struct ths_env env = { now_ns, wall_ms, fill_random, memory, log_line };
    return &env;
}

void ths_env_os_log(enum ths_log_level level, bool json)
{
    /* Relaxed: as in log_line. */
    __atomic_store_n(&log_level, (int)level, __ATOMIC_RELAXED);
    __atomic_store_n(&log_json, json ? 1 : 0, __ATOMIC_RELAXED);
}
