#include "node/inbox.h"

#include <assert.h>
#include <string.h>

/* The message of one key that waits. */
struct thsi_latest {
    struct { const struct thsi_type_info *type; uint64_t hash; } key;
    struct thsi_message *place;  /* in a queue */
    struct thsi_message *latest; /* what is to be handled in its place; at first itself */
    struct thsi_latest *next_free;
};

/* ---- Queues ------------------------------------------------------------------------------ */

/* Relaxed throughout: the links are under the caller's lock. */
static struct thsi_message *next_of(const struct thsi_message *message)
{
    return atomic_load_explicit(&message->next, memory_order_relaxed);
}

static void set_next(struct thsi_message *message, struct thsi_message *next)
{
    atomic_store_explicit(&message->next, next, memory_order_relaxed);
}

static void append(struct thsi_inbox_queue *queue, struct thsi_message *message)
{
    set_next(message, NULL);
    if (queue->tail)
        set_next(queue->tail, message);
    else
        queue->head = message;
    queue->tail = message;
}

/* Take out what follows @before, or the head when that is NULL. */
static void unlink_after(struct thsi_inbox_queue *queue, struct thsi_message *before, struct thsi_message *message)
{
    if (before)
        set_next(before, next_of(message));
    else
        queue->head = next_of(message);
    if (queue->tail == message)
        queue->tail = before;
}

/* The oldest data message is out: find the one after it. Each signal is passed by at most once in its life. */
static void find_data(struct thsi_inbox *inbox, struct thsi_message *before)
{
    struct thsi_message *at = before ? next_of(before) : inbox->rest.head;

    while (at && !at->counted) {
        before = at;
        at = next_of(at);
    }
    inbox->data = at;
    inbox->before_data = at ? before : NULL;
}

static void append_rest(struct thsi_inbox *inbox, struct thsi_message *message)
{
    struct thsi_message *before = inbox->rest.tail;

    append(&inbox->rest, message);
    if (message->counted && !inbox->data) {
        inbox->data = message;
        inbox->before_data = before;
    }
}

static struct thsi_message *take_rest(struct thsi_inbox *inbox)
{
    struct thsi_message *message = inbox->rest.head;

    if (!message)
        return NULL;
    unlink_after(&inbox->rest, NULL, message);
    if (message == inbox->data)
        find_data(inbox, NULL);
    else if (message == inbox->before_data)
        inbox->before_data = NULL;
    return message;
}

static struct thsi_message *take_urgent(struct thsi_inbox *inbox)
{
    struct thsi_message *message = inbox->urgent.head;

    if (message)
        unlink_after(&inbox->urgent, NULL, message);
    return message;
}

/* ---- Keys --------------------------------------------------------------------------------- */

struct key {
    const void *data;
    size_t len;
    uint64_t number; /* `data` may point here */
};

static const struct thsi_field *key_field(const struct thsi_inbox *inbox, const struct thsi_type_info *type)
{
    for (uint32_t i = 0; i < type->fields_count; i++)
        if (strcmp(type->fields[i].name, inbox->key) == 0)
            return &type->fields[i];
    return NULL;
}

static bool field_key(const struct thsi_field *field, const void *body, struct key *key)
{
    const void *at = thsi_field_at(field, body);

    if (field->kind == THS_KIND_LIST || field->kind == THS_KIND_OPT)
        return false;
    if (field->kind == THS_KIND_STRING) {
        const char *text;

        memcpy(&text, at, sizeof text);
        *key = (struct key){ text, strlen(text), 0 };
    } else if (field->kind == THS_KIND_BYTES) {
        struct ths_bytes bytes;

        memcpy(&bytes, at, sizeof bytes);
        *key = (struct key){ bytes.data, bytes.len, 0 };
    } else if (field->kind == THS_KIND_BLOB) {
        struct ths_bytes bytes = thsi_blob_bytes(*(struct ths_blob *const *)at);

        *key = (struct key){ bytes.data, bytes.len, 0 };
    } else {
        *key = (struct key){ at, field->element_size, 0 };
    }
    return true;
}

