/* Stands in for libFuzzer: runs the inputs that the arguments name, files or directories of files, then a fixed number
 * of alterations of each, always the same. So the targets are built and run by every compiler, if only for a moment. */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX 65536
#define ALTERATIONS 500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* In a block of its own size, so that a sanitizer sees a byte read too far. */
static void run(const uint8_t *data, size_t len)
{
    uint8_t *input = malloc(len > 0 ? len : 1);

    if (input == NULL)
        abort();
    memcpy(input, data, len);
    (void)LLVMFuzzerTestOneInput(input, len);
    free(input);
}

static void run_altered(const uint8_t *data, size_t len)
{
    static uint8_t altered[INPUT_MAX];
    uint64_t seed = 1;

    for (int i = 0; i < ALTERATIONS && len > 0; i++) {
        size_t altered_len = next_random(&seed) % 4 == 0 ? next_random(&seed) % (len + 1) : len;

        memcpy(altered, data, len);
        for (uint64_t flips = next_random(&seed) % 4; flips > 0; flips--)
            altered[next_random(&seed) % len] = (uint8_t)next_random(&seed);
        run(altered, altered_len);
    }
}

static int run_file(const char *path)
{
    static uint8_t data[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    size_t len;

    if (file == NULL) {
        perror(path);
        return 1;
    }
    len = fread(data, 1, sizeof data, file);
    (void)fclose(file);
    run(data, len);
    run_altered(data, len);
    return 0;
}

static int run_directory(DIR *directory, const char *path)
{
    const struct dirent *entry;
    int failed = 0, count = 0;

    while ((entry = readdir(directory)) != NULL) {
        char name[4096];

        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        failed |= run_file(name);
        count++;
    }
    if (count == 0)
        (void)fprintf(stderr, "%s: no inputs\n", path);
    return failed || count == 0;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;

    for (int i = 1; i < argc; i++) {
        DIR *directory = opendir(argv[i]);

        failed |= directory != NULL ? run_directory(directory, argv[i]) : run_file(argv[i]);
        if (directory != NULL)
            (void)closedir(directory);
    }
    run((const uint8_t *)"", 0);
    return failed;
}
