/* Trust: see trust.h. */

#include "codec/trust.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#define LINE_MAX_LEN 512u

void thsi_trust_init(struct thsi_trust *trust, struct ths_env *env)
{
    memset(trust, 0, sizeof *trust);
    trust->env = env;
}

void thsi_trust_fini(struct thsi_trust *trust)
{
    if (!trust->env)
        return;
    (void)trust->env->memory(trust->env, trust->nodes, 0);
    (void)trust->env->memory(trust->env, trust->revoked, 0);
    thsi_trust_init(trust, trust->env);
}

/* ---- Lines ------------------------------------------------------------------------------- */

struct line {
    const char *at, *end; /* what is left of the text */
    unsigned number;
    char text[LINE_MAX_LEN + 1];
    char *word;           /* the next one, NULL at the end of the line */
    char *reason;
};

static enum ths_err THS_PRINTF(3, 4) complain(const struct line *line, enum ths_err err, const char *format, ...)
{
    va_list args;
    int len = snprintf(line->reason, THSI_TRUST_REASON_SIZE, "line %u: ", line->number);

    va_start(args, format);
    (void)vsnprintf(line->reason + len, THSI_TRUST_REASON_SIZE - (size_t)len, format, args);
    va_end(args);
    return err;
}

/* The next line without its comment; false at the end of the text, or with *@err set. */
static bool next_line(struct line *line, enum ths_err *err)
{
    const char *newline;
    size_t len;

    if (line->at == line->end)
        return false;
    line->number++;
    newline = memchr(line->at, '\n', (size_t)(line->end - line->at));
    len = (size_t)((newline ? newline : line->end) - line->at);
    if (len > LINE_MAX_LEN) {
        *err = complain(line, THS_TOO_BIG, "it is longer than %u bytes", LINE_MAX_LEN);
        return false;
    }
    for (size_t i = 0; i < len; i++)
        if ((line->at[i] < 0x20 && line->at[i] != '\t') || line->at[i] == 0x7f) {
            *err = complain(line, THS_MALFORMED, "it holds a byte that is no text");
            return false;
        }
    memcpy(line->text, line->at, len);
    line->text[len] = '\0';
    line->text[strcspn(line->text, "#")] = '\0';
    line->word = line->text;
    line->at = newline ? newline + 1 : line->end;
    return true;
}

/* The next word of the line, ended by a NUL; NULL: there is none. */
static char *next_word(struct line *line)
{
    char *word = line->word + strspn(line->word, " \t");
    size_t len = strcspn(word, " \t");

    line->word = word + len;
    if (*line->word)
        *line->word++ = '\0';
    return len > 0 ? word : NULL;
}

static enum ths_err begin(struct line *line, const char *text, size_t len, const char *head, char *reason)
{
    enum ths_err err = THS_OK;

    *line = (struct line){ .at = text, .end = text + len, .reason = reason };
    reason[0] = '\0';
    if (len > THSI_TRUST_FILE_MAX)
        return complain(line, THS_TOO_BIG, "the file is longer than %u bytes", THSI_TRUST_FILE_MAX);
    if (!next_line(line, &err) || strcmp(line->text, head) != 0)
        return err != THS_OK ? err : complain(line, THS_MALFORMED, "it is not '%s'", head);
    return THS_OK;
}

/* Room for one more of @size bytes. */
static enum ths_err reserve(struct thsi_trust *trust, const struct line *line, void **list, size_t count, size_t *cap,
                            size_t size, size_t max)
{
    size_t wanted = *cap ? *cap * 2 : 16;
    void *grown;

    if (count == max)
        return complain(line, THS_TOO_BIG, "more than %zu entries", max);
    if (count < *cap)
        return THS_OK;
    grown = trust->env->memory(trust->env, *list, wanted * size);
    if (!grown)
        return complain(line, THS_NOMEM, "memory is out");
    *list = grown;
    *cap = wanted;
    return THS_OK;
}

/* ---- The allow list ---------------------------------------------------------------------- */

static enum ths_err take_key(struct line *line, uint8_t *key)
{
    const char *word = next_word(line);
    uint8_t static_public[THSI_KEY_SIZE];

    if (!word || !thsi_hex_parse(word, strlen(word), key, THSI_KEY_SIZE) || !thsi_static_of(key, static_public))
        return complain(line, THS_MALFORMED, "the key is not a public key of 64 hexadecimal digits");
    return THS_OK;
}

static bool take_text(const char *value, char *out, size_t size)
{
    if (strlen(value) >= size || !thsi_words_are_good(value))
        return false;
    memcpy(out, value, strlen(value) + 1);
    return true;
}

