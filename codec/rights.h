/* Rights: what a node may do on another, verb by verb.
 *
 * A node's rights come from the allow list or the certificate that admitted it; without node keys every member has all
 * of them. They are looked up where its records are received, in one table, and nowhere else. Pure. Thread: any. */

#ifndef THSI_CODEC_RIGHTS_H
#define THSI_CODEC_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/envelope.h"

/* X(name, bit, word, what it lets a node do) */
#define THSI_RIGHTS(X)                                                                          \
    X(SEND, 1, "send", "tell actors")                                                           \
    X(ASK, 2, "ask", "ask actors")                                                              \
    X(SPAWN, 4, "spawn", "start actors of behaviours that are registered")                      \
    X(MONITOR, 8, "monitor", "watch actors and link to them")                                   \
    X(KILL, 16, "kill", "end, stop and drain actors")                                           \
    X(ADMIN, 32, "admin", "say who of the others is suspect, dead or gone; relay for commands")

enum thsi_right {
#define X(name, bit, word, about) THSI_RIGHT_##name = (bit),
    THSI_RIGHTS(X)
#undef X
    THSI_RIGHTS_ALL = 63
};

#define THSI_RIGHTS_TEXT_SIZE 48

/* Read "send,ask", "all" or "none" of exactly @len bytes. False: another word, one twice, or nothing. */
THS_MUST_CHECK bool thsi_rights_parse(const char *text, size_t len, uint32_t *rights);

/* As parse reads it, into THSI_RIGHTS_TEXT_SIZE bytes. */
void thsi_rights_print(uint32_t rights, char *out);

/* Which rights let a peer send this record, one of them being enough; 0: it needs none, because it answers, takes back or
 * reports, or because it acts on the sender's own children alone. Reads kind and id of @envelope. */
uint32_t thsi_rights_for(const struct thsi_envelope *envelope);

/* The word of the first right of @rights. Lends a constant. */
const char *thsi_right_word(uint32_t rights);

#endif /* THSI_CODEC_RIGHTS_H */
