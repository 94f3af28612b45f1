/* Text files: small files of text that are read whole, and those that must not be lost or seen.
 *
 * Keys, certificates and lists are such files. A secret one is created with mode 0400 and refused when others than its
 * owner may look at it. All calls block for the disk. Thread: any. */

#ifndef THSI_CODEC_TEXT_FILE_H
#define THSI_CODEC_TEXT_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "thiasos/err.h"

/* Room for a reason: a sentence, or what the operating system says. */
#define THSI_FILE_REASON_SIZE 160

/* Make the file at @path of @text (@len bytes). Either the whole file is there afterwards, on disk, with mode 0400 if
 * @secret, else 0644, or none. @reason (THSI_FILE_REASON_SIZE bytes) says why not.
 *
 * Errors:
 *   THS_INVALID  something is at @path already
 *   THS_IO       the operating system refused */
THS_MUST_CHECK
enum ths_err thsi_text_file_create(const char *path, bool secret, const char *text, size_t len, char *reason);

/* As above, in place of what is at @path and with its mode (none: 0644): whoever reads it sees the old text or the new
 * one.
 * Errors: IO. */
THS_MUST_CHECK
enum ths_err thsi_text_file_replace(const char *path, const char *text, size_t len, char *reason);

/* Read the file into @out: *@len bytes, at most @size. The caller wipes @out if it is secret.
 *
 * Errors, with a @reason that follows "cannot use FILE: ":
 *   THS_NOT_FOUND  there is no such file
 *   THS_TOO_BIG    longer than @size
 *   THS_INVALID    not a regular file
 *   THS_REFUSED    @secret, and its mode lets others than its owner at it
 *   THS_IO         the operating system refused */
THS_MUST_CHECK
enum ths_err thsi_text_file_read(const char *path, bool secret, char *out, size_t size, size_t *len, char *reason);

#endif /* THSI_CODEC_TEXT_FILE_H */
