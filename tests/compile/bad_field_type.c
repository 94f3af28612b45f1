/* expect: (makes integer from pointer|incompatible pointer to integer|initialization of .*from) */
#include <thiasos/thiasos.h>

THS_MESSAGE(greet, "demo.greet", 1, string(name), u32(times))

void send(struct ths_node *node, ths_ref to);
void send(struct ths_node *node, ths_ref to)
{
    ths_tell(node, to, greet, .times = "two");
}
