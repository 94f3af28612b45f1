/* The production environment: what it takes from the operating system. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "thiasos/env.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void time_does_not_go_back(void **state)
{
    struct ths_env *env = ths_env_os();
    uint64_t last = env->now_ns(env);

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t now = env->now_ns(env);
        assert_true(now >= last);
        last = now;
    }
    assert_true(env->wall_ms(env) > UINT64_C(1600000000000)); /* after 2020, in milliseconds */
}

static void random_bytes_differ(void **state)
{
    struct ths_env *env = ths_env_os();
    uint8_t a[32] = { 0 }, b[32] = { 0 };

    (void)state;
    env->random(env, a, sizeof a);
    env->random(env, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
}

static void memory_works_like_realloc(void **state)
{
    struct ths_env *env = ths_env_os();
    char *block = env->memory(env, NULL, 4);

    (void)state;
    assert_non_null(block);
    memcpy(block, "abc", 4);
    block = env->memory(env, block, 100000);
    assert_string_equal(block, "abc");
    assert_null(env->memory(env, block, 0));
    assert_null(env->memory(env, NULL, 0));
}

/* What @line writes to standard error. Lends until the next call. */
static const char *logged(enum ths_log_level least, bool json, const struct ths_log_line *line)
{
    static char text[1024];
    char path[] = "/tmp/thiasos-log-XXXXXX";
    int file = mkstemp(path), saved = dup(STDERR_FILENO);
    ssize_t len;

    assert_true(file >= 0 && saved >= 0);
    (void)unlink(path);
    (void)fflush(stderr);
    assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
    ths_env_os_log(least, json);
    ths_env_os()->log(ths_env_os(), line);
    ths_env_os_log(THS_LOG_INFO, false);
    (void)fflush(stderr);
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    (void)close(saved);
    len = pread(file, text, sizeof text - 1, 0);
    (void)close(file);
    assert_true(len >= 0);
    text[len] = '\0';
    return text;
}

static const struct ths_log_line line = {
    .level = THS_LOG_WARN, .wall_ms = UINT64_C(1735689600123), .node = "n1", .component = "peer", .text = "is \"late\"\\",
};

static void line_of_the_log_is_text_by_default(void **state)
{
    (void)state;
    assert_string_equal(logged(THS_LOG_INFO, false, &line), "2025-01-01T00:00:00.123Z warn  n1 peer: is \"late\"\\\n");
}

static void line_of_the_log_may_be_json(void **state)
{
    json_t *root = json_loads(logged(THS_LOG_INFO, true, &line), 0, NULL);

    (void)state;
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "time")), "2025-01-01T00:00:00.123Z");
    assert_string_equal(json_string_value(json_object_get(root, "level")), "warn");
    assert_string_equal(json_string_value(json_object_get(root, "node")), "n1");
    assert_string_equal(json_string_value(json_object_get(root, "component")), "peer");
    assert_string_equal(json_string_value(json_object_get(root, "text")), "is \"late\"\\");
    json_decref(root);
}

static void line_stays_one_line_whatever_is_in_it(void **state)
{
    struct ths_log_line forged = line;

    (void)state;
    forged.text = "ends\n2025 error all is lost\x1b[2J";
    assert_string_equal(logged(THS_LOG_INFO, false, &forged),
                        "2025-01-01T00:00:00.123Z warn  n1 peer: ends 2025 error all is lost [2J\n");
}

static void line_below_the_level_is_dropped(void **state)
{
    (void)state;
    assert_string_equal(logged(THS_LOG_ERROR, false, &line), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_does_not_go_back),
        cmocka_unit_test(random_bytes_differ),
        cmocka_unit_test(memory_works_like_realloc),
        cmocka_unit_test(line_of_the_log_is_text_by_default),
        cmocka_unit_test(line_of_the_log_may_be_json),
        cmocka_unit_test(line_stays_one_line_whatever_is_in_it),
        cmocka_unit_test(line_below_the_level_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