/* One "name=value"; @seen notes which there were. */
static enum ths_err take_option(const struct line *line, const char *word, bool is_node, struct thsi_trusted *entry,
                                unsigned *seen)
{
    const char *value = strchr(word, '=');
    size_t len = value ? (size_t)(value - word) : 0;
    unsigned bit = 0;
    bool good = false;

    if (len == 6 && memcmp(word, "rights", 6) == 0) {
        bit = 1;
        good = thsi_rights_parse(value + 1, strlen(value + 1), &entry->rights);
    } else if (is_node && len == 5 && memcmp(word, "roles", 5) == 0) {
        bit = 2;
        good = take_text(value + 1, entry->roles, sizeof entry->roles);
    } else if (is_node && len == 4 && memcmp(word, "name", 4) == 0) {
        bit = 4;
        good = take_text(value + 1, entry->name, sizeof entry->name) && !strpbrk(entry->name, ",*");
    }
    if (!good || (*seen & bit) != 0)
        return complain(line, THS_MALFORMED, "'%.40s' is not understood here", word);
    *seen |= bit;
    return THS_OK;
}

static enum ths_err take_entry(struct line *line, bool is_node, struct thsi_trusted *entry)
{
    enum ths_err err;
    unsigned seen = 0;
    const char *word;

    *entry = (struct thsi_trusted){ .roles = "*", .rights = THSI_RIGHTS_ALL };
    err = take_key(line, entry->key);
    while (err == THS_OK && (word = next_word(line)) != NULL)
        err = take_option(line, word, is_node, entry, &seen);
    return err;
}

static enum ths_err take_allowed(struct thsi_trust *trust, struct line *line)
{
    const char *word = next_word(line);
    enum ths_err err;

    if (!word)
        return THS_OK;
    if (strcmp(word, "authority") == 0) {
        if (trust->authorities_count == THSI_TRUST_AUTHORITIES_MAX)
            return complain(line, THS_TOO_BIG, "more than %u authorities", THSI_TRUST_AUTHORITIES_MAX);
        err = take_entry(line, false, &trust->authorities[trust->authorities_count]);
        trust->authorities_count += err == THS_OK;
        return err;
    }
    if (strcmp(word, "node") != 0)
        return complain(line, THS_MALFORMED, "it begins with neither 'node' nor 'authority'");
    err = reserve(trust, line, (void **)&trust->nodes, trust->nodes_count, &trust->nodes_cap, sizeof *trust->nodes,
                  THSI_TRUST_NODES_MAX);
    if (err == THS_OK)
        err = take_entry(line, true, &trust->nodes[trust->nodes_count]);
    trust->nodes_count += err == THS_OK;
    return err;
}

enum ths_err thsi_trust_read_allowed(struct thsi_trust *trust, const char *text, size_t len, char *reason)
{
    struct line line;
    enum ths_err err = begin(&line, text, len, "thiasos-allow 1", reason);

    while (err == THS_OK && next_line(&line, &err))
        err = take_allowed(trust, &line);
    return err;
}

/* ---- The revocation list ----------------------------------------------------------------- */

static enum ths_err take_serial(struct line *line, uint64_t *serial)
{
    const char *word = next_word(line);

    if (!word || !thsi_number_parse(word, strlen(word), serial))
        return complain(line, THS_MALFORMED, "the serial is not a number");
    return THS_OK;
}

static enum ths_err take_revoked(struct thsi_trust *trust, struct line *line)
{
    uint8_t key[THSI_KEY_SIZE], static_public[THSI_KEY_SIZE];
    struct thsi_revoked *entry;
    const char *word = next_word(line);
    enum ths_err err;

    if (!word)
        return THS_OK;
    err = reserve(trust, line, (void **)&trust->revoked, trust->revoked_count, &trust->revoked_cap,
                  sizeof *trust->revoked, THSI_TRUST_REVOKED_MAX);
    if (err != THS_OK)
        return err;
    entry = &trust->revoked[trust->revoked_count];
    *entry = (struct thsi_revoked){ .is_key = strcmp(word, "key") == 0 };
    if (entry->is_key) {
        err = take_key(line, key);
        if (err == THS_OK && thsi_static_of(key, static_public))
            thsi_static_node_id(static_public, entry->node_id);
    } else if (strcmp(word, "serial") == 0) {
        err = take_serial(line, &entry->serial);
    } else {
        err = complain(line, THS_MALFORMED, "it begins with neither 'serial' nor 'key'");
    }
    if (err == THS_OK && next_word(line))
        err = complain(line, THS_MALFORMED, "something follows the %s", entry->is_key ? "key" : "serial");
    trust->revoked_count += err == THS_OK;
    return err;
}

