/* expect: _Generic|not compatible with any generic association */
#include <thiasos/thiasos.h>

THS_MESSAGE(greet, "demo.greet", 1, string(name), u32(times))

void send(ths_ref from, ths_ref to);
void send(ths_ref from, ths_ref to)
{
    ths_tell(from, to, greet, .name = "world");
}
