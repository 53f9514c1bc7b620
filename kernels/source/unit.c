/* The kernels of one vector unit. Compiled once for each, with its compiler options and UNIT naming its header. */
#include "group.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "block.h"

#include UNIT_HEADER

#define CONCATENATED(a, b) a##b
#define NAMED(a, b) CONCATENATED(a, b)

static inline int64_t least_of(int64_t a, int64_t b) { return a < b ? a : b; }

#include "narrow.h"
#include "wide.h"

/* Gathering a window's codes */

static void gather_part(int16_t *to, const int16_t *from, int64_t outside_before, int64_t inside, int64_t outside_after) {
    if (outside_before > 0) fill_zero(to, outside_before);
    if (inside > 0) copy_codes(to + outside_before, from, inside);
    if (outside_after > 0) fill_zero(to + outside_before + inside, outside_after);
}

/* The same for a whole window that lies inside the image. */
static inline void gather_inside(const group *g, const int16_t *from, int16_t *to) {
    const int64_t channels = g->channels, run = g->window[1] * channels, below = g->dilation[0] * g->width * channels;
    for (int64_t i = 0; i < g->window[0]; i++, from += below, to += run) copy_codes(to, from, run);
}

/* Products `start` to `stop` of the sum at (row, column) of an image, in the order rows, columns, channels. */
static void gather(const group *g, const int16_t *image, int64_t row, int64_t column, int64_t start, int64_t stop, int16_t *to) {
    const int64_t channels = g->channels, step = g->dilation[1], run = step == 1 ? g->window[1] * channels : channels;
    const int64_t top = row * g->strides[0] - g->padding[0], left = column * g->strides[1] - g->padding[1];
    const int64_t runs = step == 1 ? g->window[0] : g->window[0] * g->window[1];
    for (int64_t i = start / run; i < runs && i * run < stop; i++) {
        const int64_t y = top + (step == 1 ? i : i / g->window[1]) * g->dilation[0];
        const int64_t x = left + (step == 1 ? 0 : i % g->window[1] * step);
        const int64_t from = start > i * run ? start - i * run : 0, until = least_of(stop - i * run, run), size = until - from;
        if (y < 0 || y >= g->height) {
            fill_zero(to, size);
        } else {
            /* The run's part that lies in the image: codes `in` to `end` of it. */
            int64_t in = x < 0 ? -x * channels : 0, end = least_of((g->width - x) * channels, run);
            if (in < from) in = from;
            if (in > until) in = until;
            if (end > until) end = until;
            if (end < in) end = in;
            gather_part(to, image + (y * g->width + x) * channels + in, in - from, end - in, until - end);
        }
        to += size;
    }
}

/* Sums of products */

static void add_to_wide(double *wide, const int32_t *sums, double place, int64_t rows, int64_t width, int first) {
    if (first)
        for (int64_t i = 0; i < rows * width; i++) wide[i] = sums[i] * place;
    else
        for (int64_t i = 0; i < rows * width; i++) wide[i] += sums[i] * place;
}

static void products(const group *g, const void *x, int64_t first, int64_t rows, const buffers *b) {
    const int64_t all = g->window[0] * g->window[1] * g->channels, even = (all + 1) / 2 * 2, width = b->width;
    const int64_t places = g->out_height * g->out_width, size = g->height * g->width * g->channels;
    const int64_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS, most = least_of(g->chunk, GATHERED);
    const int64_t lowest = g->height - 1 - (g->window[0] - 1) * g->dilation[0], rightmost = g->width - g->window[1];
    for (int64_t start = 0; start < all; start += most) {
        const int64_t stop = least_of(start + most, all), taken = stop - start, pairs = (taken + 1) / 2;
        const int whole = taken == all && g->dilation[1] == 1;
        int64_t image = first / places, row = first % places / g->out_width, column = first % g->out_width;
        for (int64_t i = 0; i < rows; i++) {
            int16_t *to = b->gathered + i * GATHERED_ROW;
            const int16_t *codes = (const int16_t *)x + image * size;
            const int64_t top = row * g->strides[0] - g->padding[0], left = column * g->strides[1] - g->padding[1];
            if (whole && top >= 0 && left >= 0 && top <= lowest && left <= rightmost)
                gather_inside(g, codes + (top * g->width + left) * g->channels, to);
            else
                gather(g, codes, row, column, start, stop, to);
            if (taken & 1) to[taken] = 0;
            if (g->in == UINT16) flip_signs(to, taken);
            if (++column == g->out_width) {
                column = 0;
                if (++row == g->out_height) row = 0, image++;
            }
        }
        for (int digit = 0; digit < g->digits; digit++) {
            for (int64_t n = 0; n < width; n += 32) {
                const int16_t *weights = g->weights[digit] + n * even + start * 32;
                for (int64_t tile = 0; tile < tiles; tile++) {
                    int32_t *sums = b->sums + tile * TILE_ROWS * width + n;
                    const int16_t *codes = b->gathered + tile * TILE_ROWS * GATHERED_ROW;
                    multiply_tile(codes, weights, pairs, sums, width, !g->wide && start > 0, width - n >= 32);
                }
            }
            if (g->wide) add_to_wide(b->wide, b->sums, g->places[digit], rows, width, start == 0 && digit == 0);
        }
    }
}

