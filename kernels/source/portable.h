/* Plain C, for any processor: what the compiler's own vectoriser makes of it. */
#define UNIT portable
#define UNIT_LABEL "portable"

static int unit_available(void) { return 1; }

#define MULTIPLIES_BYTES 0

#if defined __x86_64__ && !defined __SSE4_1__
/* Without an instruction for it rint is a call. Below 2^51 a sum with 1.5·2^52 has no fraction left. */
#define TO_NEAREST(x) ((x) + 0x1.8p52 - 0x1.8p52)
#endif

static inline void copy_codes(int16_t *to, const int16_t *from, int64_t n) { memcpy(to, from, (size_t)n * sizeof *to); }

static inline void fill_zero(int16_t *to, int64_t n) { memset(to, 0, (size_t)n * sizeof *to); }

static inline void flip_signs(int16_t *codes, int64_t n) {
    for (int64_t i = 0; i < n; i++) codes[i] ^= INT16_MIN;
}

static inline int tile_rows(int64_t left, int both) {
    (void)both;
    return left < 4 ? (int)left : 4;
}

static void multiply_pairs(const tile *t, int rows, int both) {
    const int columns = both ? 32 : 16;
    for (int r = 0; r < rows; r++) {
        int32_t row[32] = {0}, *sums = t->sums + r * t->width;
        const char *weights = t->weights;
        if (t->add)
            for (int c = 0; c < columns; c++) row[c] = sums[c];
        for (int64_t i = 0; i < t->runs; i++) {
            const char *codes = t->codes + i * t->run_step + r * t->stride;
            for (int64_t k = 0; k < t->units; k++, codes += 4, weights += WEIGHT_BYTES) {
                int16_t at[2];
                memcpy(at, codes, sizeof at);
                const int16_t *pair = (const int16_t *)weights;
                for (int c = 0; c < columns; c++) row[c] += at[0] * pair[2 * c] + at[1] * pair[2 * c + 1];
            }
        }
        for (int c = 0; c < columns; c++) sums[c] = row[c];
    }
}

#include "bytes.h"

static void multiply_channels(const int16_t *const *at, const int16_t *const *weights, int taps, int64_t channels, int32_t *sums) {
    for (int64_t c = 0; c < channels; c++) sums[c] = 0;
    for (int t = 0; t < taps; t++)
        for (int64_t c = 0; c < channels; c++) sums[c] += (int32_t)at[t][c] * weights[t][c];
}

#include "choose.h"
