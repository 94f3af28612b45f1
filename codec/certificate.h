/* Certificate: an authority's word, signed, about one node: its key, its names, roles and rights, and how long.
 *
 * Ten lines of text in this order, each ended by a newline, nothing else; the file, the wire and what is signed are the
 * same bytes:
 *
 *     thiasos-certificate 1
 *     serial 7405862043398016611
 *     node <64 hexadecimal digits: the node's public key>
 *     names a,b                      "*": any
 *     roles counter,web              "*": any; "-": none
 *     rights send,ask                "all", "none"
 *     not-before 2026-01-01T00:00:00Z
 *     not-after 2027-01-01T00:00:00Z
 *     authority <64 hexadecimal digits: the authority's public key>
 *     signature <128 hexadecimal digits, over all bytes before this line>
 *
 * No secret: it may be shown. Pure. Thread: any. */

#ifndef THSI_CODEC_CERTIFICATE_H
#define THSI_CODEC_CERTIFICATE_H

#include "codec/identity_key.h"
#include "codec/rights.h"

#define THSI_CERTIFICATE_MAX 768u
#define THSI_CERTIFICATE_LIST_MAX 127u /* bytes of the names, of the roles */
#define THSI_TIME_TEXT_SIZE 21         /* "2026-01-01T00:00:00Z" with its NUL */

struct thsi_certificate {
    uint64_t serial;
    uint8_t node[THSI_KEY_SIZE];
    char names[THSI_CERTIFICATE_LIST_MAX + 1];
    char roles[THSI_CERTIFICATE_LIST_MAX + 1]; /* "" for "-" */
    uint32_t rights;
    uint64_t not_before_ms, not_after_ms; /* since 1970; the second is the first moment at which it has expired */
    uint8_t authority[THSI_KEY_SIZE];
    uint8_t signature[THSI_SIGNATURE_SIZE];
    size_t signed_len;                    /* of the text that was parsed */
};

/* Read @text of @len bytes (borrowed). The signature is only read, not checked.
 * Errors: TOO_BIG, MALFORMED. @certificate is then not to be used. */
THS_MUST_CHECK
enum ths_err thsi_certificate_parse(struct thsi_certificate *certificate, const char *text, size_t len);

/* Whether its authority has signed the text that it was parsed from. Some 60 us. */
THS_MUST_CHECK bool thsi_certificate_is_signed(const struct thsi_certificate *certificate, const char *text);

/* Write the text, signed by @authority, whose public half goes into it, to @out (THSI_CERTIFICATE_MAX bytes).
 * Errors: INVALID (a list that could not be read again, or the end is not behind the beginning). */
THS_MUST_CHECK
enum ths_err thsi_certificate_sign(const struct thsi_certificate *certificate, const struct thsi_identity_key *authority,
                                   char *out, size_t *len);

/* ---- What certificates and lists have in common -------------------------------------------- */

/* A list of words of [A-Za-z0-9_.-] with commas between them, or "*". False: something else. */
THS_MUST_CHECK bool thsi_words_are_good(const char *list);

/* Whether each word of @claimed (blanks around words do not count, empty ones neither) is one of @allowed, or that is "*".
 * A word that is cut short, or a list without its NUL, is none. */
THS_MUST_CHECK bool thsi_words_cover(const char *allowed, const char *claimed);

/* "2026-01-01T00:00:00Z", to the second, from the year 1970 to 9999. */
THS_MUST_CHECK bool thsi_time_parse(const char *text, size_t len, uint64_t *ms);
void thsi_time_print(uint64_t ms, char *out);

/* A decimal number without sign and leading zeros that fills @len. */
THS_MUST_CHECK bool thsi_number_parse(const char *text, size_t len, uint64_t *out);

/* THSI_KEY_SIZE or so many bytes (@size) from twice as many hexadecimal digits that fill @len. */
THS_MUST_CHECK bool thsi_hex_parse(const char *text, size_t len, uint8_t *out, size_t size);

#endif /* THSI_CODEC_CERTIFICATE_H */
