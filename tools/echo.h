/* Echo: the built-in behaviour to try a cluster with. Answers say with said; `thiasos ask echo@NODE say text=hello`. */

#ifndef THSI_TOOLS_ECHO_H
#define THSI_TOOLS_ECHO_H

#include "thiasos/thiasos.h"

THS_MESSAGE(say, "echo.say", 1, string(text))

/* The text, which node said it, and how often that actor has answered so far. */
THS_MESSAGE(said, "echo.said", 1, string(text), string(node), u64(count))

/* Register the behaviour "echo" at @node, and spawn one named "echo". Returns its ref, or nobody (logged). */
ths_ref thsi_echo_start(struct ths_node *node);

#endif /* THSI_TOOLS_ECHO_H */
