/* Messages as JSON, and from the words of a command line.
 *
 * A message is an object of its fields: numbers, booleans, strings, arrays for lists, null for an absent opt. Bytes and
 * blobs are hex strings and refs their text form, "nobody" for the ref of nobody. Unsigned integers above 2^63-1, which JSON's
 * readers do not hold, are strings of digits; any integer may be given as such a string. A number that JSON does not
 * have is the string "nan", "inf" or "-inf". */

#ifndef THSI_TOOLS_MESSAGE_JSON_H
#define THSI_TOOLS_MESSAGE_JSON_H

#include <jansson.h>

#include "codec/schema.h"
#include "node/base/message_table.h"

/* Room for a sentence that says which field was wrong and why. */
#define THSI_JSON_ERROR_SIZE 160

/* The object of @msg. Gives a new reference, to be released with json_decref; NULL when memory is out.
 * Borrows @msg, which was checked. */
json_t *thsi_json_from_message(const struct thsi_type_info *info, const void *msg);

/* The message of @object, laid out in @arena like one that came from the wire. Every field must be there except opts,
 * and no other. Borrows @object.
 * Errors: INVALID (unknown or missing field, wrong type, number out of range), TOO_BIG (a field's bound, or the arena),
 * MALFORMED (not hex, not a ref), NOMEM and UNSUPPORTED (blobs, see struct thsi_arena). @error then holds a sentence that
 * names the field. */
THS_MUST_CHECK enum ths_err thsi_json_to_message(const struct thsi_type_info *info, const json_t *object,
                                                 struct thsi_arena *arena, void **msg,
                                                 char error[THSI_JSON_ERROR_SIZE]);

/* The object of the words name=value: each value is taken as its field wants it, so name=7 is a string where name is
 * one. Lists are JSON (ids=[1,2]) or words with commas (ids=1,2). Fields without a word stay out of the object when
 * they are opts and are zero or empty when not.
 * Gives a new reference. Returns NULL and a sentence in @error for a word without '=', an unknown field, a field that
 * is named twice, or a value that is none. */
json_t *thsi_json_from_words(const struct thsi_type_info *info, int words_count, char *const *words,
                             char error[THSI_JSON_ERROR_SIZE]);

#endif /* THSI_TOOLS_MESSAGE_JSON_H */
