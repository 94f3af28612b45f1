/* Names and texts of the errors and exit reasons, from their lists. */

#include "thiasos/err.h"
#include "thiasos/reason.h"

const char *ths_err_name(enum ths_err err)
{
    switch (err) {
#define X(name, number, text) \
    case THS_##name: return #name;
        THS_ERR_LIST(X)
#undef X
    }
    return "UNKNOWN";
}

const char *ths_err_text(enum ths_err err)
{
    switch (err) {
#define X(name, number, text) \
    case THS_##name: return text;
        THS_ERR_LIST(X)
#undef X
    }
    return "unknown error number";
}

const char *ths_reason_text(enum ths_reason reason)
{
    switch (reason) {
#define X(name, number, text) \
    case THS_REASON_##name: return text;
        THS_REASON_LIST(X)
#undef X
    }
    return "unknown";
}
