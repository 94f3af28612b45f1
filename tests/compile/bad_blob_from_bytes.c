/* expect: struct ths_blob \* */
#include <thiasos/thiasos.h>

THS_MESSAGE(picture, "demo.picture", 1, blob(pixels))

void show(struct ths_node *node, ths_ref viewer, struct ths_bytes pixels);
void show(struct ths_node *node, ths_ref viewer, struct ths_bytes pixels)
{
    ths_tell(node, viewer, picture, .pixels = pixels);
}
