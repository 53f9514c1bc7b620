/* Plain C, for any processor: what the compiler's own vectoriser makes of it. */
#define UNIT portable
#define UNIT_LABEL "portable"

static int unit_available(void) { return 1; }

enum { TILE_ROWS = 4 };

static inline void copy_codes(int16_t *to, const int16_t *from, int64_t n) { memcpy(to, from, (size_t)n * sizeof *to); }

static inline void fill_zero(int16_t *to, int64_t n) { memset(to, 0, (size_t)n * sizeof *to); }

static inline void flip_signs(int16_t *codes, int64_t n) {
    for (int64_t i = 0; i < n; i++) codes[i] ^= INT16_MIN;
}

static void multiply_tile(const int16_t *codes, const int16_t *weights, int64_t pairs, int32_t *sums, int64_t width,
                          int add, int both) {
    const int columns = both ? 32 : 16;
    for (int r = 0; r < TILE_ROWS; r++) {
        int32_t row[32] = {0};
        if (add)
            for (int c = 0; c < columns; c++) row[c] = sums[r * width + c];
        for (int64_t k = 0; k < pairs; k++) {
            const int32_t a = codes[r * GATHERED_ROW + 2 * k], b = codes[r * GATHERED_ROW + 2 * k + 1];
            const int16_t *pair = weights + k * 64;
            for (int c = 0; c < columns; c++) row[c] += a * pair[2 * c] + b * pair[2 * c + 1];
        }
        for (int c = 0; c < columns; c++) sums[r * width + c] = row[c];
    }
}

static void multiply_channels(const int16_t *const *at, const int16_t *const *weights, int taps, int64_t channels, int32_t *sums) {
    for (int64_t c = 0; c < channels; c++) sums[c] = 0;
    for (int t = 0; t < taps; t++)
        for (int64_t c = 0; c < channels; c++) sums[c] += (int32_t)at[t][c] * weights[t][c];
}

#include "choose.h"
