#include "tests/lib/os_env.h"

static void drop_line(struct ths_env *env, const struct ths_log_line *line)
{
    (void)env, (void)line;
}

struct ths_env os_env_with(void *(*memory)(struct ths_env *env, void *ptr, size_t size))
{
    struct ths_env env = *ths_env_os();

    env.memory = memory;
    env.log = drop_line;
    return env;
}

uint64_t os_now_ms(void)
{
    return ths_env_os()->now_ns(ths_env_os()) / 1000000;
}
