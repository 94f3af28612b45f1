/* Simulator: nodes of the production runtime and cluster in one thread, on virtual time, under one seed.
 *
 * The scheduler's picks, the network's delays and every random number are drawn from the seed: the same seed
 * gives the same story. User actors run in it unchanged. It cannot show stealing, parking and memory order between threads. */

#ifndef THIASOS_SIM_H
#define THIASOS_SIM_H

#include "thiasos/cluster.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ths_sim;

struct ths_sim_options {
    uint64_t seed;
    unsigned nodes;             /* 1 to 64; named "n1", "n2", ...; numbered from 1 */
    bool alone;                 /* do not join them to a cluster */
    unsigned delay_us_min, delay_us_max; /* of a chunk on a link; 0: 100 and 2,000 */
    const char *(*roles)(unsigned node); /* roles of each node, or NULL */
    void (*joins)(unsigned node, struct ths_cluster_options *options); /* change the options with which it joins, or NULL */
    void (*setup)(struct ths_node *node, unsigned number, void *arg); /* each boot, restarts included: register behaviours, spawn */
    void *arg;
};

/* Gives; released by ths_sim_destroy. NULL when memory is out. All calls: one thread. */
THS_API struct ths_sim *ths_sim_create_with(const struct ths_sim_options *options);
#define ths_sim_create(...) ths_sim_create_with(&(struct ths_sim_options){ __VA_ARGS__ })
THS_API void ths_sim_destroy(struct ths_sim *sim);

/* The node @number runs now; NULL while it is crashed. Lends until its crash. */
THS_API struct ths_node *ths_sim_node(struct ths_sim *sim, unsigned number);
#define ths_sim_spawn(sim, number, ...) ths_spawn(ths_sim_node(sim, number), __VA_ARGS__)

THS_API void ths_sim_cut(struct ths_sim *sim, unsigned a, unsigned b);   /* nothing passes between a and b; links are not closed */
THS_API void ths_sim_break(struct ths_sim *sim, unsigned a, unsigned b); /* their links end, up to any byte of what is on them */
THS_API void ths_sim_heal(struct ths_sim *sim, unsigned a, unsigned b);
THS_API void ths_sim_crash(struct ths_sim *sim, unsigned number);        /* the process is gone; its links close after a delay */
THS_API void ths_sim_restart(struct ths_sim *sim, unsigned number);      /* a new boot, with the setup of the options */
THS_API void ths_sim_pause(struct ths_sim *sim, unsigned number, bool on); /* it gets no time */

/* Run @ms virtual milliseconds, or until @until (may be NULL) returns true after a step. Returns whether it did. */
THS_API bool ths_sim_run_until(struct ths_sim *sim, uint64_t ms, bool (*until)(void *arg), void *arg);
static inline void ths_sim_run_ms(struct ths_sim *sim, uint64_t ms) { (void)ths_sim_run_until(sim, ms, NULL, NULL); }

/* Run exactly one step of one task. False when there is none before the end of time. */
THS_API bool ths_sim_step(struct ths_sim *sim);
THS_API uint64_t ths_sim_now_ms(const struct ths_sim *sim);
THS_API uint64_t ths_sim_random(struct ths_sim *sim, uint64_t below); /* a draw from the seed, for the test's own choices */

/* Hash of everything that happened (steps, chunks, log lines), as 16 hex digits. Lends until the next call. */
THS_API const char *ths_sim_trace_hash(struct ths_sim *sim);

/* The log lines of all nodes so far: "[ms] n1 component: text\n"... Lends until the next step. */
THS_API const char *ths_sim_story(struct ths_sim *sim);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_SIM_H */
