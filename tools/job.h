/* Job: which files are to be counted, who counts which range of them, and what has been counted.
 *
 * The master's bookkeeping. Files are cut into ranges; a range is given to a counter, and given to another when
 * the first is lost or late. Each giving is an attempt of its own, and only the answer to the present attempt counts, so
 * a range enters the table once however often it was sent. A file's words enter the round's table when all its ranges
 * are there: a file that turns out to be unfit leaves no trace. The rounds must all agree with the first; when a file
 * drops out later (it changed, it vanished), the round in which it did takes the first one's place.
 *
 * Pure: time comes as an argument, memory from `env->memory`. No lock inside. */

#ifndef THSI_TOOLS_JOB_H
#define THSI_TOOLS_JOB_H

#include "thiasos/ref.h"
#include "tools/words.h"

#define THSI_JOB_HELD_MAX 512u      /* ranges that are given out or wait for another attempt */
#define THSI_JOB_ATTEMPTS_MAX 100u  /* then its file is left out */
#define THSI_JOB_FILES_MAX 4000000u
#define THSI_RANGE_MIN 1024u        /* small jobs are cut finer, so that every counter gets some */
#define THSI_RANGES_WANTED 256u

/* Why a file was not counted. The numbers cross the wire. */
enum thsi_left_out {
    THSI_FIT = 0,           /* it was */
    THSI_UNREADABLE = 1,
    THSI_WORD_TOO_LONG = 2,
    THSI_CHANGED = 3,
    THSI_GIVEN_UP = 4,
    THSI_TRY_AGAIN = 5      /* of a range: the counter was short of something */
};

/* "cannot be read", ... Lends a constant. */
const char *thsi_left_out_text(enum thsi_left_out why);

struct thsi_job_file {
    char *path;
    uint64_t size, changed_ns;
    enum thsi_left_out left_out;
    uint64_t counted;         /* bytes, in this round */
    struct thsi_words words;  /* of this round, until the file is whole */
};

/* A range that is given out, or was. */
struct thsi_job_range {
    uint64_t id;              /* never used twice, not even in another round */
    uint32_t attempt;         /* from 1 */
    uint32_t len;
    size_t file;
    uint64_t offset;
    ths_ref holder;
    uint64_t deadline_ms;
    uint32_t part;            /* the next one wanted */
    struct thsi_words parts;  /* what came of an answer in several parts */
};

struct thsi_job {
    struct ths_env *env;
    size_t words_max;         /* bytes of one table */
    struct thsi_job_file *files;
    size_t files_count, files_cap;
    uint64_t bytes;           /* of all files that are fit */
    uint32_t range_len;
    uint32_t round;           /* from 1; 0: still listing */
    size_t next_file;
    uint64_t next_offset;
    uint64_t untouched;       /* ranges of this round that are still to be cut */
    uint64_t next_id;
    struct thsi_job_range held[THSI_JOB_HELD_MAX], again[THSI_JOB_HELD_MAX];
    size_t held_count, again_count;
    uint64_t bytes_done;      /* in this round */
    size_t files_done;
    bool dropped_out;         /* a file became unfit in this round */
    uint64_t sent_again, stale_answers;
    struct thsi_words words, first;
};

/* Empty. Borrows @env until fini; each table of words holds up to @words_max bytes. */
void thsi_job_init(struct thsi_job *job, struct ths_env *env, size_t words_max);
void thsi_job_fini(struct thsi_job *job);

/* Add a file, before the first round; with @left_out it is only remembered. Copies @path.
 * Errors: NOMEM, TOO_MANY. */
THS_MUST_CHECK enum ths_err thsi_job_add(struct thsi_job *job, const char *path, size_t path_len, uint64_t size,
                                         uint64_t changed_ns, enum thsi_left_out left_out);

/* Begin the next round; the one before was ended. */
void thsi_job_round_start(struct thsi_job *job);

/* Give the next range to @holder: one that waits for another attempt, or a new cut. *@range is a copy. False when
 * all are given out. */
bool thsi_job_take(struct thsi_job *job, ths_ref holder, uint64_t deadline_ms, struct thsi_job_range *range);

/* How many could be taken now, those that wait for another attempt included. */
uint64_t thsi_job_waiting(const struct thsi_job *job);

/* How many @holder holds. */
size_t thsi_job_holds(const struct thsi_job *job, ths_ref holder);

/* @holder is gone or did not take them: its ranges wait for another attempt. Returns how many. */
size_t thsi_job_lose(struct thsi_job *job, ths_ref holder);

/* The same for ranges whose deadline has passed. */
size_t thsi_job_expire(struct thsi_job *job, uint64_t now_ms);

enum thsi_job_answer {
    THSI_ANSWER_STALE,  /* not the present attempt, or not well formed: dropped */
    THSI_ANSWER_MORE,   /* taken; ask for the next part */
    THSI_ANSWER_DONE,   /* the range is counted, or its file was left out */
    THSI_ANSWER_AGAIN,  /* it waits for another attempt */
    THSI_ANSWER_FAILED  /* the table is full or memory is out: the job cannot be done */
};

/* One part of an answer: @count words with how often each was seen. Borrows. */
enum thsi_job_answer thsi_job_answer(struct thsi_job *job, uint64_t id, uint32_t attempt, uint32_t part, bool last,
                                     enum thsi_left_out verdict, const char *const *letters, const uint64_t *counts,
                                     size_t count);

/* Whether every range of this round is counted. */
bool thsi_job_round_finished(const struct thsi_job *job);

/* End a finished round. True when its table is the first one's, or became the first. Else *@word is one that was
 * counted differently (lent until the next round). */
bool thsi_job_round_end(struct thsi_job *job, const struct thsi_word **word);

#endif /* THSI_TOOLS_JOB_H */
