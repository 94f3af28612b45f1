/* expect: greet.*has no member named.*nmae|does not refer to any field.*greet|nmae.*greet */
#include <thiasos/thiasos.h>

THS_MESSAGE(greet, "demo.greet", 1, string(name), u32(times))

struct ths_message message(void);
struct ths_message message(void)
{
    return THS_MSG(greet, .nmae = "world");
}
