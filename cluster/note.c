#include "cluster/note.h"

#include <stdarg.h>
#include <stdio.h>

void thsi_note(const struct thsi_runtime *runtime, enum ths_log_level level, const char *component,
               const char *format, ...)
{
    struct ths_env *env = runtime->env;
    char text[512];
    struct ths_log_line line = { .level = level, .node = runtime->name ? runtime->name : "", .component = component,
                                 .text = text };
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    line.wall_ms = env->wall_ms(env);
    env->log(env, &line);
}

bool thsi_note_allowed(struct thsi_note_limit *limit, uint64_t now_ns, uint64_t *held_back)
{
    if (now_ns < limit->next_ns) {
        limit->held_back++;
        return false;
    }
    *held_back = limit->held_back;
    limit->held_back = 0;
    limit->next_ns = now_ns + UINT64_C(1000000000);
    return true;
}
