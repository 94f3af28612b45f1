/* expect: THSP_CTYPE_blob */
#include <thiasos/thiasos.h>

THS_MESSAGE(album, "demo.album", 1, list(blob, pictures))
