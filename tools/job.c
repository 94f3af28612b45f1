#include "tools/job.h"

#include <assert.h>
#include <string.h>

const char *thsi_left_out_text(enum thsi_left_out why)
{
    switch (why) {
    case THSI_FIT: return "counted";
    case THSI_UNREADABLE: return "cannot be read";
    case THSI_WORD_TOO_LONG: return "holds a word longer than 64 KiB";
    case THSI_CHANGED: return "changed while it was counted";
    case THSI_GIVEN_UP: return "given up after too many attempts";
    case THSI_TRY_AGAIN: return "to be tried again";
    }
    return "unknown";
}

void thsi_job_init(struct thsi_job *job, struct ths_env *env, size_t words_max)
{
    memset(job, 0, sizeof *job);
    job->env = env;
    job->words_max = words_max;
    job->next_id = 1;
    thsi_words_init(&job->words, env, words_max);
    thsi_words_init(&job->first, env, words_max);
}

void thsi_job_fini(struct thsi_job *job)
{
    for (size_t i = 0; i < job->held_count; i++)
        thsi_words_fini(&job->held[i].parts);
    for (size_t i = 0; i < job->files_count; i++) {
        thsi_words_fini(&job->files[i].words);
        job->env->memory(job->env, job->files[i].path, 0);
    }
    job->env->memory(job->env, job->files, 0);
    thsi_words_fini(&job->words);
    thsi_words_fini(&job->first);
    job->files = NULL;
    job->files_count = job->files_cap = job->held_count = job->again_count = 0;
}

enum ths_err thsi_job_add(struct thsi_job *job, const char *path, size_t path_len, uint64_t size, uint64_t changed_ns,
                          enum thsi_left_out left_out)
{
    struct thsi_job_file *file;

    assert(job->round == 0);
    if (job->files_count == THSI_JOB_FILES_MAX)
        return THS_TOO_MANY;
    if (job->files_count == job->files_cap) {
        size_t cap = job->files_cap ? job->files_cap * 2 : 64;
        void *files = job->env->memory(job->env, job->files, cap * sizeof *file);

        if (!files)
            return THS_NOMEM;
        job->files = files;
        job->files_cap = cap;
    }
    file = &job->files[job->files_count];
    *file = (struct thsi_job_file){ .size = size, .changed_ns = changed_ns, .left_out = left_out };
    file->path = job->env->memory(job->env, NULL, path_len + 1);
    if (!file->path)
        return THS_NOMEM;
    memcpy(file->path, path, path_len);
    file->path[path_len] = '\0';
    thsi_words_init(&file->words, job->env, job->words_max);
    job->files_count++;
    if (left_out == THSI_FIT)
        job->bytes += size;
    return THS_OK;
}

/* ---- Giving out ------------------------------------------------------------------------- */

/* How many ranges of a file lie behind @offset. */
static uint64_t ranges_behind(const struct thsi_job *job, const struct thsi_job_file *file, uint64_t offset)
{
    return (file->size - offset + job->range_len - 1) / job->range_len;
}

/* Move the cursor to the next byte that is to be cut. Empty files are done as it passes them. */
static void advance(struct thsi_job *job)
{
    while (job->next_file < job->files_count) {
        const struct thsi_job_file *file = &job->files[job->next_file];

        if (file->left_out == THSI_FIT && job->next_offset < file->size)
            return;
        if (file->left_out == THSI_FIT && file->size == 0)
            job->files_done++;
        job->next_file++;
        job->next_offset = 0;
    }
}

void thsi_job_round_start(struct thsi_job *job)
{
    uint64_t range_len = job->bytes / THSI_RANGES_WANTED;

    assert(job->held_count == 0 && job->again_count == 0);
    if (range_len < THSI_RANGE_MIN)
        range_len = THSI_RANGE_MIN;
    job->range_len = range_len < THSI_RANGE_MAX ? (uint32_t)range_len : THSI_RANGE_MAX;
    job->round++;
    job->next_file = 0;
    job->next_offset = 0;
    job->bytes_done = 0;
    job->files_done = 0;
    job->dropped_out = false;
    job->untouched = 0;
    for (size_t i = 0; i < job->files_count; i++) {
        if (job->files[i].left_out == THSI_FIT)
            job->untouched += ranges_behind(job, &job->files[i], 0);
        job->files[i].counted = 0;
        thsi_words_fini(&job->files[i].words);
    }
    thsi_words_fini(&job->words);
    advance(job);
}

