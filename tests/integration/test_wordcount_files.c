/* The word count for real: files below a directory, and a node alone that counts them on its own threads. */

#define _GNU_SOURCE /* nftw */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "thiasos/thiasos.h"
#include "tools/master.h"
#include "tools/wordcount.h"

static char root[] = "/tmp/thiasos-test-files-XXXXXX";
static struct thsi_file_source source;

/* ---- A tree of files ------------------------------------------------------------------------------ */

static const char *below(const char *path)
{
    static char full[512];

    (void)snprintf(full, sizeof full, "%s/%s", root, path);
    return full;
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(below(path), "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

static int make_tree(void **state)
{
    static char long_word[THSI_WORD_MAX + 1];
    char why[256];

    (void)state;
    assert_non_null(mkdtemp(root));
    assert_int_equal(mkdir(below("b"), 0700), 0);
    assert_int_equal(mkdir(below("b/deep"), 0700), 0);
    memset(long_word, 'q', sizeof long_word);
    write_file("a", "The the", 7);
    write_file("b/deep/c", "the end", 7);
    write_file("b/name with\nnewline", "no\xff" "end", 6);
    write_file("b.txt", "", 0);
    write_file("long", long_word, sizeof long_word);
    write_file("zeros", "a\0b\0", 4);
    assert_int_equal(symlink("a", below("link")), 0);
    assert_int_equal(symlink("b", below("linked")), 0);
    assert_int_equal(symlink("/etc/passwd", below("outside")), 0);
    assert_int_equal(mkfifo(below("fifo"), 0600), 0);
    assert_int_equal(thsi_files_open(root, &source, why, sizeof why), THS_OK);
    thsi_counter_source(&source, ths_env_os());
    return 0;
}

static int remove_tree(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- The source ------------------------------------------------------------------------------------- */

struct listing {
    char text[1024];
    char last[256];
    unsigned left; /* so many more are taken */
    uint64_t size, changed_ns;
};

static bool take(void *sink, const char *path, uint64_t size, uint64_t changed_ns, enum thsi_left_out verdict)
{
    struct listing *listing = sink;

    if (listing->left == 0)
        return false;
    listing->left--;
    assert_int_equal(verdict, THSI_FIT);
    (void)snprintf(listing->text + strlen(listing->text), sizeof listing->text - strlen(listing->text), "%s:%llu|", path,
                   (unsigned long long)size);
    (void)snprintf(listing->last, sizeof listing->last, "%s", path);
    listing->size = size;
    listing->changed_ns = changed_ns;
    return true;
}

#define WHOLE "a:7|b/deep/c:7|b/name with\nnewline:6|b.txt:0|long:65537|zeros:4|"

static void files_are_listed_in_order_and_links_are_not_followed(void **state)
{
    struct listing listing = { .left = 100 };

    (void)state;
    assert_true(source.list(source.arg, "", take, &listing));
    assert_string_equal(listing.text, WHOLE);
}

static void pages_of_any_length_make_up_the_same_list(void **state)
{
    (void)state;
    for (unsigned page = 1; page <= 7; page++) {
        struct listing listing = { .left = page };
        unsigned calls = 1;

        while (!source.list(source.arg, listing.last, take, &listing)) {
            assert_true(calls++ < 20);
            listing.left = page;
        }
        assert_string_equal(listing.text, WHOLE);
    }
}

static void a_list_goes_on_behind_a_file_that_is_gone(void **state)
{
    static const struct {
        const char *after, *expected;
    } table[] = {
        /* 0 */ { "a/x", "b/deep/c:7|b/name with\nnewline:6|b.txt:0|long:65537|zeros:4|" },
        /* 1 */ { "b/deep/b", "b/deep/c:7|b/name with\nnewline:6|b.txt:0|long:65537|zeros:4|" },
        /* 2 */ { "b/gone/x", "b/name with\nnewline:6|b.txt:0|long:65537|zeros:4|" },
        /* 3 */ { "b/zzz", "b.txt:0|long:65537|zeros:4|" },
        /* 4 */ { "zzz", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct listing listing = { .left = 100 };

        assert_true(source.list(source.arg, table[i].after, take, &listing));
        assert_string_equal(listing.text, table[i].expected);
    }
}

static enum thsi_left_out read_at(const char *path, uint64_t offset, char *out, size_t len, uint64_t size,
                                  uint64_t changed)
{
    return source.read(source.arg, path, offset, out, len, size, changed);
}

static void a_file_is_read_as_it_was_listed(void **state)
{
    struct listing listing = { .left = 1 };
    char bytes[8] = "";

    (void)state;
    (void)source.list(source.arg, "", take, &listing);
    assert_int_equal(read_at("a", 4, bytes, 3, 7, listing.changed_ns), THSI_FIT);
    assert_string_equal(bytes, "the");
    assert_int_equal(read_at("a", 0, bytes, 3, 8, listing.changed_ns), THSI_CHANGED);
    assert_int_equal(read_at("a", 0, bytes, 3, 7, listing.changed_ns + 1), THSI_CHANGED);
    assert_int_equal(read_at("gone", 0, bytes, 3, 7, listing.changed_ns), THSI_UNREADABLE);
}

static void nothing_outside_the_directory_is_read(void **state)
{
    static const char *const wrong[] = { "/etc/passwd", "../etc/passwd", "b/../a", "./a", "", "b//deep/c", "outside",
                                         "link", "linked/deep/c", "b", "a/", "fifo" };
    char bytes[8];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (read_at(wrong[i], 0, bytes, 1, 7, 7) == THSI_FIT)
            fail_msg("\"%s\" was read", wrong[i]);
}

static void a_directory_that_is_none_is_refused(void **state)
{
    struct thsi_file_source none;
    char why[256] = "";

    (void)state;
    assert_int_equal(thsi_files_open(below("a"), &none, why, sizeof why), THS_IO);
    assert_non_null(strstr(why, "Not a directory"));
    assert_int_equal(thsi_files_open(root, &source, why, sizeof why), THS_OK);
}

/* ---- A node alone ----------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct thsi_outcome *outcome;

static void take_progress(void *arg, const struct thsi_progress *progress)
{
    (void)arg;
    (void)progress;
}

static void take_event(void *arg, enum thsi_master_event event, const char *text)
{
    (void)arg;
    (void)event;
    (void)text;
}

static void take_outcome(void *arg, struct thsi_outcome *given)
{
    (void)arg;
    (void)pthread_mutex_lock(&lock);
    outcome = given;
    (void)pthread_mutex_unlock(&lock);
}

static void count_on(const char *behaviour_name, unsigned stall_ms)
{
    const struct thsi_master_hooks hooks = { .env = ths_env_os(), .progress = take_progress, .event = take_event,
                                             .finished = take_outcome };
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "alone", .workers = 2 });
    ths_ref master;

    assert_non_null(node);
    assert_int_equal(thsi_counter_register(node), THS_OK);
    master = thsi_master_spawn(node, &(struct thsi_master_options){ .rounds = 5, .stall_ms = stall_ms }, &hooks);
    assert_false(ths_ref_is_nobody(master));
    if (behaviour_name) {
        const struct counter_args args = { .master = master };
        const struct ths_child children[] = {
            { .name = "one", .behaviour = behaviour_name, .start = { &counter_args_type, &args } },
            { .name = "two", .behaviour = behaviour_name, .start = { &counter_args_type, &args } },
        };

        assert_false(ths_ref_is_nobody(ths_supervise(node, children, .name = "supervisor")));
    }
    assert_int_equal(ths_join(node, master, 60000, NULL), THS_OK);
    ths_node_stop(node, 5000);
    assert_non_null(outcome);
}

static void assert_times(const char *word, uint64_t times)
{
    assert_int_equal(thsi_words_get(&outcome->job->first, word, strlen(word)), times);
}

static void a_node_alone_counts_the_tree(void **state)
{
    (void)state;
    count_on("counter", 0);
    assert_string_equal(outcome->trouble, "");
    assert_int_equal(outcome->rounds, 5);
    assert_times("the", 3);
    assert_times("end", 2);
    assert_times("no", 1);
    assert_times("a", 1);
    assert_times("b", 1);
    assert_int_equal(outcome->job->first.count, 5);
    for (size_t i = 0; i < outcome->job->files_count; i++)
        assert_int_equal(outcome->job->files[i].left_out,
                         strcmp(outcome->job->files[i].path, "long") == 0 ? THSI_WORD_TOO_LONG : THSI_FIT);
    thsi_outcome_destroy(outcome);
    outcome = NULL;
}

static void a_master_without_counters_says_what_it_waited_for(void **state)
{
    (void)state;
    count_on(NULL, 300);
    assert_false(outcome->exact);
    assert_non_null(strstr(outcome->trouble, "no counter is there"));
    thsi_outcome_destroy(outcome);
    outcome = NULL;
}

static void counters_without_files_say_so(void **state)
{
    (void)state;
    thsi_counter_source(NULL, ths_env_os());
    count_on("counter", 0);
    assert_non_null(strstr(outcome->trouble, "without a directory of files"));
    thsi_outcome_destroy(outcome);
    outcome = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_listed_in_order_and_links_are_not_followed),
        cmocka_unit_test(pages_of_any_length_make_up_the_same_list),
        cmocka_unit_test(a_list_goes_on_behind_a_file_that_is_gone),
        cmocka_unit_test(a_file_is_read_as_it_was_listed),
        cmocka_unit_test(nothing_outside_the_directory_is_read),
        cmocka_unit_test(a_directory_that_is_none_is_refused),
        cmocka_unit_test(a_node_alone_counts_the_tree),
        cmocka_unit_test(a_master_without_counters_says_what_it_waited_for),
        cmocka_unit_test(counters_without_files_say_so),
    };

    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
