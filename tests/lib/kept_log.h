/* The production environment with a log that is kept, for tests of what live nodes say. One at a time in a process. */

#ifndef THS_TESTS_LIB_KEPT_LOG_H
#define THS_TESTS_LIB_KEPT_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "thiasos/env.h"

/* Begin with an empty log. Lends the environment, for nodes to be started with; each line is kept as "NODE: TEXT". */
struct ths_env *kept_log_begin(void);

/* What is kept, for the text of a failure. Lends. */
const char *kept_log_text(void);

bool is_logged(const char *text);

/* Wait until a line holds @text; fails the test after a minute. */
void await_line(const char *text);

#endif /* THS_TESTS_LIB_KEPT_LOG_H */
