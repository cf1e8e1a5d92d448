/* Times, hashes and marks of one network's inferences, as members of a JSON object. */
#ifndef LINNET_RUN_MEASURE_H
#define LINNET_RUN_MEASURE_H

#include "session.h"

uint64_t nanoseconds(void);

/* "nanoseconds", "cpu_nanoseconds": lists with the time of each inference, and with the processor time of all threads,
 * after `warmup` that do not count. */
void print_times(FILE *to, session *s, const uint8_t *input, uint32_t warmup, uint32_t runs);

/* "operators": a list with index, kernel, steps and the nanoseconds of each inference; what a trace takes included. */
void print_profile(FILE *to, session *s, const uint8_t *input, uint32_t runs);

/* "hashes": of each operator's output, the sum over its pixels of the FNV-1a of place and values. */
void print_hashes(FILE *to, session *s, const uint8_t *input);

/* "marks": the operators whose steps ended, in order, while linnet_mark() was called for an instruction counter:
 * before and after an inference without trace; then before and after one with it, and in it twice for every step,
 * first when the step has ended and then when the next may begin. "kernel_names": of all operators.
 * threads above 1: then also "tasks", into how many each step is cut for so many threads that is cut at all; marked are
 * the inference and, in it, each such step, then beginning and end of its tasks. The session itself must have one
 * thread: others that wait awake would be counted too. */
void print_marks(FILE *to, session *s, const uint8_t *input, uint32_t threads);

void linnet_mark(void);

#endif
