/* Codes: errors and exit reasons as the numbers that cross the wire.
 *
 * The lists of err.h and reason.h grow. A number that is not in them comes from a newer peer, and reads as what is
 * closest to the truth without knowing more. Pure; thread: any. */

#ifndef THSI_CODEC_CODES_H
#define THSI_CODEC_CODES_H

#include <stdint.h>

#include "thiasos/err.h"
#include "thiasos/reason.h"

/* The error with this number; REFUSED for an unknown one. */
static inline enum ths_err thsi_err_of_code(uint64_t code)
{
    switch (code) {
#define X(name, number, text)                                                                       \
    case number:                                                                                    \
        return THS_##name;
        THS_ERR_LIST(X)
#undef X
    default:
        return THS_REFUSED;
    }
}

/* The same where only an error is said, so that no error is a contradiction: REFUSED too. */
static inline enum ths_err thsi_refusal_of_code(uint64_t code)
{
    return code == THS_OK ? THS_REFUSED : thsi_err_of_code(code);
}

/* The reason with this number; CRASHED for an unknown one. */
static inline enum ths_reason thsi_reason_of_code(uint64_t code)
{
    switch (code) {
#define X(name, number, text)                                                                       \
    case number:                                                                                    \
        return THS_REASON_##name;
        THS_REASON_LIST(X)
#undef X
    default:
        return THS_REASON_CRASHED;
    }
}

/* How sure it is; ASSUMED for an unknown number. */
static inline enum ths_certainty thsi_certainty_of_code(uint64_t code)
{
    return code <= THS_ASSUMED ? (enum ths_certainty)code : THS_ASSUMED;
}

#endif /* THSI_CODEC_CODES_H */
