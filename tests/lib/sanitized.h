/* Sanitized: whether this program runs under the address or the thread sanitizer, which make it slow and keep much memory. */

#ifndef THS_TESTS_LIB_SANITIZED_H
#define THS_TESTS_LIB_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

#endif /* THS_TESTS_LIB_SANITIZED_H */