/* Each channel by itself: a window of it by its own weights. */
static void depthwise(const group *g, const void *x, int64_t first, int64_t rows, const buffers *b) {
    const int64_t channels = g->channels, places = g->out_height * g->out_width, size = g->height * g->width * channels;
    for (int64_t i = 0; i < rows; i++) {
        const int64_t image = (first + i) / places, place = (first + i) % places;
        const int64_t top = place / g->out_width * g->strides[0] - g->padding[0];
        const int64_t left = place % g->out_width * g->strides[1] - g->padding[1];
        const int16_t *codes = (const int16_t *)x + image * size;
        int32_t *sums = b->sums + i * b->width;
        const int16_t *at[MOST_TAPS];
        const int16_t *weights[MOST_TAPS];
        int taps = 0;
        for (int64_t row = 0; row < g->window[0]; row++)
            for (int64_t column = 0; column < g->window[1]; column++) {
                const int64_t y = top + row * g->dilation[0], z = left + column * g->dilation[1];
                if (y < 0 || y >= g->height || z < 0 || z >= g->width) continue;
                at[taps] = codes + (y * g->width + z) * channels;
                weights[taps++] = g->weights[0] + (row * g->window[1] + column) * channels;
            }
        multiply_channels(at, weights, taps, channels, sums);
        if (g->wide) {
            double *wide = b->wide + i * b->width;
            for (int64_t c = 0; c < channels; c++) wide[c] = sums[c];
        }
    }
}

/* A window's largest or least code; padding takes no part. */
static void extremum(const group *g, const void *x, int64_t first, int64_t rows, const buffers *b) {
    const int64_t channels = g->channels, places = g->out_height * g->out_width, size = g->height * g->width * channels;
    for (int64_t i = 0; i < rows; i++) {
        const int64_t image = (first + i) / places, place = (first + i) % places;
        const int64_t top = place / g->out_width * g->strides[0] - g->padding[0];
        const int64_t left = place % g->out_width * g->strides[1] - g->padding[1];
        int32_t *found = b->sums + i * b->width;
        int any = 0;
        for (int64_t row = 0; row < g->window[0]; row++)
            for (int64_t column = 0; column < g->window[1]; column++) {
                const int64_t y = top + row * g->dilation[0], z = left + column * g->dilation[1];
                if (y < 0 || y >= g->height || z < 0 || z >= g->width) continue;
                const int64_t at = image * size + (y * g->width + z) * channels;
                if (g->in == UINT16)
                    choose_unsigned((const uint16_t *)x + at, found, channels, any, g->source == LARGEST);
                else
                    choose((const int16_t *)x + at, found, channels, any, g->source == LARGEST);
                any = 1;
            }
        if (g->wide) {
            double *wide = b->wide + i * b->width;
            for (int64_t c = 0; c < channels; c++) wide[c] = found[c];
        }
    }
}

static void fill_block(const group *g, const void *x, int64_t first, int64_t rows, const buffers *b) {
    switch (g->source) {
        case PRODUCTS: products(g, x, first, rows, b); break;
        case DEPTHWISE: depthwise(g, x, first, rows, b); break;
        case CODES:
            if (g->wide)
                wide_load(b->wide, x, g->in, first, rows, g->out_channels, b->width);
            else
                narrow_load(b->sums, x, g->in, first, rows, g->out_channels, b->width);
            break;
        default: extremum(g, x, first, rows, b);
    }
}

static void run(const group *g, const void *x, const void *const *operands, void *out, int64_t first, int64_t last,
                void *scratch, seen *seen_by_stage) {
    const buffers b = buffers_in(g, scratch);
    for (int64_t start = first; start < last; start += BLOCK_ROWS) {
        const int64_t rows = least_of(BLOCK_ROWS, last - start);
        fill_block(g, x, start, rows, &b);
        if (g->wide)
            wide_stages(g, b.wide, operands, out, start, rows, b.width, seen_by_stage);
        else
            narrow_stages(g, b.sums, operands, out, start, rows, b.width, seen_by_stage);
    }
}

const unit NAMED(bittrue_unit_, UNIT) = {UNIT_LABEL, unit_available, run};
