#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/test_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL_START_MS UINT64_C(1735689600000) /* 2025-01-01 */

static struct test_env *of(struct ths_env *env)
{
    return (struct test_env *)(void *)env; /* its first member */
}

static uint64_t now_ns(struct ths_env *env)
{
    uint64_t now = of(env)->now_ns;

    of(env)->now_ns += of(env)->step_ns;
    return now;
}

static uint64_t wall_ms(struct ths_env *env)
{
    return WALL_START_MS + of(env)->now_ns / 1000000u;
}

/* splitmix64, of G. Steele, D. Lea and C. Flood, "Fast Splittable Pseudorandom Number Generators". */
static uint64_t draw(struct test_env *env)
{
    uint64_t z = env->random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void fill_random(struct ths_env *env, void *out, size_t len)
{
    uint8_t *at = out;

    while (len > 0) {
        uint64_t bits = draw(of(env));
        size_t part = len < sizeof bits ? len : sizeof bits;
        memcpy(at, &bits, part);
        at += part;
        len -= part;
    }
}

static void *memory(struct ths_env *env, void *ptr, size_t size)
{
    struct test_env *self = of(env);
    void *block;

    if (size == 0) {
        self->blocks -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    self->calls++;
    if (self->fail_at && self->calls >= self->fail_at)
        return NULL;
    block = realloc(ptr, size);
    self->blocks += block && !ptr;
    return block;
}

static void log_line(struct ths_env *env, const struct ths_log_line *line)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    struct test_env *self = of(env);
    char text[512];
    size_t used = strlen(self->log), len;

    (void)snprintf(text, sizeof text - 1, "%s %s: %s", names[line->level], line->component, line->text);
    len = strlen(text);
    text[len++] = '\n';
    while (used + len + 1 > sizeof self->log) {
        size_t oldest = (size_t)(strchr(self->log, '\n') - self->log) + 1;
        used -= oldest;
        memmove(self->log, self->log + oldest, used + 1);
    }
    memcpy(self->log + used, text, len);
    self->log[used + len] = '\0';
    self->lines++;
}

void test_env_init(struct test_env *env, uint64_t seed)
{
    *env = (struct test_env){
        .env = { now_ns, wall_ms, fill_random, memory, log_line },
        .now_ns = 1000000000,
        .random_state = seed,
    };
}

bool test_env_logged(const struct test_env *env, const char *text)
{
    return strstr(env->log, text) != NULL;
}

void test_env_assert_clean(const struct test_env *env)
{
    assert_int_equal(env->blocks, 0);
}