enum ths_err thsi_trust_read_revoked(struct thsi_trust *trust, const char *text, size_t len, char *reason)
{
    struct line line;
    enum ths_err err = begin(&line, text, len, "thiasos-revoked 1", reason);

    while (err == THS_OK && next_line(&line, &err))
        err = take_revoked(trust, &line);
    return err;
}

/* ---- Judging ----------------------------------------------------------------------------- */

static const struct thsi_trusted *find(const struct thsi_trusted *list, size_t count, const uint8_t *key)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(list[i].key, key, THSI_KEY_SIZE) == 0) /* public: no secret is told by how long it takes */
            return &list[i];
    return NULL;
}

/* By node id, which is one for the two public keys that a node key could be shown as. */
static bool is_key_revoked(const struct thsi_trust *trust, const uint8_t *key)
{
    uint8_t static_public[THSI_KEY_SIZE], id[THSI_NODE_ID_SIZE];

    if (!thsi_static_of(key, static_public))
        return true;
    thsi_static_node_id(static_public, id);
    for (size_t i = 0; i < trust->revoked_count; i++)
        if (trust->revoked[i].is_key && memcmp(trust->revoked[i].node_id, id, sizeof id) == 0)
            return true;
    return false;
}

static bool is_serial_revoked(const struct thsi_trust *trust, uint64_t serial)
{
    for (size_t i = 0; i < trust->revoked_count; i++)
        if (!trust->revoked[i].is_key && trust->revoked[i].serial == serial)
            return true;
    return false;
}

static const char *judge_entry(const struct thsi_trusted *entry, const struct thsi_applicant *applicant,
                               struct thsi_verdict *verdict)
{
    if (entry->name[0] && strcmp(entry->name, applicant->name) != 0)
        return "its node key belongs to another name on the allow list";
    if (!thsi_words_cover(entry->roles, applicant->roles))
        return "it claims a role that the allow list does not give its node key";
    verdict->rights = entry->rights;
    return NULL;
}

static const char *judge_certificate(const struct thsi_trust *trust, const struct thsi_applicant *applicant,
                                     uint64_t wall_ms, struct thsi_verdict *verdict)
{
    struct thsi_certificate certificate;
    const struct thsi_trusted *authority;

    if (!applicant->certificate)
        return "its node key is not on the allow list, and it shows no certificate";
    if (thsi_certificate_parse(&certificate, applicant->certificate, applicant->certificate_len) != THS_OK)
        return "its certificate does not follow its format";
    authority = find(trust->authorities, trust->authorities_count, certificate.authority);
    if (!authority)
        return "its certificate is of an authority that is not on the allow list";
    if (is_key_revoked(trust, certificate.authority))
        return "the key of its certificate's authority is revoked";
    if (!thsi_certificate_is_signed(&certificate, applicant->certificate))
        return "the signature of its certificate is wrong";
    if (memcmp(certificate.node, applicant->public_key, THSI_KEY_SIZE) != 0)
        return "its certificate is of another node key";
    if (is_serial_revoked(trust, certificate.serial))
        return "its certificate is revoked";
    if (wall_ms < certificate.not_before_ms)
        return "its certificate is not valid yet";
    if (wall_ms >= certificate.not_after_ms)
        return "its certificate has expired";
    if (!thsi_words_cover(certificate.names, applicant->name))
        return "its certificate is of another name";
    if (!thsi_words_cover(certificate.roles, applicant->roles))
        return "it claims a role that its certificate does not give";
    verdict->rights = certificate.rights & authority->rights;
    verdict->until_ms = certificate.not_after_ms;
    return NULL;
}

void thsi_trust_judge(const struct thsi_trust *trust, const struct thsi_applicant *applicant, uint64_t wall_ms,
                      struct thsi_verdict *verdict)
{
    const struct thsi_trusted *entry = find(trust->nodes, trust->nodes_count, applicant->public_key);
    const char *why;

    *verdict = (struct thsi_verdict){ .until_ms = UINT64_MAX };
    if (is_key_revoked(trust, applicant->public_key))
        why = "its node key is revoked";
    else if (entry)
        why = judge_entry(entry, applicant, verdict);
    else
        why = judge_certificate(trust, applicant, wall_ms, verdict);
    verdict->admitted = why == NULL;
    verdict->why = why ? why : "";
}
