/* Whatever text a user gives for a ref, an address, seeds, a group, scopes or a key file, its reader says yes or no, and what it
 * accepted has one form: read again, it gives itself. The first byte chooses the reader. */

#include "cluster/groups.h"
#include "cluster/seeds.h"
#include "codec/keyring_file.h"
#include "node/base/utf8.h"
#include "thiasos/ref.h"

#include <stdlib.h>
#include <string.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void read_ref(const char *text)
{
    char printed[THS_REF_TEXT_SIZE];
    ths_ref ref, again;

    if (ths_ref_parse(text, &ref) != THS_OK) {
        must(ths_ref_is_nobody(ref));
        return;
    }
    must(strlen(ths_ref_print(ref, printed)) < sizeof printed);
    must(ths_ref_parse(printed, &again) == THS_OK && ths_ref_equal(ref, again));
}

static void read_address(const char *text, size_t len)
{
    char out[THSI_SEED_SIZE], again[THSI_SEED_SIZE];

    if (thsi_address_parse(text, len, out, sizeof out) != THS_OK)
        return;
    must(strchr(out, ':') != NULL);
    must(thsi_address_parse(out, strlen(out), again, sizeof again) == THS_OK && strcmp(out, again) == 0);
}

static void read_seeds(const char *text)
{
    static struct thsi_seeds seeds;
    char why[64];

    memset(why, 'x', sizeof why);
    if (thsi_seeds_init(&seeds, text, why, sizeof why) != THS_OK) {
        must(memchr(why, '\0', sizeof why) != NULL);
        return;
    }
    must(seeds.count <= THSI_SEEDS_MAX);
    for (unsigned i = 0; i < seeds.count; i++)
        must(strnlen(seeds.address[i], THSI_SEED_SIZE) < THSI_SEED_SIZE && strrchr(seeds.address[i], ':'));
}

static void read_group(const char *text)
{
    char out[THSI_GROUP_NAME_SIZE], again[THSI_GROUP_NAME_SIZE];

    if (thsi_group_parse(text, out) != THS_OK)
        return;
    must(strchr(out, '/') != NULL && thsi_utf8_valid(out, (uint32_t)strlen(out)));
    must(thsi_group_parse(out, again) == THS_OK && strcmp(out, again) == 0);
    must(thsi_group_parse(thsi_group_text(out), again) == THS_OK && strcmp(out, again) == 0);
}

static void read_scopes(const char *text)
{
    char out[256], again[256];

    if (thsi_group_scopes_parse(text, out, sizeof out) != THS_OK)
        return;
    must(thsi_group_scopes_parse(out, again, sizeof again) == THS_OK && strcmp(out, again) == 0);
}

static void read_keyring(const char *text, size_t len)
{
    static const struct thsi_keyring none;
    char printed[THSI_KEYRING_TEXT_MAX + 1];
    struct thsi_keyring keys, again;

    if (thsi_keyring_parse(&keys, text, len) != NULL) {
        must(memcmp(&keys, &none, sizeof keys) == 0);
        return;
    }
    must(keys.count >= 1 && keys.count <= THSI_KEYRING_MAX);
    must(thsi_keyring_parse(&again, printed, thsi_keyring_print(&keys, printed)) == NULL);
    must(memcmp(&keys, &again, sizeof keys) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text;

    if (len == 0)
        return 0;
    text = malloc(len);
    must(text != NULL);
    memcpy(text, data + 1, len - 1);
    text[len - 1] = '\0';
    if (data[0] == 'K') {
        read_keyring(text, len - 1);
        free(text);
        return 0;
    }
    switch (data[0] % 5) {
    case 0: read_ref(text); break;
    case 1: read_address(text, strlen(text)); break;
    case 2: read_seeds(text); break;
    case 3: read_group(text); break;
    default: read_scopes(text); break;
    }
    free(text);
    return 0;
}
