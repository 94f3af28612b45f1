/* UTF-8 of strings in messages. Pure. */

#ifndef THSI_NODE_BASE_UTF8_H
#define THSI_NODE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Whether @len bytes at @text are well-formed UTF-8 without a NUL among them: shortest forms only, no surrogates,
 * nothing above U+10FFFF. Empty text is. Borrows @text, which may be NULL when @len is 0. Thread: any. */
bool thsi_utf8_valid(const char *text, size_t len);

/* Put a '?' in the place of every byte of @text that is part of no well-formed character. Thread: any. */
void thsi_utf8_mend(char *text);

#endif /* THSI_NODE_BASE_UTF8_H */
