/* Counter: counts the words of ranges of files, on whatever node it was started. It reads in its handler, at most a
 * window of one range at a time. */

#include "tools/wordcount.h"

#include <string.h>

#include "thiasos/actor.h"
#include "thiasos/group.h"
#include "thiasos/lifecycle.h"

#define RESULTS_MAX 8u            /* counted ranges whose parts are being called for */
#define RANGE_WORDS_MAX ((size_t)64 << 20) /* bytes of one range's table; it cannot need as much */
#define RETRY_MS 50u

static const struct thsi_file_source *files;
static struct ths_env *env; /* of tables and buffers */

/* A part that the link had no room for is tried again. */
THS_MESSAGE(part_due, "wordcount.part_due", 1, u64(range), u32(attempt))

/* A counted range of which parts are still to be sent. */
struct result {
    bool used;
    uint64_t range;
    uint32_t attempt;
    uint32_t part;   /* the next one */
    size_t at;       /* where it starts in the table */
    enum thsi_left_out verdict;
    ths_ref master;
    struct thsi_words words;
};

struct counter {
    uint64_t finished, finished_bytes;
    struct result results[RESULTS_MAX];
    unsigned oldest;
    uint8_t *window;
    const char **part_words;
    uint64_t *part_counts;
};

void thsi_counter_source(const struct thsi_file_source *source, struct ths_env *from)
{
    files = source;
    env = from;
}

THS_ON(counter, ths_started)
{
    enum ths_err err = ths_group_join(ctx, THSI_COUNTERS_GROUP, 1);

    /* A node alone has no groups; its master hears of the counter by counter_ready. */
    if (err != THS_OK && err != THS_UNSUPPORTED)
        ths_fail(ctx, "cannot join group " THSI_COUNTERS_GROUP ": %s", ths_err_text(err));
}

THS_ON(counter, counter_args)
{
    if (!ths_ref_is_nobody(msg->master))
        ths_tell(ctx, msg->master, counter_ready);
}

static void forget(struct result *result)
{
    if (result->used)
        thsi_words_fini(&result->words);
    result->used = false;
}

THS_ON(counter, ths_finally)
{
    for (unsigned i = 0; i < RESULTS_MAX; i++)
        forget(&self->results[i]);
    env->memory(env, self->window, 0);
    env->memory(env, self->part_words, 0);
    env->memory(env, self->part_counts, 0);
}

/* ---- Lists ------------------------------------------------------------------------------ */

struct page {
    uint32_t count;
    size_t bytes;
    struct ths_bytes paths[THSI_PAGE_FILES];
    uint64_t sizes[THSI_PAGE_FILES];
    uint64_t changed_ns[THSI_PAGE_FILES];
    uint8_t verdicts[THSI_PAGE_FILES];
    uint8_t room[THSI_PAGE_BYTES];
};

static bool add_to_page(void *sink, const char *path, uint64_t size, uint64_t changed_ns, enum thsi_left_out verdict)
{
    struct page *page = sink;
    size_t len = strlen(path);

    if (page->count == THSI_PAGE_FILES || len > THSI_PAGE_BYTES - page->bytes)
        return false;
    memcpy(page->room + page->bytes, path, len);
    page->paths[page->count] = (struct ths_bytes){ page->room + page->bytes, (uint32_t)len };
    page->sizes[page->count] = size;
    page->changed_ns[page->count] = changed_ns;
    page->verdicts[page->count] = (uint8_t)verdict;
    page->bytes += len;
    page->count++;
    return true;
}

/* Bytes of a message as a path. False when it cannot be one. */
static bool to_path(struct ths_bytes bytes, char path[THSI_PATH_MAX + 1])
{
    if (bytes.len > THSI_PATH_MAX || (bytes.len > 0 && memchr(bytes.data, '\0', bytes.len)))
        return false;
    if (bytes.len > 0)
        memcpy(path, bytes.data, bytes.len);
    path[bytes.len] = '\0';
    return true;
}

THS_ON(counter, list_files)
{
    char after[THSI_PATH_MAX + 1];
    struct page *page;
    bool last;

    if (!files) {
        ths_reply(ctx, files_listed, .why = "the node of this counter was started without a directory of files");
        return;
    }
    if (!to_path(msg->after, after)) {
        ths_reply(ctx, files_listed, .why = "the path to start from is none");
        return;
    }
    page = env->memory(env, NULL, sizeof *page);
    if (!page) {
        ths_reply(ctx, files_listed, .why = "memory is out");
        return;
    }
    page->count = 0;
    page->bytes = 0;
    last = files->list(files->arg, after, add_to_page, page);
    ths_reply(ctx, files_listed, .last = last, .paths = { page->paths, page->count },
              .sizes = { page->sizes, page->count }, .changed_ns = { page->changed_ns, page->count },
              .verdicts = { page->verdicts, page->count });
    env->memory(env, page, 0);
}

/* ---- Ranges ----------------------------------------------------------------------------- */

