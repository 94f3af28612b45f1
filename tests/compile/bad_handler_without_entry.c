/* expect: greeter_on_farewell.*(defined but not used|unused)|unused function .*greeter_on_farewell */
#include <thiasos/thiasos.h>

THS_MESSAGE(greet, "demo.greet", 1, string(name), u32(times))
THS_MESSAGE(farewell, "demo.farewell", 1)

struct greeter { int greeted; };

THS_ON(greeter, greet)
{
    self->greeted++;
}

THS_ON(greeter, farewell)
{
    ths_stop(ctx);
}

THS_BEHAVIOUR(greeter, greet)

struct ths_behaviour *behaviour(void);
struct ths_behaviour *behaviour(void)
{
    return &greeter_behaviour;
}
