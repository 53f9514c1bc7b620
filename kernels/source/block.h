/* The memory of a block: some rows of a group's results, small enough to stay in the second-level cache. */
#ifndef BITTRUE_BLOCK_H
#define BITTRUE_BLOCK_H

#include "group.h"

/* A tile may have rows beyond the block's, of which nothing is read. */
enum { BLOCK_ROWS = 64, TILE_ROWS = 16, ROWS = BLOCK_ROWS + TILE_ROWS };
enum { GATHERED = 2048, GATHERED_ROW = GATHERED + 32, MOST_TAPS = 256 };
/* Of one unit, two codes of 16 bits or four of 8: the weights of 32 channels. */
enum { WEIGHT_BYTES = 128 };

typedef struct {
    int16_t *gathered; /* ROWS of GATHERED_ROW codes: each sum's inputs; or an image with its padding */
    int32_t *sums;     /* ROWS of `width` */
    double *wide;      /* the same where a group is wide */
    int64_t width;     /* output channels rounded up to what a tile writes */
} buffers;

/* Some rows of sums: each row's codes lie in `runs` of `units` units, `run_step` bytes apart, and the next row's
 * `stride` bytes on; all the weights of 32 channels lie one after the other. Sums are added to where `add`. */
typedef struct {
    const char *codes, *weights;
    int64_t stride, runs, run_step, units, width;
    int32_t *sums;
    int add;
} tile;

static inline int64_t block_width(const group *g) {
    const int64_t channels = g->out_channels;
    if (g->source != PRODUCTS) return (channels + 15) / 16 * 16;
    return channels <= 16 ? 16 : (channels + 31) / 32 * 32;
}

static inline int64_t code_bytes(const group *g) { return g->bytes ? 1 : (int64_t)sizeof(int16_t); }

/* An image with its padding: codes of a row, and bytes of it all, with as much again as a tile's last rows reach. */
static inline int64_t padded_row(const group *g) {
    return ((g->out_width - 1) * g->strides[1] + (g->window[1] - 1) * g->dilation[1] + 1) * g->channels;
}

static inline int64_t padded_bytes(const group *g) {
    const int64_t rows = (g->out_height - 1) * g->strides[0] + (g->window[0] - 1) * g->dilation[0] + 1;
    return (rows * padded_row(g) + TILE_ROWS * g->strides[1] * g->channels) * code_bytes(g) + 64;
}

static inline buffers buffers_in(const group *g, void *scratch) {
    buffers b;
    char *next = scratch;
    b.width = block_width(g);
    b.sums = (int32_t *)next;
    next += ROWS * b.width * (int64_t)sizeof(int32_t);
    b.wide = (double *)next;
    if (g->wide) next += ROWS * b.width * (int64_t)sizeof(double);
    b.gathered = (int16_t *)next;
    return b;
}

#endif
