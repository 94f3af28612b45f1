#include "cluster/seeds.h"

#include <stdio.h>
#include <string.h>

#define ROUND_NS UINT64_C(1000000000)

static bool is_host_char(char c, bool bracketed)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.')
        return true;
    return bracketed ? c == ':' || c == '%' : c == '-' || c == '_';
}

/* Length of the host at the start of @text, brackets included; 0 when there is none. */
static size_t host_len(const char *text, size_t len)
{
    bool bracketed = len > 0 && text[0] == '[';
    size_t at = bracketed ? 1 : 0;

    while (at < len && is_host_char(text[at], bracketed))
        at++;
    if (!bracketed)
        return at;
    return at > 1 && at < len && text[at] == ']' ? at + 1 : 0;
}

/* A decimal port that fills the rest of the text; 0 when it is none. */
static unsigned parse_port(const char *text, size_t len)
{
    unsigned port = 0;

    if (len == 0 || len > 5)
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    return port <= 65535 ? port : 0;
}

enum ths_err thsi_address_parse(const char *text, size_t len, char *out, size_t size)
{
    size_t host = host_len(text, len);
    unsigned port = THSI_DEFAULT_PORT;
    int written;

    if (host == 0)
        return THS_INVALID;
    if (host < len) {
        port = text[host] == ':' ? parse_port(text + host + 1, len - host - 1) : 0;
        if (port == 0)
            return THS_INVALID;
    }
    written = snprintf(out, size, "%.*s:%u", (int)host, text, port);
    return written > 0 && (size_t)written < size ? THS_OK : THS_INVALID;
}

/* One part of the list, without the spaces around it. */
static enum ths_err add(struct thsi_seeds *seeds, const char *text, size_t len, char *why, size_t why_size)
{
    while (len > 0 && *text == ' ') {
        text++;
        len--;
    }
    while (len > 0 && text[len - 1] == ' ')
        len--;
    if (len == 0)
        return THS_OK;
    if (seeds->count == THSI_SEEDS_MAX) {
        (void)snprintf(why, why_size, "there are more than %d seeds; a few are enough, or one DNS name for all",
                       THSI_SEEDS_MAX);
        return THS_TOO_MANY;
    }
    if (thsi_address_parse(text, len, seeds->address[seeds->count], THSI_SEED_SIZE) != THS_OK) {
        (void)snprintf(why, why_size, "the seed \"%.*s\" is not HOST or HOST:PORT; write for example node-a:7400",
                       (int)(len < 80 ? len : 80), text);
        return THS_INVALID;
    }
    seeds->count++;
    return THS_OK;
}

enum ths_err thsi_seeds_init(struct thsi_seeds *seeds, const char *text, char *why, size_t why_size)
{
    memset(seeds, 0, sizeof *seeds);
    while (text && *text) {
        size_t len = strcspn(text, ",");
        enum ths_err err = add(seeds, text, len, why, why_size);
        if (err != THS_OK)
            return err;
        text += len;
        if (*text == ',')
            text++;
    }
    return THS_OK;
}

bool thsi_seeds_step(struct thsi_seeds *seeds, uint64_t now_ns, bool alone, uint64_t random)
{
    if (!alone || seeds->count == 0 || now_ns < seeds->due_ns)
        return false;
    seeds->due_ns = now_ns + ROUND_NS - ROUND_NS / 5 + random % (2 * ROUND_NS / 5);
    return true;
}

uint64_t thsi_seeds_deadline_ns(const struct thsi_seeds *seeds, bool alone)
{
    return alone && seeds->count > 0 ? seeds->due_ns : UINT64_MAX;
}

void thsi_seeds_found_own(struct thsi_seeds *seeds, const char *address)
{
    char *place;

    if (thsi_seeds_is_own(seeds, address))
        return;
    if (seeds->own_count == THSI_SEEDS_OWN_MAX) {
        memmove(seeds->own[0], seeds->own[1], sizeof seeds->own - sizeof seeds->own[0]);
        seeds->own_count--;
    }
    place = seeds->own[seeds->own_count++];
    (void)snprintf(place, sizeof seeds->own[0], "%s", address);
}

bool thsi_seeds_is_own(const struct thsi_seeds *seeds, const char *address)
{
    for (unsigned i = 0; i < seeds->own_count; i++)
        if (strcmp(seeds->own[i], address) == 0)
            return true;
    return false;
}
