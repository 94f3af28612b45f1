/* Keyring file: the cluster's key file (key_file.h), which may hold up to three keys, the primary first:
 *
 *     thiasos-cluster-key 1
 *     <64 hexadecimal digits>
 *     <64 hexadecimal digits>
 *
 * @why (borrowed, @why_size > 0 bytes) gets what happened, why, and what to do; "" on success. All calls block for the
 * disk. Thread: any. */

#ifndef THSI_CODEC_KEYRING_FILE_H
#define THSI_CODEC_KEYRING_FILE_H

#include "codec/key_file.h"
#include "codec/keys.h"

/* Make a new file with one key, as thsi_key_file_create. */
THS_MUST_CHECK
enum ths_err thsi_keyring_create(const char *path, const uint8_t *secret, char *why, size_t why_size);

/* Read the file into @keyring, which is wiped on every error. Errors: as thsi_key_file_load. */
THS_MUST_CHECK
enum ths_err thsi_keyring_load(struct thsi_keyring *keyring, const char *path, char *why, size_t why_size);

/* Put @keyring (borrowed) in the place of the file at @path, which keeps its mode. The file is whole at every moment.
 * Errors: IO; the old file is as it was. */
THS_MUST_CHECK
enum ths_err thsi_keyring_save(const struct thsi_keyring *keyring, const char *path, char *why, size_t why_size);

/* The text of such a file, and back. Pure. */
#define THSI_KEYRING_TEXT_MAX (22 + THSI_KEYRING_MAX * (2 * THSI_KEY_SIZE + 1))

/* Write @keyring to @text of THSI_KEYRING_TEXT_MAX + 1 bytes; it ends in a NUL. Returns its length. */
size_t thsi_keyring_print(const struct thsi_keyring *keyring, char *text);

/* Read @text (@len bytes, borrowed) into @keyring, which is wiped on every error. Returns NULL, or what is wrong: lends. */
const char *thsi_keyring_parse(struct thsi_keyring *keyring, const char *text, size_t len);

#endif /* THSI_CODEC_KEYRING_FILE_H */
