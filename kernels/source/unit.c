/* The kernels of one vector unit. Compiled once for each, with its compiler options and UNIT naming its header. */
#include "group.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "block.h"

static inline int64_t least_of(int64_t a, int64_t b) { return a < b ? a : b; }

#include UNIT_HEADER

#define CONCATENATED(a, b) a##b
#define NAMED(a, b) CONCATENATED(a, b)

#ifndef TO_NEAREST
#define TO_NEAREST(x) rint(x) /* for numbers below 2^51 */
#endif
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

/* Codes, or as many zeros, as products take them: bytes from their zero on, words of 16 bits signed. */
static void put_codes(const group *g, char *to, const int16_t *from, int64_t n) {
    if (g->bytes) {
        narrow_codes((uint8_t *)to, from, n, (int)g->zero);
    } else {
        copy_codes((int16_t *)to, from, n);
        if (g->in == UINT16) flip_signs((int16_t *)to, n);
    }
}

static void put_zeros(const group *g, char *to, int64_t n) {
    if (n <= 0) return;
    if (g->bytes) {
        memset(to, (int)g->zero, (size_t)n);
    } else {
        fill_zero((int16_t *)to, n);
        if (g->in == UINT16) flip_signs((int16_t *)to, n);
    }
}

/* Sums of some rows, of the 16 or 32 channels from `n` on. */
static void multiply_rows(const group *g, tile t, int64_t n, int64_t rows) {
    const int both = t.width - n >= 32;
    for (int64_t taken; rows > 0; rows -= taken, t.codes += taken * t.stride, t.sums += taken * t.width) {
        taken = tile_rows(rows, both);
        if (g->bytes)
            multiply_bytes(&t, (int)taken, both);
        else
            multiply_pairs(&t, (int)taken, both);
    }
}

/* Adds up what one digit of the weights has come to. */
static void keep_sums(const group *g, const buffers *b, int64_t rows, int digit, int first) {
    if (g->wide) add_to_wide(b->wide, b->sums, g->places[digit], rows, b->width, first && digit == 0);
}

/* The image's part that the rows `first` to `last` of its results read, with its padding, as products take it. */
static void pad_image(const group *g, const void *x, int64_t image, int64_t first, int64_t last, char *to) {
    const int64_t channels = g->channels, row = padded_row(g), size = code_bytes(g);
    const int64_t from = first / g->out_width * g->strides[0];
    const int64_t until = (last - 1) / g->out_width * g->strides[0] + (g->window[0] - 1) * g->dilation[0];
    const int64_t before = least_of(g->padding[1] * channels, row);
    const int64_t inside = least_of(g->width * channels, row - before);
    for (int64_t y = from; y <= until; y++) {
        char *at = to + y * row * size;
        const int64_t above = y - g->padding[0];
        if (above < 0 || above >= g->height) {
            put_zeros(g, at, row);
            continue;
        }
        put_zeros(g, at, before);
        put_codes(g, at + before * size, (const int16_t *)x + (image * g->height + above) * g->width * channels, inside);
        put_zeros(g, at + (before + inside) * size, row - before - inside);
    }
    /* Of the last window's last unit. */
    memset(to + (until + 1) * row * size, 0, 8);
}

/* Products that read an image with its padding: some rows of its results. */
static void products_in_image(const group *g, int64_t first, int64_t rows, const buffers *b) {
    const int64_t size = code_bytes(g), unit = 4 / size, row = padded_row(g) * size;
    const int64_t units = (g->window[1] * g->channels + unit - 1) / unit, most = least_of(g->chunk / (units * unit), g->window[0]);
    tile t = {.stride = g->strides[1] * g->channels * size, .run_step = g->dilation[0] * row, .units = units, .width = b->width};
    for (int64_t start = 0; start < g->window[0]; start += most) {
        t.runs = least_of(most, g->window[0] - start);
        t.add = !g->wide && start > 0;
        for (int digit = 0; digit < g->digits; digit++) {
            for (int64_t n = 0; n < b->width; n += 32) {
                t.weights = (const char *)g->weights[digit] + (n / 32 * g->window[0] + start) * units * WEIGHT_BYTES;
                for (int64_t done = 0, taken; done < rows; done += taken) {
                    const int64_t place = (first + done) % (g->out_height * g->out_width);
                    const int64_t y = place / g->out_width, z = place % g->out_width;
                    taken = least_of(g->out_width - z, rows - done);
                    t.codes = (const char *)b->gathered + (y * g->strides[0] + start * g->dilation[0]) * row + z * t.stride;
                    t.sums = b->sums + done * b->width + n;
                    multiply_rows(g, t, n, taken);
                }
            }
            keep_sums(g, b, rows, digit, start == 0);
        }
    }
}

/* Whether the codes of each row lie one after the other, and not so far apart that they crowd the cache. */
static int is_flat(const group *g) {
    return g->window[0] * g->window[1] == 1 && g->strides[0] * g->strides[1] == 1 && g->out_height == g->height &&
           g->out_width == g->width && g->channels <= GATHERED / 2 && g->channels <= g->chunk;
}

