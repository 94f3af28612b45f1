/* expect: THSP_CTYPE_strng */
#include <thiasos/thiasos.h>

THS_MESSAGE(greet, "demo.greet", 1, list(strng, names))
