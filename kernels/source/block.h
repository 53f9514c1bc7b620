/* The memory of a block: some rows of a group's results, small enough to stay in the second-level cache. */
#ifndef BITTRUE_BLOCK_H
#define BITTRUE_BLOCK_H

#include "group.h"

enum { BLOCK_ROWS = 48, GATHERED = 2048, GATHERED_ROW = GATHERED + 32, MOST_TAPS = 256 };

typedef struct {
    int16_t *gathered; /* BLOCK_ROWS of GATHERED_ROW codes: each sum's inputs */
    int32_t *sums;     /* BLOCK_ROWS of `width` */
    double *wide;      /* the same where a group is wide */
    int64_t width;     /* output channels rounded up to what a tile writes */
} buffers;

static inline int64_t block_width(const group *g) {
    const int64_t channels = g->out_channels;
    if (g->source != PRODUCTS) return (channels + 15) / 16 * 16;
    return channels <= 16 ? 16 : (channels + 31) / 32 * 32;
}

static inline buffers buffers_in(const group *g, void *scratch) {
    buffers b;
    char *next = scratch;
    b.width = block_width(g);
    b.sums = (int32_t *)next;
    next += BLOCK_ROWS * b.width * (int64_t)sizeof(int32_t);
    b.wide = (double *)next;
    if (g->wide) next += BLOCK_ROWS * b.width * (int64_t)sizeof(double);
    b.gathered = (int16_t *)next;
    return b;
}

#endif
