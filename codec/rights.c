/* Rights: see rights.h. */

#include "codec/rights.h"

#include <assert.h>
#include <string.h>

static const struct {
    uint32_t right;
    const char *word;
} words[] = {
#define X(name, bit, word, about) { THSI_RIGHT_##name, word },
    THSI_RIGHTS(X)
#undef X
};

#define WORDS (sizeof words / sizeof words[0])

static_assert(THSI_RIGHTS_ALL == (1u << WORDS) - 1, "all are all there are");

/* What each record needs. What is not listed needs nothing: REPLY, REFUSED, DOWN, HALTED, MOVED and CANCEL belong to what
 * this node or its own actors asked for, UNLINK and DEMONITOR take back, RESTART, HALT and FINISH are heard by a child of
 * the sender alone, TYPE, TYPE_REFUSED, BYE, KEYS, KEY and CREDIT are the link's; of a FRAGMENT the whole is judged. */
static const uint8_t needed[THSI_RECORD_AGAIN + 1] = {
    [THSI_RECORD_TELL] = THSI_RIGHT_SEND,
    [THSI_RECORD_AGAIN] = THSI_RIGHT_SEND,
    [THSI_RECORD_GROUP_TELL] = THSI_RIGHT_SEND,
    [THSI_RECORD_ASK] = THSI_RIGHT_ASK,
    [THSI_RECORD_LOOKUP] = THSI_RIGHT_SEND | THSI_RIGHT_ASK | THSI_RIGHT_MONITOR | THSI_RIGHT_KILL,
    [THSI_RECORD_SPAWN] = THSI_RIGHT_SPAWN,
    [THSI_RECORD_LINK] = THSI_RIGHT_MONITOR,
    [THSI_RECORD_MONITOR] = THSI_RIGHT_MONITOR,
    [THSI_RECORD_KILL] = THSI_RIGHT_KILL,
    [THSI_RECORD_STOP] = THSI_RIGHT_KILL,
    [THSI_RECORD_DRAIN] = THSI_RIGHT_KILL,
};

static_assert(THSI_RIGHTS_ALL <= UINT8_MAX, "a byte holds them");

uint32_t thsi_rights_for(const struct thsi_envelope *envelope)
{
    /* With an id it is an order to end; without one it tells a linked actor of an end. */
    if (envelope->kind == THSI_RECORD_EXIT)
        return envelope->id != 0 ? (uint32_t)THSI_RIGHT_KILL : 0;
    return (size_t)envelope->kind < sizeof needed ? needed[envelope->kind] : 0;
}

static uint32_t right_of(const char *word, size_t len)
{
    for (size_t i = 0; i < WORDS; i++)
        if (strlen(words[i].word) == len && memcmp(words[i].word, word, len) == 0)
            return words[i].right;
    return 0;
}

bool thsi_rights_parse(const char *text, size_t len, uint32_t *rights)
{
    const char *end = text + len;

    *rights = len == 3 && memcmp(text, "all", 3) == 0 ? THSI_RIGHTS_ALL : 0;
    if (*rights != 0 || (len == 4 && memcmp(text, "none", 4) == 0))
        return true;
    for (const char *at = text;; at++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        uint32_t right = right_of(at, (size_t)(stop - at));

        if (right == 0 || (*rights & right) != 0)
            return false;
        *rights |= right;
        if (!comma)
            return true;
        at = comma;
    }
}

void thsi_rights_print(uint32_t rights, char *out)
{
    size_t len = 0;

    if ((rights & THSI_RIGHTS_ALL) == THSI_RIGHTS_ALL || (rights & THSI_RIGHTS_ALL) == 0) {
        (void)strcpy(out, (rights & THSI_RIGHTS_ALL) ? "all" : "none");
        return;
    }
    for (size_t i = 0; i < WORDS; i++) {
        if (!(rights & words[i].right))
            continue;
        if (len > 0)
            out[len++] = ',';
        assert(len + strlen(words[i].word) < THSI_RIGHTS_TEXT_SIZE);
        (void)strcpy(out + len, words[i].word);
        len += strlen(words[i].word);
    }
}

const char *thsi_right_word(uint32_t rights)
{
    for (size_t i = 0; i < WORDS; i++)
        if (rights & words[i].right)
            return words[i].word;
    return "none";
}
