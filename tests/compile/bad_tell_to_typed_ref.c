/* expect: greeter_accepts_farewell */
#include <thiasos/thiasos.h>

THS_MESSAGE(greet, "demo.greet", 1, string(name), u32(times))
THS_MESSAGE(farewell, "demo.farewell", 1)

THS_ACCEPTS(greeter, greet)

void send(struct ths_node *node, struct greeter_ref to);
void send(struct ths_node *node, struct greeter_ref to)
{
    ths_tell_to(node, greeter, to, farewell);
}
