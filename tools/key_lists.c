/* thiasos key allow, deny, revoke: the lists of who is admitted. The lines that people wrote stay as they are. */

#include "tools/key_verbs.h"

#include "codec/text_file.h"
#include "codec/trust.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ADDED_MAX 512u

/* A list that is being changed. */
struct list {
    const char *path;
    bool allowed; /* else of what is revoked */
    char *text;   /* THSI_TRUST_FILE_MAX bytes and room for a line */
    size_t len;
};

static char room[THSI_TRUST_FILE_MAX + ADDED_MAX];

static int refused(const struct list *list, const char *why, const char *remedy)
{
    return thsi_cli_fail(THSI_EXIT_FAILED, "key", "%s is not changed: %s; %s", list->path, why, remedy);
}

/* Read it; one that is not there begins empty if @may_begin. */
static int load(struct list *list, const char *path, bool allowed, bool may_begin)
{
    char reason[THSI_FILE_REASON_SIZE];
    enum ths_err err;

    *list = (struct list){ .path = path, .allowed = allowed, .text = room };
    err = thsi_text_file_read(path, false, room, THSI_TRUST_FILE_MAX, &list->len, reason);
    if (err == THS_NOT_FOUND && may_begin)
        list->len = (size_t)snprintf(room, sizeof room, "%s 1\n", allowed ? "thiasos-allow" : "thiasos-revoked");
    else if (err != THS_OK)
        return refused(list, reason, "name a list that can be read");
    if (list->len > 0 && room[list->len - 1] != '\n')
        room[list->len++] = '\n';
    return THSI_EXIT_OK;
}

/* Nodes read what they will read; a list that they would refuse is not written. */
static int save(const struct list *list)
{
    char reason[THSI_FILE_REASON_SIZE > THSI_TRUST_REASON_SIZE ? THSI_FILE_REASON_SIZE : THSI_TRUST_REASON_SIZE];
    struct thsi_trust trust;
    enum ths_err err;

    thsi_trust_init(&trust, ths_env_os());
    err = list->allowed ? thsi_trust_read_allowed(&trust, list->text, list->len, reason)
                        : thsi_trust_read_revoked(&trust, list->text, list->len, reason);
    thsi_trust_fini(&trust);
    if (err != THS_OK)
        return refused(list, reason, "mend it, or give other words");
    if (thsi_text_file_replace(list->path, list->text, list->len, reason) != THS_OK)
        return refused(list, reason, "choose a place where you may write");
    return THSI_EXIT_OK;
}

/* Take out the lines that begin with two words of which the second is @key. Returns how many there were. */
static unsigned take_out(struct list *list, const char *key)
{
    char *from = list->text, *to = list->text, *end = list->text + list->len;
    unsigned count = 0;

    while (from < end) {
        char *newline = memchr(from, '\n', (size_t)(end - from));
        size_t len = (size_t)(newline + 1 - from), first = 0, second;

        while (first < len && from[first] != ' ' && from[first] != '\t' && from[first] != '#')
            first++;
        second = first;
        while (second < len && (from[second] == ' ' || from[second] == '\t'))
            second++;
        if (second > first && len - second > strlen(key) && memcmp(from + second, key, strlen(key)) == 0) {
            count++;
        } else {
            memmove(to, from, len);
            to += len;
        }
        from += len;
    }
    list->len = (size_t)(to - list->text);
    return count;
}

static void add(struct list *list, const char *line)
{
    size_t len = strlen(line);

    memcpy(list->text + list->len, line, len);
    list->len += len;
}

static bool is_public(const char *word)
{
    uint8_t key[THSI_KEY_SIZE];

    return thsi_hex_parse(word, strlen(word), key, sizeof key);
}

static int not_public(const struct list *list)
{
    return refused(list, "this is no public key", "give the 64 digits that thiasos key show prints");
}

int thsi_key_allow(char **words)
{
    const struct thsi_key_options *options = &thsi_key_options;
    char line[ADDED_MAX];
    struct list list;
    int status = load(&list, words[0], true, true), len;

    if (status != THSI_EXIT_OK)
        return status;
    if (!is_public(words[1]))
        return not_public(&list);
    len = snprintf(line, sizeof line, "%s %s%s%s%s%s%s%s\n", options->authority ? "authority" : "node", words[1],
                   options->name ? " name=" : "", options->name ? options->name : "", options->roles ? " roles=" : "",
                   options->roles ? options->roles : "", options->rights ? " rights=" : "",
                   options->rights ? options->rights : "");
    if (len < 0 || (size_t)len >= sizeof line || strpbrk(line + 65, "#\r"))
        return refused(&list, "name, roles or rights are not understood", "shorten them, or leave them out");
    (void)take_out(&list, words[1]);
    add(&list, line);
    return save(&list);
}

int thsi_key_deny(char **words)
{
    struct list list;
    int status = load(&list, words[0], true, false);

    if (status != THSI_EXIT_OK)
        return status;
    if (!is_public(words[1]))
        return not_public(&list);
    if (take_out(&list, words[1]) == 0)
        return refused(&list, "the key is not on it", "look at the list");
    return save(&list);
}

/* A serial, a public key, or the file of a certificate, as a line. */
static bool revocation(const char *what, char *line, size_t size)
{
    char reason[THSI_FILE_REASON_SIZE], text[THSI_CERTIFICATE_MAX];
    struct thsi_certificate certificate;
    uint64_t serial;
    size_t len;

    if (is_public(what)) {
        (void)snprintf(line, size, "key %s\n", what);
        return true;
    }
    if (thsi_number_parse(what, strlen(what), &serial)) {
        (void)snprintf(line, size, "serial %" PRIu64 "\n", serial);
        return true;
    }
    if (thsi_text_file_read(what, false, text, sizeof text, &len, reason) != THS_OK ||
        thsi_certificate_parse(&certificate, text, len) != THS_OK)
        return false;
    (void)snprintf(line, size, "serial %" PRIu64 " # %s\n", certificate.serial, certificate.names);
    return true;
}

int thsi_key_revoke(char **words)
{
    char line[ADDED_MAX];
    struct list list;
    int status = load(&list, words[0], false, true);

    if (status != THSI_EXIT_OK)
        return status;
    if (!revocation(words[1], line, sizeof line))
        return refused(&list, "what is to be revoked is not understood",
                       "give the serial of a certificate, its file, or a public key");
    add(&list, line);
    return save(&list);
}
