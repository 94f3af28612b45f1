/* expect: greet */
#include <thiasos/thiasos.h>

void send(struct ths_node *node, ths_ref to);
void send(struct ths_node *node, ths_ref to)
{
    ths_tell(node, to, greet, .name = "world");
}
