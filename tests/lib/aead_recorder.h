/* AEAD recorder: sees every key with every nonce that something is sealed with, and tells whether any came twice.
 *
 * Only programs whose codec/session.c and codec/noise.c are compiled with THSI_AEAD_RECORDED record anything
 * (thiasos_record_aead of tests/CMakeLists.txt). Thread: any. */

#ifndef THS_TESTS_LIB_AEAD_RECORDER_H
#define THS_TESTS_LIB_AEAD_RECORDER_H

#include <stdint.h>

/* What the code under test calls; also by tests of the recorder itself. */
void thsi_aead_record(const uint8_t *key, uint64_t counter);

/* Forget all, before keys that are drawn from the same seed come again. */
void aead_recorder_reset(void);

/* How often something was sealed since, and how often with a key and a nonce that were used before. */
uint64_t aead_recorder_seals(void);
uint64_t aead_recorder_repeats(void);

/* How many keys there were, at most 4,096; copies of them, each byte xored with AEAD_RECORDER_MASK, so that who searches
 * memory for keys does not find these. Lends. */
#define AEAD_RECORDER_MASK 0xa5u
unsigned aead_recorder_keys(const uint8_t (**masked)[32]);

#endif /* THS_TESTS_LIB_AEAD_RECORDER_H */
