#include "node/spawn_options.h"

#include "node/node.h"

#include <string.h>

struct thsi_inbox_options thsi_spawn_options_inbox(const struct ths_spawn_options *options)
{
    struct thsi_inbox_options inbox = { .when_full = options->when_full, .bytes_max = options->mailbox_bytes,
                                        .key = options->key, .key_of = options->key_of, .urgent = options->urgent };

    if (options->when_full != THS_REFUSE || inbox.bytes_max > 0 || inbox.key || inbox.key_of || inbox.urgent)
        inbox.capacity = options->mailbox ? options->mailbox : THSI_MAILBOX_DEFAULT;
    return inbox;
}

bool thsi_spawn_options_are_default(const struct ths_spawn_options *options)
{
    return !options->name && !options->start.type && !options->link && !options->monitor && options->mailbox == 0 &&
           thsi_spawn_options_inbox(options).capacity == 0 && !options->trap_exits && !options->own_thread &&
           options->idle_ms == 0 && !options->held && options->memory_max == 0;
}

static enum ths_err complain(const char **why, enum ths_err err, const char *text)
{
    *why = text;
    return err;
}

enum ths_err thsi_spawn_options_check(const struct ths_spawn_options *options, unsigned use, const char **why)
{
    const struct thsi_inbox_options inbox = thsi_spawn_options_inbox(options);

    if (use & THSI_OPTIONS_OF_CHILD && (options->name || options->start.type))
        return complain(why, THS_INVALID, "the spawn options of a child have no name and no start message: the child has them");
    if (use & THSI_OPTIONS_OF_CHILD && (options->link || options->monitor))
        return complain(why, THS_INVALID, "a child is tied to its supervisor: it can have no link and no monitor");
    if (use & THSI_OPTIONS_ELSEWHERE && options->key_of)
        return complain(why, THS_UNSUPPORTED, "key_of is a function of this process: on other nodes the key is a field's name");
    return inbox.capacity > 0 ? thsi_inbox_options_check(&inbox, why) : THS_OK;
}

/* ---- Kept --------------------------------------------------------------------------------- */

static size_t urgent_count(const struct ths_spawn_options *options)
{
    size_t count = 0;

    while (options->urgent && options->urgent[count])
        count++;
    return count;
}

enum ths_err thsi_spawn_options_keep(struct ths_env *env, const struct ths_spawn_options *options,
                                     struct thsi_kept_options *kept)
{
    size_t urgent_size = options->urgent ? (urgent_count(options) + 1) * sizeof *options->urgent : 0;
    size_t key_size = options->key ? strlen(options->key) + 1 : 0;

    *kept = (struct thsi_kept_options){ .options = *options };
    if (urgent_size + key_size == 0)
        return THS_OK;
    kept->block = env->memory(env, NULL, urgent_size + key_size);
    if (!kept->block)
        return THS_NOMEM;
    if (urgent_size > 0)
        kept->options.urgent = memcpy(kept->block, options->urgent, urgent_size);
    if (key_size > 0)
        kept->options.key = memcpy((char *)kept->block + urgent_size, options->key, key_size);
    return THS_OK;
}

void thsi_spawn_options_drop(struct ths_env *env, struct thsi_kept_options *kept)
{
    (void)env->memory(env, kept->block, 0);
    *kept = (struct thsi_kept_options){ .block = NULL };
}