/* False: the message replaces nothing and is not replaced. */
static bool key_of(const struct thsi_inbox *inbox, struct thsi_message *message, struct key *key)
{
    const struct thsi_field *field;

    if (inbox->when_full != THS_LATEST_BY_KEY || message->kind != THSI_TELL)
        return false;
    if (inbox->key_of) {
        const struct ths_message msg = { message->type->type, thsi_message_body(message) };

        *key = (struct key){ &key->number, sizeof key->number, 0 };
        return inbox->key_of(&msg, &key->number);
    }
    field = key_field(inbox, message->type);
    return field && field_key(field, thsi_message_body(message), key);
}

static bool equal_keys(const struct thsi_inbox *inbox, struct thsi_message *other, const struct key *key)
{
    struct key its;

    return key_of(inbox, other, &its) && its.len == key->len && (key->len == 0 || memcmp(its.data, key->data, key->len) == 0);
}

static struct thsi_latest like(const struct thsi_inbox *inbox, const struct thsi_message *message, const struct key *key)
{
    return (struct thsi_latest){ .key = { message->type, thsi_hash(inbox->latest.seed, key->data, key->len) } };
}

static struct thsi_latest *find(const struct thsi_inbox *inbox, const struct thsi_latest *wanted)
{
    return thsi_map_get(&inbox->latest, &wanted->key, sizeof wanted->key);
}

static struct thsi_latest *new_latest(struct thsi_inbox *inbox)
{
    struct thsi_latest *latest = inbox->free_latest;

    if (!latest)
        return inbox->env->memory(inbox->env, NULL, sizeof *latest);
    inbox->free_latest = latest->next_free;
    return latest;
}

static void free_latest(struct thsi_inbox *inbox, struct thsi_latest *latest)
{
    latest->next_free = inbox->free_latest;
    inbox->free_latest = latest;
}

/* Two keys with the same hash of 64 bits: the first of them is in the index, the other waits without. */
static enum ths_err index_put(struct thsi_inbox *inbox, struct thsi_message *message, const struct key *key)
{
    const struct thsi_latest wanted = like(inbox, message, key);
    struct thsi_latest *latest;
    enum ths_err err;

    if (find(inbox, &wanted))
        return THS_OK;
    latest = new_latest(inbox);
    if (!latest)
        return THS_NOMEM;
    *latest = (struct thsi_latest){ .key = wanted.key, .place = message, .latest = message };
    err = thsi_map_put(&inbox->latest, &latest->key, sizeof latest->key, latest);
    if (err != THS_OK)
        free_latest(inbox, latest);
    return err;
}

/* @place leaves its queue: what is to be handled for it. */
static struct thsi_message *index_take(struct thsi_inbox *inbox, struct thsi_message *place)
{
    struct thsi_latest *latest, wanted;
    struct thsi_message *message;
    struct key key;

    if (!key_of(inbox, place, &key))
        return place;
    wanted = like(inbox, place, &key);
    latest = find(inbox, &wanted);
    if (!latest || latest->place != place)
        return place;
    message = latest->latest;
    (void)thsi_map_remove(&inbox->latest, &latest->key, sizeof latest->key);
    free_latest(inbox, latest);
    return message;
}

/* Whether @message went to the place of one that waits. */
static bool replace(struct thsi_inbox *inbox, struct thsi_message *message, const struct key *key,
                    struct thsi_message **dropped, enum ths_err *err)
{
    const struct thsi_latest wanted = like(inbox, message, key);
    struct thsi_latest *latest = find(inbox, &wanted);
    uint64_t bytes;

    if (!latest || !equal_keys(inbox, latest->place, key))
        return false;
    bytes = inbox->bytes + thsi_message_bytes(message) - (latest->latest != latest->place ? thsi_message_bytes(latest->latest) : 0);
    *err = inbox->bytes_max > 0 && bytes > inbox->bytes_max ? THS_FULL : THS_OK;
    if (*err != THS_OK)
        return true;
    if (latest->latest != latest->place) {
        set_next(latest->latest, NULL);
        *dropped = latest->latest;
    }
    latest->latest = message;
    inbox->bytes = bytes;
    return true;
}

/* ---- Put and take ------------------------------------------------------------------------- */

