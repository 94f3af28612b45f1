/* expect: mx */
#include <thiasos/thiasos.h>

THS_MESSAGE(greet, "demo.greet", 1, string(name, .mx = 7))
