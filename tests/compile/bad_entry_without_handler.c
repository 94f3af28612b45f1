/* expect: greeter_on_greet */
#include <thiasos/thiasos.h>

THS_MESSAGE(greet, "demo.greet", 1, string(name), u32(times))

struct greeter { int greeted; };

THS_BEHAVIOUR(greeter, greet)

struct ths_behaviour *behaviour(void);
struct ths_behaviour *behaviour(void)
{
    return &greeter_behaviour;
}