static bool has_room(const struct thsi_inbox *inbox, uint64_t bytes, uint32_t held)
{
    return (uint64_t)inbox->count + held < inbox->capacity &&
           (inbox->bytes_max == 0 || inbox->bytes + bytes <= inbox->bytes_max);
}

static void drop_oldest(struct thsi_inbox *inbox, struct thsi_message **dropped)
{
    struct thsi_message *oldest = inbox->data, *before = inbox->before_data;

    if (oldest) {
        unlink_after(&inbox->rest, before, oldest);
        find_data(inbox, before);
        if (inbox->passed == oldest)
            inbox->passed = before;
    } else {
        oldest = take_urgent(inbox);
    }
    inbox->count--;
    inbox->bytes -= thsi_message_bytes(oldest);
    set_next(oldest, *dropped);
    *dropped = oldest;
}

static bool is_urgent(const struct thsi_inbox *inbox, const struct thsi_message *message)
{
    for (uint32_t i = 0; i < inbox->urgent_count; i++)
        if (inbox->urgent_types[i] == message->type)
            return true;
    return false;
}

/* Make room. OK: there is, or *@dropped is the message itself. */
static enum ths_err make_room(struct thsi_inbox *inbox, struct thsi_message *message, uint64_t bytes, uint32_t held,
                              struct thsi_message **dropped)
{
    if (has_room(inbox, bytes, held))
        return THS_OK;
    if (inbox->when_full == THS_DROP_NEWEST && message->kind == THSI_TELL) {
        set_next(message, NULL);
        *dropped = message;
        return THS_OK;
    }
    if (inbox->when_full != THS_DROP_OLDEST || held >= inbox->capacity ||
        (inbox->bytes_max > 0 && bytes > inbox->bytes_max))
        return THS_FULL;
    while (!has_room(inbox, bytes, held))
        drop_oldest(inbox, dropped);
    return THS_OK;
}

enum ths_err thsi_inbox_put(struct thsi_inbox *inbox, struct thsi_message *message, uint32_t held,
                            struct thsi_message **dropped)
{
    enum ths_err err = THS_OK;
    uint64_t bytes;
    struct key key;
    bool keyed;

    *dropped = NULL;
    if (!message->counted) {
        append_rest(inbox, message);
        return THS_OK;
    }
    keyed = key_of(inbox, message, &key);
    if (keyed && replace(inbox, message, &key, dropped, &err))
        return err;
    bytes = thsi_message_bytes(message);
    err = make_room(inbox, message, bytes, held, dropped);
    if (err != THS_OK || *dropped == message)
        return err;
    if (keyed)
        err = index_put(inbox, message, &key);
    if (err != THS_OK)
        return err;
    if (is_urgent(inbox, message))
        append(&inbox->urgent, message);
    else
        append_rest(inbox, message);
    inbox->count++;
    inbox->bytes += bytes;
    return THS_OK;
}

struct thsi_message *thsi_inbox_take(struct thsi_inbox *inbox, struct thsi_message **husk)
{
    struct thsi_message *place = take_urgent(inbox);
    struct thsi_message *message;

    *husk = NULL;
    inbox->passed = NULL;
    if (!place)
        place = take_rest(inbox);
    if (!place || !place->counted)
        return place;
    inbox->count--;
    inbox->bytes -= thsi_message_bytes(place);
    message = index_take(inbox, place);
    if (message != place) {
        inbox->bytes -= thsi_message_bytes(message);
        *husk = place;
    }
    return message;
}

struct thsi_message *thsi_inbox_take_acting(struct thsi_inbox *inbox, thsi_inbox_waits *waits, const void *arg)
{
    struct thsi_message *before = inbox->passed;
    struct thsi_message *at = before ? next_of(before) : inbox->rest.head;

    while (at && (at->counted || waits(arg, at))) {
        before = at;
        at = next_of(at);
    }
    inbox->passed = before;
    if (!at)
        return NULL;
    unlink_after(&inbox->rest, before, at);
    if (inbox->before_data == at)
        inbox->before_data = before;
    return at;
}

/* ---- Begin and end ------------------------------------------------------------------------ */

static enum ths_err complain(const char **why, enum ths_err err, const char *text)
{
    *why = text;
    return err;
}

