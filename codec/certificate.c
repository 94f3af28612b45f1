/* Certificate: see certificate.h. */

#include "codec/certificate.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#define HEAD "thiasos-certificate 1\n"
#define YEAR_9999_MS UINT64_C(253402300799000)

/* All that is fixed, the longest number, and both lists. */
static_assert(sizeof HEAD - 1 + sizeof "serial 18446744073709551615" + sizeof "node " + THSI_KEY_SIZE * 2 +
                      sizeof "names " + sizeof "roles " + 2 * THSI_CERTIFICATE_LIST_MAX + sizeof "rights " +
                      THSI_RIGHTS_TEXT_SIZE + sizeof "not-before " + sizeof "not-after " + 2 * THSI_TIME_TEXT_SIZE +
                      sizeof "authority " + THSI_KEY_SIZE * 2 + sizeof "signature " + THSI_SIGNATURE_SIZE * 2 <=
                  THSI_CERTIFICATE_MAX,
              "the longest certificate fits");

/* ---- Words, times, digits ---------------------------------------------------------------- */

static bool is_word_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || byte == '.' || byte == '-';
}

bool thsi_words_are_good(const char *list)
{
    bool in_word = false;

    if (strcmp(list, "*") == 0)
        return true;
    for (; *list; list++) {
        if (*list == ',' ? !in_word : !is_word_byte(*list))
            return false;
        in_word = *list != ',';
    }
    return in_word;
}

static bool has_word(const char *list, const char *word, size_t len)
{
    for (;;) {
        const char *comma = strchr(list, ',');
        size_t this_len = comma ? (size_t)(comma - list) : strlen(list);

        if (this_len == len && memcmp(list, word, len) == 0)
            return true;
        if (!comma)
            return false;
        list = comma + 1;
    }
}

bool thsi_words_cover(const char *allowed, const char *claimed)
{
    if (strcmp(allowed, "*") == 0)
        return true;
    while (*claimed) {
        size_t len = strcspn(claimed, ","), first = strspn(claimed, " "), last = len;

        while (last > first && claimed[last - 1] == ' ')
            last--;
        if (last > first && !has_word(allowed, claimed + first, last - first))
            return false;
        claimed += len + (claimed[len] == ',');
    }
    return true;
}

static bool take_digits(const char *text, unsigned count, int *out)
{
    *out = 0;
    for (unsigned i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *out = *out * 10 + (text[i] - '0');
    }
    return true;
}

/* Whatever is no date of the calendar comes out as another one when it is printed again. */
bool thsi_time_parse(const char *text, size_t len, uint64_t *ms)
{
    struct tm when = { 0 };
    char again[THSI_TIME_TEXT_SIZE];
    time_t seconds;

    if (len != THSI_TIME_TEXT_SIZE - 1 || !take_digits(text, 4, &when.tm_year) ||
        !take_digits(text + 5, 2, &when.tm_mon) || !take_digits(text + 8, 2, &when.tm_mday) ||
        !take_digits(text + 11, 2, &when.tm_hour) || !take_digits(text + 14, 2, &when.tm_min) ||
        !take_digits(text + 17, 2, &when.tm_sec) || when.tm_year < 1970)
        return false;
    when.tm_year -= 1900;
    when.tm_mon -= 1;
    seconds = timegm(&when);
    *ms = (uint64_t)seconds * 1000;
    if (*ms > YEAR_9999_MS)
        return false;
    thsi_time_print(*ms, again);
    return memcmp(again, text, len) == 0;
}

void thsi_time_print(uint64_t ms, char *out)
{
    time_t seconds = (time_t)((ms < YEAR_9999_MS ? ms : YEAR_9999_MS) / 1000);
    struct tm when;

    (void)gmtime_r(&seconds, &when);
    (void)strftime(out, THSI_TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &when);
}

bool thsi_hex_parse(const char *text, size_t len, uint8_t *out, size_t size)
{
    size_t got;

    return len == size * 2 && sodium_hex2bin(out, size, text, len, NULL, &got, NULL) == 0 && got == size;
}

bool thsi_number_parse(const char *text, size_t len, uint64_t *out)
{
    *out = 0;
    if (len == 0 || (text[0] == '0' && len > 1))
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        if (digit > 9 || *out > (UINT64_MAX - digit) / 10)
            return false;
        *out = *out * 10 + digit;
    }
    return true;
}

/* ---- Reading ----------------------------------------------------------------------------- */

struct reader {
    const char *at, *end;
};

/* The value of the next line, which must begin with @name and a blank. */
static bool take_line(struct reader *reader, const char *name, const char **value, size_t *len)
{
    size_t name_len = strlen(name), left = (size_t)(reader->end - reader->at);
    const char *newline = memchr(reader->at, '\n', left);

    if (!newline || (size_t)(newline - reader->at) <= name_len || memcmp(reader->at, name, name_len) != 0 ||
        reader->at[name_len] != ' ')
        return false;
    *value = reader->at + name_len + 1;
    *len = (size_t)(newline - *value);
    reader->at = newline + 1;
    return true;
}

