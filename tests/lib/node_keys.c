#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/node_keys.h"

#include <dirent.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[64];
static struct thsi_identity_key keys[NODE_KEYS_MAX + 1]; /* [0]: the authority */
static char publics[NODE_KEYS_MAX + 1][2 * THSI_KEY_SIZE + 1];

const char *node_keys_path(const char *name)
{
    static char paths[NODE_KEYS_PATHS][384];
    static unsigned next;
    char *path = paths[next++ % NODE_KEYS_PATHS];

    (void)snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static const char *numbered(const char *name, unsigned node)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%s.%u", name, node);
    return node_keys_path(text);
}

void node_keys_begin(void)
{
    char why[THSI_KEY_WHY_SIZE];

    assert_true(sodium_init() >= 0);
    (void)strcpy(directory, "/tmp/thiasos-test-node-keys-XXXXXX");
    assert_non_null(mkdtemp(directory));
    for (unsigned i = 0; i <= NODE_KEYS_MAX; i++) {
        uint8_t secret[THSI_KEY_SIZE] = { (uint8_t)(i + 1) };

        thsi_identity_key_of(&keys[i], secret);
        (void)sodium_bin2hex(publics[i], sizeof publics[i], keys[i].public_key, THSI_KEY_SIZE);
        if (i > 0)
            assert_int_equal(thsi_key_file_create(&thsi_node_key_kind, numbered("key", i), secret, why, sizeof why),
                             THS_OK);
    }
}

void node_keys_end(void)
{
    DIR *open = opendir(directory);
    struct dirent *entry;

    assert_non_null(open);
    while ((entry = readdir(open)) != NULL)
        if (entry->d_name[0] != '.')
            (void)unlink(node_keys_path(entry->d_name));
    (void)closedir(open);
    assert_int_equal(rmdir(directory), 0);
}

const char *node_keys_public(unsigned node)
{
    return publics[node];
}

void node_keys_write(const char *name, const char *text)
{
    FILE *file = fopen(node_keys_path(name), "w");

    assert_non_null(file);
    for (; *text; text++) {
        if (*text != '%') {
            (void)fputc(*text, file);
            continue;
        }
        text++;
        if (*text == 'a')
            (void)fprintf(file, "authority %s", publics[0]);
        else
            (void)fprintf(file, "node %s", publics[*text - '0']);
    }
    assert_int_equal(fclose(file), 0);
}

void node_keys_sign(unsigned node, struct thsi_certificate wanted)
{
    char text[THSI_CERTIFICATE_MAX + 1] = "", name[16];
    size_t len;

    memcpy(wanted.node, keys[node].public_key, THSI_KEY_SIZE);
    assert_int_equal(thsi_certificate_sign(&wanted, &keys[0], text, &len), THS_OK);
    (void)snprintf(name, sizeof name, "cert.%u", node);
    node_keys_write(name, text);
}

void node_keys_options(unsigned node, const char *allow, struct ths_cluster_options *options)
{
    options->node_key = numbered("key", node);
    options->allow = node_keys_path(allow);
    options->certificate = numbered("cert", node);
    if (access(options->certificate, R_OK) != 0)
        options->certificate = NULL;
    options->revoked = node_keys_path("revoked");
    if (access(options->revoked, R_OK) != 0)
        options->revoked = NULL;
}
