/* expect: THSP_FIELD_strng|strng\(name\) */
#include <thiasos/thiasos.h>

THS_MESSAGE(greet, "demo.greet", 1, strng(name))