static void gather_rows(const group *g, const void *x, int64_t first, int64_t rows, int64_t start, int64_t stop, int whole,
                        int16_t *gathered) {
    const int64_t places = g->out_height * g->out_width, size = g->height * g->width * g->channels, taken = stop - start;
    const int64_t lowest = g->height - 1 - (g->window[0] - 1) * g->dilation[0], rightmost = g->width - g->window[1];
    int64_t image = first / places, row = first % places / g->out_width, column = first % g->out_width;
    for (int64_t i = 0; i < rows; i++) {
        int16_t *to = gathered + i * GATHERED_ROW;
        const int16_t *codes = (const int16_t *)x + image * size;
        const int64_t top = row * g->strides[0] - g->padding[0], left = column * g->strides[1] - g->padding[1];
        if (whole && top >= 0 && left >= 0 && top <= lowest && left <= rightmost)
            gather_inside(g, codes + (top * g->width + left) * g->channels, to);
        else
            gather(g, codes, row, column, start, stop, to);
        if (g->bytes) {
            narrow_codes((uint8_t *)to, to, taken, (int)g->zero);
            memset((char *)to + taken, 0, 4);
        } else {
            if (g->in == UINT16) flip_signs(to, taken);
            to[taken] = 0;
        }
        if (++column == g->out_width) {
            column = 0;
            if (++row == g->out_height) row = 0, image++;
        }
    }
}

static void products(const group *g, const void *x, int64_t first, int64_t rows, const buffers *b) {
    const int64_t all = g->window[0] * g->window[1] * g->channels, size = code_bytes(g), unit = 4 / size;
    const int64_t most = least_of(g->chunk, GATHERED), block = (all + unit - 1) / unit * WEIGHT_BYTES;
    const int flat = is_flat(g);
    tile t = {.stride = flat ? all * size : GATHERED_ROW * (int64_t)sizeof(int16_t), .runs = 1, .width = b->width};
    for (int64_t start = 0; start < all; start += most) {
        const int64_t stop = least_of(start + most, all);
        if (flat) {
            put_codes(g, (char *)b->gathered, (const int16_t *)x + first * all, rows * all);
            memset((char *)b->gathered + rows * all * size, 0, 8);
        } else {
            gather_rows(g, x, first, rows, start, stop, stop - start == all && g->dilation[1] == 1, b->gathered);
        }
        t.units = (stop - start + unit - 1) / unit;
        t.add = !g->wide && start > 0;
        for (int digit = 0; digit < g->digits; digit++) {
            for (int64_t n = 0; n < b->width; n += 32) {
                t.codes = (const char *)b->gathered;
                t.sums = b->sums + n;
                t.weights = (const char *)g->weights[digit] + n / 32 * block + start / unit * WEIGHT_BYTES;
                multiply_rows(g, t, n, rows);
            }
            keep_sums(g, b, rows, digit, start == 0);
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
                weights[taps++] = (const int16_t *)g->weights[0] + (row * g->window[1] + column) * channels;
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
        case PRODUCTS:
            if (g->direct)
                products_in_image(g, first, rows, b);
            else
                products(g, x, first, rows, b);
            break;
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
    const int64_t places = g->out_height * g->out_width;
    for (int64_t start = first, rows; start < last; start += rows) {
        rows = least_of(BLOCK_ROWS, last - start);
        if (g->direct) {
            const int64_t image = start / places, end = least_of((image + 1) * places, last);
            if (start == first || start % places == 0)
                pad_image(g, x, image, start - image * places, end - image * places, (char *)b.gathered);
            rows = least_of(rows, end - start);
        }
        fill_block(g, x, start, rows, &b);
        if (g->wide)
            wide_stages(g, b.wide, operands, out, start, rows, b.width, seen_by_stage);
        else
            narrow_stages(g, b.sums, operands, out, start, rows, b.width, seen_by_stage);
    }
}

static void codes(const float *x, int64_t n, float scale, int16_t *to, int32_t *ends) {
    /* From 2^23 on to 2^24 a float has no fraction: the sum is rounded to a whole number, which is in its last bits. */
    const float far = 12582912.0f;
    uint32_t far_bits;
    int32_t largest = 0, least = INT32_MAX, most = INT32_MIN;
    memcpy(&far_bits, &far, sizeof far);
    for (int64_t i = 0; i < n; i++) {
        const float sum = x[i] * scale + far;
        int32_t bits;
        uint32_t sum_bits;
        memcpy(&bits, &x[i], sizeof bits);
        memcpy(&sum_bits, &sum, sizeof sum);
        const int32_t code = (int32_t)(sum_bits - far_bits);
        bits &= INT32_MAX;
        largest = bits > largest ? bits : largest;
        least = code < least ? code : least;
        most = code > most ? code : most;
        to[i] = (int16_t)code;
    }
    ends[0] = largest, ends[1] = least, ends[2] = most;
}

const unit NAMED(bittrue_unit_, UNIT) = {UNIT_LABEL, unit_available, MULTIPLIES_BYTES, run, codes};
