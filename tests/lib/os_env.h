/* The production environment with another memory and no log, for tests of nodes with real threads that count or refuse
 * allocations. Virtual time and one thread: test_env.h. */

#ifndef THS_TESTS_LIB_OS_ENV_H
#define THS_TESTS_LIB_OS_ENV_H

#include <stddef.h>
#include <stdint.h>

#include "thiasos/env.h"

/* @memory is called by any thread; what it lets pass it hands to ths_env_os()->memory. */
struct ths_env os_env_with(void *(*memory)(struct ths_env *env, void *ptr, size_t size));

/* What its clock says: for limits of waiting alone. */
uint64_t os_now_ms(void);

#endif /* THS_TESTS_LIB_OS_ENV_H */
