/* expect: (read-only|const-qualified) */
#include <thiasos/thiasos.h>

THS_MESSAGE(greet, "demo.greet", 1, string(name), u32(times))

struct greeter { int greeted; };

THS_ON(greeter, greet)
{
    msg->times = 0;
}

THS_BEHAVIOUR(greeter, greet)

struct ths_behaviour *behaviour(void);
struct ths_behaviour *behaviour(void)
{
    return &greeter_behaviour;
}
