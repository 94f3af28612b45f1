/* Words: a table from words to how often they were seen, and how words are cut from the bytes of a file.
 *
 * A word is what `tr -cs '[:alpha:]' '\n' | tr A-Z a-z` leaves of one file in the C locale: a longest run of the bytes
 * A-Z and a-z, in small letters. A file is counted in ranges. A word belongs to the range in which it begins,
 * so the tables of all ranges of a file add up to the table of the whole, however it was cut: a range looks at the byte
 * before it to skip a word that began there, and reads behind its end to finish its last one. A word longer than
 * THSI_WORD_MAX is refused, since it could span any number of ranges.
 *
 * Pure: memory comes from `env->memory` and may fail. No lock inside. */

#ifndef THSI_TOOLS_WORDS_H
#define THSI_TOOLS_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "thiasos/env.h"

#define THSI_WORD_MAX 65536u                      /* bytes of the longest word that is counted */
#define THSI_RANGE_MAX (1u << 20)                 /* bytes of the longest range */
#define THSI_WINDOW_MAX (1u + THSI_RANGE_MAX + THSI_WORD_MAX) /* bytes that a range may look at */

/* One word. @letters lies in the table's own memory and stays until fini. */
struct thsi_word {
    const char *letters; /* small letters with a NUL behind them; NULL: free place */
    uint32_t len;
    uint64_t hash;
    uint64_t count;
};

struct thsi_words {
    struct ths_env *env;
    struct thsi_word *places;
    size_t cap;           /* 0 or a power of two */
    size_t count;         /* different words */
    uint64_t total;       /* words in all */
    size_t bytes;         /* taken so far */
    size_t bytes_max;
    struct thsi_words_block *blocks; /* where the letters lie; the first is being filled */
    uint64_t seed[2];
};

/* The bytes of a file around one range. */
struct thsi_window {
    const uint8_t *bytes; /* borrowed */
    size_t len;
    size_t before;        /* bytes in front of the range: 1, or 0 at the start of the file */
    size_t range_len;     /* what follows them in the range; the rest is behind it */
    bool ends;            /* the file ends where the window does */
};

/* Empty, without memory. Draws the hash's seed from @env, which is borrowed until fini. It refuses words when it holds
 * @bytes_max bytes. */
void thsi_words_init(struct thsi_words *words, struct ths_env *env, size_t bytes_max);

/* Frees all. The table is empty after it and may be used again. */
void thsi_words_fini(struct thsi_words *words);

/* Add @count to the word of @len small letters. Copies.
 * Errors: NOMEM, TOO_MANY (bytes_max). The table is then as it was. */
THS_MUST_CHECK enum ths_err thsi_words_add(struct thsi_words *words, const char *letters, size_t len, uint64_t count);

/* Add all of @from. Borrows @from. Errors: as above; a part may have been added then. */
THS_MUST_CHECK enum ths_err thsi_words_merge(struct thsi_words *words, const struct thsi_words *from);

/* How often the word was seen. */
uint64_t thsi_words_get(const struct thsi_words *words, const char *letters, size_t len);

/* Iterate in no useful order: size_t at = 0; while ((word = thsi_words_next(&words, &at))) ...
 * Lends until the next add. */
const struct thsi_word *thsi_words_next(const struct thsi_words *words, size_t *at);

/* A word that @a and @b do not hold equally often; NULL when they are equal. Lends. */
const struct thsi_word *thsi_words_difference(const struct thsi_words *a, const struct thsi_words *b);

/* The words by their letters. Gives an array of `words->count` pointers into the table, to be freed with
 * env->memory(env, array, 0); NULL when memory is out or there are none. */
const struct thsi_word **thsi_words_by_letters(const struct thsi_words *words);

/* The up to @max words seen most often, those first, equal ones by their letters. Returns how many. Lends. */
size_t thsi_words_top(const struct thsi_words *words, const struct thsi_word **top, size_t max);

/* Count the words that begin in the window's range.
 * Errors: TOO_BIG (one is longer than THSI_WORD_MAX), INVALID (the window does not reach far enough behind its range to
 * tell), NOMEM, TOO_MANY. A part may have been added then. */
THS_MUST_CHECK enum ths_err thsi_words_count(struct thsi_words *words, const struct thsi_window *window);

/* Whether [:alpha:] of the C locale holds @byte. */
static inline bool thsi_is_letter(uint8_t byte)
{
    return (uint8_t)((byte | 0x20) - 'a') < 26;
}

#endif /* THSI_TOOLS_WORDS_H */