/* The next cut of the files, as a range that nobody had yet. */
static struct thsi_job_range cut(struct thsi_job *job)
{
    const struct thsi_job_file *file = &job->files[job->next_file];
    uint64_t left = file->size - job->next_offset;
    struct thsi_job_range range = { .id = job->next_id++, .file = job->next_file, .offset = job->next_offset };

    range.len = left < job->range_len ? (uint32_t)left : job->range_len;
    job->next_offset += range.len;
    job->untouched--;
    advance(job);
    return range;
}

bool thsi_job_take(struct thsi_job *job, ths_ref holder, uint64_t deadline_ms, struct thsi_job_range *range)
{
    struct thsi_job_range *held;

    /* Together they never exceed one array, since nothing new is cut while something waits. */
    if (job->held_count == THSI_JOB_HELD_MAX)
        return false;
    if (job->again_count == 0 && job->next_file == job->files_count)
        return false;
    held = &job->held[job->held_count++];
    *held = job->again_count > 0 ? job->again[--job->again_count] : cut(job);
    job->sent_again += held->attempt > 0;
    held->attempt++;
    held->holder = holder;
    held->deadline_ms = deadline_ms;
    held->part = 0;
    thsi_words_init(&held->parts, job->env, job->words_max);
    *range = *held;
    return true;
}

uint64_t thsi_job_waiting(const struct thsi_job *job)
{
    return job->untouched + job->again_count;
}

size_t thsi_job_holds(const struct thsi_job *job, ths_ref holder)
{
    size_t count = 0;

    for (size_t i = 0; i < job->held_count; i++)
        count += ths_ref_equal(job->held[i].holder, holder);
    return count;
}

/* ---- Taking back ------------------------------------------------------------------------ */

static void forget_held(struct thsi_job *job, size_t at)
{
    thsi_words_fini(&job->held[at].parts);
    job->held[at] = job->held[--job->held_count];
}

static void leave_out(struct thsi_job *job, size_t file, enum thsi_left_out why);

/* A held range waits for another attempt; one that had too many takes its file with it. */
static void put_back(struct thsi_job *job, size_t at)
{
    size_t file = job->held[at].file;

    if (job->held[at].attempt >= THSI_JOB_ATTEMPTS_MAX) {
        leave_out(job, file, THSI_GIVEN_UP);
        return;
    }
    job->again[job->again_count] = job->held[at];
    forget_held(job, at);
    /* The tables of its parts were freed just now. */
    memset(&job->again[job->again_count].parts, 0, sizeof job->again[0].parts);
    job->again_count++;
}

size_t thsi_job_lose(struct thsi_job *job, ths_ref holder)
{
    size_t lost = 0;

    for (size_t at = job->held_count; at-- > 0;) {
        /* Leaving a file out may have shortened the list. */
        if (at >= job->held_count || !ths_ref_equal(job->held[at].holder, holder))
            continue;
        put_back(job, at);
        lost++;
    }
    return lost;
}

size_t thsi_job_expire(struct thsi_job *job, uint64_t now_ms)
{
    size_t lost = 0;

    for (size_t at = job->held_count; at-- > 0;) {
        if (at >= job->held_count || job->held[at].deadline_ms > now_ms)
            continue;
        put_back(job, at);
        lost++;
    }
    return lost;
}

