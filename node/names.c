#include "node/names.h"

#include <string.h>

struct thsi_name {
    ths_ref ref;
    struct ths_behaviour *behaviour;
    char text[THS_NAME_SIZE];
};

void thsi_names_init(struct thsi_names *names, struct ths_env *env)
{
    (void)pthread_mutex_init(&names->lock, NULL);
    thsi_map_init(&names->map, env);
}

void thsi_names_fini(struct thsi_names *names)
{
    const struct thsi_map_entry *entry;
    size_t at = 0;

    while ((entry = thsi_map_next(&names->map, &at)) != NULL)
        (void)names->map.env->memory(names->map.env, entry->value, 0);
    thsi_map_fini(&names->map);
    (void)pthread_mutex_destroy(&names->lock);
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == ':' || c == '/' || c == '-';
}

bool thsi_name_valid(const char *name)
{
    size_t len = strnlen(name, THS_NAME_SIZE);

    if (len == 0 || len == THS_NAME_SIZE)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_name_char(name[i]))
            return false;
    return true;
}

enum ths_err thsi_names_put(struct thsi_names *names, const char *name, ths_ref ref, struct ths_behaviour *behaviour)
{
    struct ths_env *env = names->map.env;
    struct thsi_name *entry;
    enum ths_err err;

    if (!thsi_name_valid(name))
        return THS_INVALID;
    entry = env->memory(env, NULL, sizeof *entry);
    if (!entry)
        return THS_NOMEM;
    *entry = (struct thsi_name){ .ref = ref, .behaviour = behaviour };
    memcpy(entry->text, name, strlen(name) + 1);
    (void)pthread_mutex_lock(&names->lock);
    err = thsi_map_put(&names->map, entry->text, strlen(entry->text), entry);
    (void)pthread_mutex_unlock(&names->lock);
    if (err != THS_OK)
        (void)env->memory(env, entry, 0);
    return err;
}

bool thsi_names_get(struct thsi_names *names, const char *name, ths_ref *ref, struct ths_behaviour **behaviour)
{
    const struct thsi_name *entry;

    (void)pthread_mutex_lock(&names->lock);
    entry = thsi_map_get(&names->map, name, strlen(name));
    if (entry && ref)
        *ref = entry->ref;
    if (entry && behaviour)
        *behaviour = entry->behaviour;
    (void)pthread_mutex_unlock(&names->lock);
    return entry != NULL;
}

void thsi_names_of(struct thsi_names *names, ths_ref ref, char *out)
{
    const struct thsi_map_entry *entry;
    size_t at = 0;

    out[0] = '\0';
    (void)pthread_mutex_lock(&names->lock);
    while ((entry = thsi_map_next(&names->map, &at)) != NULL) {
        const struct thsi_name *name = entry->value;

        if (ths_ref_equal(name->ref, ref)) {
            memcpy(out, name->text, sizeof name->text);
            break;
        }
    }
    (void)pthread_mutex_unlock(&names->lock);
}

void thsi_names_remove(struct thsi_names *names, const char *name, ths_ref ref)
{
    struct ths_env *env = names->map.env;
    struct thsi_name *entry;

    (void)pthread_mutex_lock(&names->lock);
    entry = thsi_map_get(&names->map, name, strlen(name));
    if (entry && ths_ref_equal(entry->ref, ref))
        (void)thsi_map_remove(&names->map, name, strlen(name));
    else
        entry = NULL;
    (void)pthread_mutex_unlock(&names->lock);
    (void)env->memory(env, entry, 0);
}
