/* Word count: what the master, its counters and the demo say to each other.
 *
 * A counter lists the files it sees and counts ranges of them. Lists are asks, answered in pages. A range is
 * told, and told back in parts; each names the range and the attempt, so the master can tell the answer it waits for
 * from one that it gave up. Of an answer in several parts the master calls for each next one: so a counter never fills
 * the link with what nobody has room for. */

#ifndef THSI_TOOLS_WORDCOUNT_H
#define THSI_TOOLS_WORDCOUNT_H

#include "thiasos/message.h"
#include "tools/files.h"

#define THSI_COUNTERS_GROUP "counters"
#define THSI_PAGE_FILES 2048u         /* entries of a page */
#define THSI_PAGE_BYTES (256u << 10)  /* of their paths */
#define THSI_PART_WORDS 16384u        /* words of a part */
#define THSI_PART_BYTES (256u << 10)  /* of their letters */

/* ---- To counters ------------------------------------------------------------------------ */

/* What a counter is started with. It tells counter_ready to the master, if there is one; else the master finds it in the
 * group. */
THS_MESSAGE(counter_args, "wordcount.counter_args", 1, ref(master))

/* The files behind `after`; answered by files_listed. */
THS_MESSAGE(list_files, "wordcount.list_files", 1, bytes(after, .max = THSI_PATH_MAX))

/* Count a range; told back as range_counted. The file was listed with this size and time of change. */
THS_MESSAGE(count_range, "wordcount.count_range", 1, u64(range), u32(attempt), bytes(path, .max = THSI_PATH_MAX),
            u64(offset), u32(len), u64(size), u64(changed_ns))

/* The next part, please. */
THS_MESSAGE(next_part, "wordcount.next_part", 1, u64(range), u32(attempt), u32(part))

/* What have you done? Answered by counter_done. */
THS_MESSAGE(counter_stats, "wordcount.counter_stats", 1)

/* ---- From counters ---------------------------------------------------------------------- */

THS_MESSAGE(counter_ready, "wordcount.counter_ready", 1)

/* A page of the list: parallel lists, verdicts as in enum thsi_left_out. `why` is not empty when this counter cannot
 * list. */
THS_MESSAGE(files_listed, "wordcount.files_listed", 1, string(why), boolean(last),
            list(bytes, paths, .max = THSI_PAGE_FILES, .element_max = THSI_PATH_MAX),
            list(u64, sizes, .max = THSI_PAGE_FILES), list(u64, changed_ns, .max = THSI_PAGE_FILES),
            list(u8, verdicts, .max = THSI_PAGE_FILES))

/* One part of the count of a range, and what this counter has finished so far. */
THS_MESSAGE(range_counted, "wordcount.range_counted", 1, u64(range), u32(attempt), u32(part), boolean(last),
            u8(verdict), list(string, words, .max = THSI_PART_WORDS, .element_max = THSI_WORD_MAX),
            list(u64, counts, .max = THSI_PART_WORDS), u64(finished), u64(finished_bytes))

THS_MESSAGE(counter_done, "wordcount.counter_done", 1, u64(finished), u64(finished_bytes))

/* ---- Counter ---------------------------------------------------------------------------- */

struct ths_node;

/* Where the counters of this process read, and whence they take memory and the seeds of their tables; both borrowed for
 * its life. Call it before a counter starts. Without it they answer lists with why not. */
void thsi_counter_source(const struct thsi_file_source *source, struct ths_env *from);

/* Make behaviour "counter" startable on @node. Errors: those of ths_register. */
THS_MUST_CHECK enum ths_err thsi_counter_register(struct ths_node *node);

#endif /* THSI_TOOLS_WORDCOUNT_H */
