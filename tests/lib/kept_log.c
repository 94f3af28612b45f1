#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/kept_log.h"
#include "tests/lib/os_env.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { LONG_MS = 60000 };

static struct {
    struct ths_env env;
    pthread_mutex_t lock;
    char text[65536];
    size_t len;
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void keep_line(struct ths_env *env, const struct ths_log_line *line)
{
    (void)env;
    (void)pthread_mutex_lock(&kept.lock);
    kept.len += (size_t)snprintf(kept.text + kept.len, sizeof kept.text - kept.len, "%s: %s\n", line->node, line->text);
    if (kept.len >= sizeof kept.text)
        kept.len = sizeof kept.text - 1;
    (void)pthread_mutex_unlock(&kept.lock);
}

struct ths_env *kept_log_begin(void)
{
    kept.env = *ths_env_os();
    kept.env.log = keep_line;
    kept.len = 0;
    kept.text[0] = '\0';
    return &kept.env;
}

const char *kept_log_text(void)
{
    return kept.text;
}

bool is_logged(const char *text)
{
    bool found;

    (void)pthread_mutex_lock(&kept.lock);
    found = strstr(kept.text, text) != NULL;
    (void)pthread_mutex_unlock(&kept.lock);
    return found;
}

void await_line(const char *text)
{
    uint64_t until_ms = os_now_ms() + LONG_MS;

    while (!is_logged(text)) {
        if (os_now_ms() > until_ms)
            fail_msg("nobody logged \"%s\":\n%s", text, kept.text);
        (void)sched_yield();
    }
}
