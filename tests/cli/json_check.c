/* Exit 0 when stdin is one JSON text, else say what is wrong. */

#include <jansson.h>
#include <stdio.h>

int main(void)
{
    json_error_t error;
    json_t *json = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);

    if (!json)
        (void)fprintf(stderr, "line %d: %s\n", error.line, error.text);
    json_decref(json);
    return json ? 0 : 1;
}