static struct result *find_result(struct counter *self, uint64_t range, uint32_t attempt)
{
    for (unsigned i = 0; i < RESULTS_MAX; i++)
        if (self->results[i].used && self->results[i].range == range && self->results[i].attempt == attempt)
            return &self->results[i];
    return NULL;
}

/* Send the next part. The result goes with the last one, and when its master is gone. */
static void send_part(struct ths_ctx *ctx, struct counter *self, struct result *result)
{
    const struct thsi_word *word;
    size_t at = result->at, next = at, bytes = 0;
    uint32_t count = 0;
    enum ths_err err;
    bool last = true;

    while ((word = thsi_words_next(&result->words, &next))) {
        last = count < THSI_PART_WORDS && (count == 0 || bytes + word->len <= THSI_PART_BYTES);
        if (!last)
            break;
        self->part_words[count] = word->letters;
        self->part_counts[count++] = word->count;
        bytes += word->len;
        at = next;
    }
    err = ths_try_tell(ctx, result->master, range_counted, .range = result->range, .attempt = result->attempt,
                       .part = result->part, .last = last, .verdict = (uint8_t)result->verdict,
                       .words = { self->part_words, count }, .counts = { self->part_counts, count },
                       .finished = self->finished, .finished_bytes = self->finished_bytes);
    if (err == THS_FULL || err == THS_NOMEM) {
        ths_after(ctx, RETRY_MS, part_due, .range = result->range, .attempt = result->attempt);
        return;
    }
    result->at = at;
    result->part++;
    if (last || err != THS_OK)
        forget(result);
}

/* Read the range with what lies around it, and count. */
static enum thsi_left_out count_words(struct counter *self, const struct count_range *msg, struct thsi_words *words)
{
    char path[THSI_PATH_MAX + 1];
    struct thsi_window window = { .bytes = self->window, .before = msg->offset > 0, .range_len = msg->len };
    enum thsi_left_out verdict;
    uint64_t behind;

    if (!files || !to_path(msg->path, path) || msg->len > THSI_RANGE_MAX || msg->offset > msg->size ||
        msg->len > msg->size - msg->offset)
        return THSI_UNREADABLE;
    behind = msg->size - msg->offset - msg->len;
    window.ends = behind <= THSI_WORD_MAX;
    window.len = window.before + msg->len + (size_t)(window.ends ? behind : THSI_WORD_MAX);
    verdict = files->read(files->arg, path, msg->offset - window.before, self->window, window.len, msg->size,
                          msg->changed_ns);
    if (verdict != THSI_FIT)
        return verdict;
    switch (thsi_words_count(words, &window)) {
    case THS_OK: return THSI_FIT;
    case THS_TOO_BIG: return THSI_WORD_TOO_LONG;
    default: return THSI_TRY_AGAIN;
    }
}

static bool has_memory(struct counter *self)
{
    if (!self->window)
        self->window = env->memory(env, NULL, THSI_WINDOW_MAX);
    if (!self->part_words)
        self->part_words = env->memory(env, NULL, THSI_PART_WORDS * sizeof *self->part_words);
    if (!self->part_counts)
        self->part_counts = env->memory(env, NULL, THSI_PART_WORDS * sizeof *self->part_counts);
    return self->window && self->part_words && self->part_counts;
}

/* A place for a new result; the oldest one gives way, since its master has given it up long ago. */
static struct result *place_result(struct counter *self)
{
    struct result *result;

    for (unsigned i = 0; i < RESULTS_MAX; i++)
        if (!self->results[i].used)
            return &self->results[i];
    result = &self->results[self->oldest++ % RESULTS_MAX];
    forget(result);
    return result;
}

THS_ON(counter, count_range)
{
    struct result *result = place_result(self);

    *result = (struct result){ .used = true, .range = msg->range, .attempt = msg->attempt, .master = ths_sender(ctx),
                               .verdict = THSI_TRY_AGAIN };
    thsi_words_init(&result->words, env, RANGE_WORDS_MAX);
    if (has_memory(self))
        result->verdict = count_words(self, msg, &result->words);
    if (result->verdict == THSI_FIT) {
        self->finished++;
        self->finished_bytes += msg->len;
    } else {
        thsi_words_fini(&result->words);
    }
    send_part(ctx, self, result);
}

THS_ON(counter, next_part)
{
    struct result *result = find_result(self, msg->range, msg->attempt);

    if (result && result->part == msg->part)
        send_part(ctx, self, result);
}

THS_ON(counter, part_due)
{
    struct result *result = find_result(self, msg->range, msg->attempt);

    if (result)
        send_part(ctx, self, result);
}

THS_ON(counter, counter_stats)
{
    ths_reply(ctx, counter_done, .finished = self->finished, .finished_bytes = self->finished_bytes);
}

THS_BEHAVIOUR(counter, ths_started, counter_args, list_files, count_range, next_part, part_due, counter_stats,
              ths_finally)

enum ths_err thsi_counter_register(struct ths_node *node)
{
    if (!env)
        env = ths_env_os();
    return ths_register(node, counter);
}
