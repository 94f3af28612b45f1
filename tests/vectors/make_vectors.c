/* Writes tests/vectors/protocol.json to its standard output. README.md beside it says when to. */

#include "tests/lib/vectors.h"

#include <stdio.h>

int main(void)
{
    json_t *all = vectors_make();
    int status = json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17));

    json_decref(all);
    return status == 0 && putchar('\n') != EOF && fflush(stdout) == 0 ? 0 : 1;
}