static bool take_words(struct reader *reader, const char *name, char *out)
{
    const char *value;
    size_t len;

    if (!take_line(reader, name, &value, &len) || len > THSI_CERTIFICATE_LIST_MAX || memchr(value, '\0', len))
        return false;
    memcpy(out, value, len);
    out[len] = '\0';
    return thsi_words_are_good(out);
}

static bool take_hex(struct reader *reader, const char *name, uint8_t *out, size_t size)
{
    const char *value;
    size_t len;

    return take_line(reader, name, &value, &len) && thsi_hex_parse(value, len, out, size);
}

static bool take_time(struct reader *reader, const char *name, uint64_t *ms)
{
    const char *value;
    size_t len;

    return take_line(reader, name, &value, &len) && thsi_time_parse(value, len, ms);
}

static bool take_number(struct reader *reader, const char *name, uint64_t *out)
{
    const char *value;
    size_t len;

    return take_line(reader, name, &value, &len) && thsi_number_parse(value, len, out);
}

static bool take_rights(struct reader *reader, uint32_t *rights)
{
    const char *value;
    size_t len;

    return take_line(reader, "rights", &value, &len) && thsi_rights_parse(value, len, rights);
}

static bool take_head(struct reader *reader)
{
    const size_t len = sizeof HEAD - 1;

    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, HEAD, len) != 0)
        return false;
    reader->at += len;
    return true;
}

static bool take_all(struct thsi_certificate *out, struct reader *reader, const char *text)
{
    if (!take_head(reader) || !take_number(reader, "serial", &out->serial) ||
        !take_hex(reader, "node", out->node, sizeof out->node) || !take_words(reader, "names", out->names) ||
        !take_words(reader, "roles", out->roles) || !take_rights(reader, &out->rights) ||
        !take_time(reader, "not-before", &out->not_before_ms) || !take_time(reader, "not-after", &out->not_after_ms) ||
        !take_hex(reader, "authority", out->authority, sizeof out->authority))
        return false;
    out->signed_len = (size_t)(reader->at - text);
    return take_hex(reader, "signature", out->signature, sizeof out->signature) && reader->at == reader->end &&
           out->not_before_ms < out->not_after_ms;
}

enum ths_err thsi_certificate_parse(struct thsi_certificate *certificate, const char *text, size_t len)
{
    struct reader reader = { text, text + len };

    *certificate = (struct thsi_certificate){ 0 };
    if (len > THSI_CERTIFICATE_MAX)
        return THS_TOO_BIG;
    if (!take_all(certificate, &reader, text))
        return THS_MALFORMED;
    if (strcmp(certificate->roles, "-") == 0)
        certificate->roles[0] = '\0';
    return THS_OK;
}

bool thsi_certificate_is_signed(const struct thsi_certificate *certificate, const char *text)
{
    return thsi_signature_is_good(certificate->authority, text, certificate->signed_len, certificate->signature);
}

/* ---- Writing ----------------------------------------------------------------------------- */

enum ths_err thsi_certificate_sign(const struct thsi_certificate *certificate, const struct thsi_identity_key *authority,
                                   char *out, size_t *len)
{
    char node[THSI_KEY_SIZE * 2 + 1], signer[THSI_KEY_SIZE * 2 + 1], rights[THSI_RIGHTS_TEXT_SIZE];
    char before[THSI_TIME_TEXT_SIZE], after[THSI_TIME_TEXT_SIZE], signature[THSI_SIGNATURE_SIZE * 2 + 1];
    uint8_t bytes[THSI_SIGNATURE_SIZE];
    struct thsi_certificate again;
    char text[THSI_CERTIFICATE_MAX + 1];
    int count;

    (void)sodium_bin2hex(node, sizeof node, certificate->node, THSI_KEY_SIZE);
    (void)sodium_bin2hex(signer, sizeof signer, authority->public_key, THSI_KEY_SIZE);
    thsi_rights_print(certificate->rights, rights);
    thsi_time_print(certificate->not_before_ms, before);
    thsi_time_print(certificate->not_after_ms, after);
    count = snprintf(text, sizeof text,
                     HEAD "serial %" PRIu64 "\nnode %s\nnames %s\nroles %s\nrights %s\nnot-before %s\nnot-after %s\n"
                          "authority %s\n",
                     certificate->serial, node, certificate->names, *certificate->roles ? certificate->roles : "-",
                     rights, before, after, signer);
    thsi_identity_key_sign(authority, text, (size_t)count, bytes);
    (void)sodium_bin2hex(signature, sizeof signature, bytes, sizeof bytes);
    count += snprintf(text + count, sizeof text - (size_t)count, "signature %s\n", signature);
    if ((size_t)count > THSI_CERTIFICATE_MAX || thsi_certificate_parse(&again, text, (size_t)count) != THS_OK)
        return THS_INVALID;
    memcpy(out, text, (size_t)count);
    *len = (size_t)count;
    return THS_OK;
}