enum ths_err thsi_inbox_options_check(const struct thsi_inbox_options *options, const char **why)
{
    bool keyed = options->key || options->key_of;
    unsigned count = 0;

    if ((unsigned)options->when_full > THS_LATEST_BY_KEY)
        return complain(why, THS_INVALID, "when_full is none of enum ths_when_full");
    if (options->capacity == 0)
        return complain(why, THS_INVALID, "the mailbox has no place");
    if (options->key && options->key_of)
        return complain(why, THS_INVALID, "key and key_of are given: one will do");
    if (keyed != (options->when_full == THS_LATEST_BY_KEY))
        return complain(why, THS_INVALID, "THS_LATEST_BY_KEY, and it alone, needs key or key_of");
    for (struct ths_type *const *types = options->urgent; types && *types; types++) {
        if (++count > THS_URGENT_MAX)
            return complain(why, THS_INVALID, "more urgent types than THS_URGENT_MAX");
        if (!thsi_type_intern(*types))
            return complain(why, THS_NOMEM, "no memory for an urgent type");
    }
    return THS_OK;
}

enum ths_err thsi_inbox_init(struct thsi_inbox *inbox, struct ths_env *env, const struct thsi_inbox_options *options)
{
    const char *why;
    enum ths_err err = thsi_inbox_options_check(options, &why);

    if (err != THS_OK)
        return err;
    *inbox = (struct thsi_inbox){ .env = env, .when_full = options->when_full, .capacity = options->capacity,
                                  .bytes_max = options->bytes_max, .key_of = options->key_of };
    for (struct ths_type *const *types = options->urgent; types && *types; types++)
        inbox->urgent_types[inbox->urgent_count++] = thsi_type_intern(*types);
    if (options->key) {
        size_t size = strlen(options->key) + 1;

        inbox->key = env->memory(env, NULL, size);
        if (!inbox->key)
            return THS_NOMEM;
        memcpy(inbox->key, options->key, size);
    }
    if (inbox->when_full == THS_LATEST_BY_KEY) /* it draws a seed */
        thsi_map_init(&inbox->latest, env);
    return THS_OK;
}

void thsi_inbox_fini(struct thsi_inbox *inbox)
{
    assert(thsi_inbox_is_empty(inbox));
    while (inbox->free_latest) {
        struct thsi_latest *latest = inbox->free_latest;

        inbox->free_latest = latest->next_free;
        (void)inbox->env->memory(inbox->env, latest, 0);
    }
    if (inbox->when_full == THS_LATEST_BY_KEY)
        thsi_map_fini(&inbox->latest);
    if (inbox->key)
        (void)inbox->env->memory(inbox->env, inbox->key, 0);
}

/* ---- Invariants --------------------------------------------------------------------------- */

static uint32_t check_queue(const struct thsi_inbox_queue *queue, uint64_t *bytes)
{
    struct thsi_message *last = NULL;
    uint32_t count = 0;

    for (struct thsi_message *at = queue->head; at; at = next_of(at)) {
        last = at;
        count += at->counted;
        *bytes += at->counted ? thsi_message_bytes(at) : 0;
    }
    assert(queue->tail == last);
    return count;
}

void thsi_inbox_check(const struct thsi_inbox *inbox)
{
    const struct thsi_map_entry *entry;
    struct thsi_message *before = NULL, *at = inbox->rest.head;
    uint64_t bytes = 0;
    uint32_t count = check_queue(&inbox->urgent, &bytes) + check_queue(&inbox->rest, &bytes);
    size_t index = 0;

    while (inbox->when_full == THS_LATEST_BY_KEY && (entry = thsi_map_next(&inbox->latest, &index)) != NULL) {
        const struct thsi_latest *latest = entry->value;

        bytes += latest->latest != latest->place ? thsi_message_bytes(latest->latest) : 0;
    }
    for (; at && !at->counted; at = next_of(at))
        before = at;
    assert(inbox->data == at);
    assert(inbox->before_data == (at ? before : NULL));
    for (at = inbox->rest.head; at && at != inbox->passed; at = next_of(at)) {
    }
    assert(at == inbox->passed || !inbox->passed);
    assert(inbox->count == count);
    assert(inbox->bytes == bytes);
    (void)count; /* without assertions */
    (void)before;
}
