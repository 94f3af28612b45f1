/* expect: THSP_FIELD_strng */
#include <thiasos/thiasos.h>

THS_MESSAGE(greet, "demo.greet", 1, strng(name))
