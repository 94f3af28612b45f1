/* Parity workloads: what the benches of other actor libraries do, once more, in one program and one table.
 *
 * Each has a start that all wait for and an end at which every message has been handled, and is checked for both. */

#ifndef THSI_TESTS_BENCH_PARITY_H
#define THSI_TESTS_BENCH_PARITY_H

#include "../bench.h"

/* Print a row: @count units took @took_ns. */
void parity_row(const char *id, uint64_t count, const char *unit, uint64_t took_ns, const char *format, ...) THS_PRINTF(5, 6);

/* A row of memory: bytes of each of @count. */
void parity_bytes(const char *id, uint64_t count, const char *unit, double bytes, const char *format, ...) THS_PRINTF(5, 6);

void parity_lives(const struct bench_options *options);    /* W1 W2 W5 W7 W10 W24: actors come and go */
void parity_trees(const struct bench_options *options);    /* W8: supervision trees */
void parity_streams(const struct bench_options *options);  /* W3 W4 W11 W18 W21 W23: one receiver */
void parity_circles(const struct bench_options *options);  /* W6 W9 W12 W13 W14 W15 W25: many receivers */
void parity_asks(const struct bench_options *options);     /* W16 W17 */
void parity_clocks(const struct bench_options *options);   /* W19 W20: calls that block, timers */
void parity_wire(const struct bench_options *options);     /* W22 */

#endif /* THSI_TESTS_BENCH_PARITY_H */