/* The file is unfit: none of its ranges is wanted any more. */
static void leave_out(struct thsi_job *job, size_t file, enum thsi_left_out why)
{
    /* Before the cursor moves: what of it was not cut yet never will be. */
    if (file >= job->next_file)
        job->untouched -= ranges_behind(job, &job->files[file], file == job->next_file ? job->next_offset : 0);
    job->files[file].left_out = why;
    thsi_words_fini(&job->files[file].words);
    job->bytes -= job->files[file].size;
    job->bytes_done -= job->files[file].counted;
    job->dropped_out = true;
    for (size_t at = job->held_count; at-- > 0;)
        if (job->held[at].file == file)
            forget_held(job, at);
    for (size_t at = job->again_count; at-- > 0;)
        if (job->again[at].file == file)
            job->again[at] = job->again[--job->again_count];
    advance(job);
}

/* ---- Answers ---------------------------------------------------------------------------- */

static bool are_words(const char *const *letters, const uint64_t *counts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *at = letters[i];

        while (*at >= 'a' && *at <= 'z')
            at++;
        if (*at != '\0' || at == letters[i] || counts[i] == 0)
            return false;
    }
    return true;
}

static enum ths_err add_all(struct thsi_words *into, const char *const *letters, const uint64_t *counts, size_t count)
{
    enum ths_err err = THS_OK;

    for (size_t i = 0; i < count && err == THS_OK; i++)
        err = thsi_words_add(into, letters[i], strlen(letters[i]), counts[i]);
    return err;
}

/* Add the words of @from to @to and empty it. */
static enum ths_err pour(struct thsi_words *to, struct thsi_words *from)
{
    struct thsi_words swap = *to;
    enum ths_err err = THS_OK;

    if (to->count == 0) {
        *to = *from;
        *from = swap;
    } else {
        err = thsi_words_merge(to, from);
    }
    thsi_words_fini(from);
    return err;
}

/* All of the range is there. Its file's words enter the round when it was the file's last. */
static enum ths_err finish(struct thsi_job *job, size_t at)
{
    struct thsi_job_file *file = &job->files[job->held[at].file];
    enum ths_err err = pour(&file->words, &job->held[at].parts);

    if (err != THS_OK)
        return err;
    file->counted += job->held[at].len;
    job->bytes_done += job->held[at].len;
    forget_held(job, at);
    if (file->counted < file->size)
        return THS_OK;
    job->files_done++;
    return pour(&job->words, &file->words);
}

enum thsi_job_answer thsi_job_answer(struct thsi_job *job, uint64_t id, uint32_t attempt, uint32_t part, bool last,
                                     enum thsi_left_out verdict, const char *const *letters, const uint64_t *counts,
                                     size_t count)
{
    struct thsi_job_range *range = NULL;
    size_t at = 0;

    while (at < job->held_count && job->held[at].id != id)
        at++;
    if (at < job->held_count)
        range = &job->held[at];
    if (!range || range->attempt != attempt || range->part != part || !are_words(letters, counts, count)) {
        job->stale_answers++;
        return THSI_ANSWER_STALE;
    }
    if (verdict == THSI_TRY_AGAIN) {
        put_back(job, at);
        return THSI_ANSWER_AGAIN;
    }
    if (verdict != THSI_FIT) {
        leave_out(job, range->file, verdict);
        return THSI_ANSWER_DONE;
    }
    range->part++;
    if (add_all(&range->parts, letters, counts, count) != THS_OK)
        return THSI_ANSWER_FAILED;
    if (!last)
        return THSI_ANSWER_MORE;
    return finish(job, at) == THS_OK ? THSI_ANSWER_DONE : THSI_ANSWER_FAILED;
}

/* ---- Rounds ----------------------------------------------------------------------------- */

bool thsi_job_round_finished(const struct thsi_job *job)
{
    return job->round > 0 && job->next_file == job->files_count && job->held_count == 0 && job->again_count == 0;
}

bool thsi_job_round_end(struct thsi_job *job, const struct thsi_word **word)
{
    struct thsi_words swap;

    assert(thsi_job_round_finished(job));
    *word = NULL;
    if (job->round > 1 && !job->dropped_out) {
        *word = thsi_words_difference(&job->first, &job->words);
        return *word == NULL;
    }
    swap = job->first;
    job->first = job->words;
    job->words = swap;
    return true;
}
