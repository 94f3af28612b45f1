/* Key files: a secret of 32 bytes on disk.
 *
 * Two lines of text, so that it can be pasted, mailed to a vault and compared by eye:
 *
 *     thiasos-cluster-key 1
 *     <64 hexadecimal digits>
 *
 * It is created with mode 0400 and never overwritten; a file that others can read or write is refused, since what is in
 * it is a secret no more. Thread: any. All calls block for the disk. */

#ifndef THSI_CODEC_KEY_FILE_H
#define THSI_CODEC_KEY_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "codec/wire.h"
#include "thiasos/err.h"

/* Room for the three-part message of an error with a path that is not absurd; a longer one is cut. */
#define THSI_KEY_WHY_SIZE 512

/* What tells one kind of key from another. */
struct thsi_key_kind {
    const char *head;   /* of the first line: "thiasos-cluster-key" */
    const char *what;   /* in messages: "key file" */
    const char *remedy; /* what to do who has none: a sentence without its full stop */
    const char *renew;  /* the command that makes another: "thiasos key new FILE" */
};

/* Make a new key file of @kind at @path from THSI_KEY_SIZE fresh random bytes @secret (borrowed; the caller wipes them).
 * Either the whole file is there afterwards, on disk, or none.
 * @why (borrowed, @why_size > 0 bytes) gets what happened, why, and what to do; "" on success.
 *
 * Errors:
 *   THS_INVALID  something is at @path already: a key in use must not be lost
 *   THS_IO       the operating system refused */
THS_MUST_CHECK
enum ths_err thsi_key_file_create(const struct thsi_key_kind *kind, const char *path, const uint8_t *secret, char *why,
                                  size_t why_size);

/* Read the key file of @kind at @path into @secret, THSI_KEY_SIZE bytes, wiped on every error. @why as above.
 *
 * Errors:
 *   THS_BAD_KEY  missing, not a regular file, open to group or world, of the wrong length or syntax, or a newer format
 *   THS_IO       the operating system refused */
THS_MUST_CHECK
enum ths_err thsi_key_file_load(const struct thsi_key_kind *kind, uint8_t *secret, const char *path, char *why,
                                size_t why_size);

/* Say in @why why the key file of @kind at @path is refused: @err is what thsi_text_file_read answered, or BAD_KEY, with
 * its @reason (borrowed). */
void thsi_key_file_refuse(const struct thsi_key_kind *kind, const char *path, enum ths_err err, const char *reason,
                          char *why, size_t why_size);

#endif /* THSI_CODEC_KEY_FILE_H */
