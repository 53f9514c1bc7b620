/* NEON: four products of two codes added to int32 in one instruction, sixteen sums of a row at a time. */
#include <arm_neon.h>

#define UNIT neon
#define UNIT_LABEL "neon"

/* Every 64-bit processor of this family has it. */
static int unit_available(void) { return 1; }

enum { TILE_ROWS = 4 };

static inline void copy_codes(int16_t *to, const int16_t *from, int64_t n) {
    for (; n >= 8; n -= 8, to += 8, from += 8) vst1q_s16(to, vld1q_s16(from));
    for (; n > 0; n--) *to++ = *from++;
}

static inline void fill_zero(int16_t *to, int64_t n) { memset(to, 0, (size_t)n * sizeof *to); }

static inline void flip_signs(int16_t *codes, int64_t n) {
    for (int64_t i = 0; i < n; i++) codes[i] ^= INT16_MIN;
}

/* A loop that isn't unrolled would leave the sums in memory. */
#define EACH_ROW _Pragma("GCC unroll 4") for (int r = 0; r < TILE_ROWS; r++)

/* Sums of a row, four channels in each register: sixteen registers of sums, eight of weights. */
static inline void multiply_half(const int16_t *codes, const int16_t *weights, int64_t pairs, int32_t *sums, int64_t width,
                                 int add) {
    int32x4_t a[TILE_ROWS], b[TILE_ROWS], c[TILE_ROWS], d[TILE_ROWS];
    EACH_ROW {
        int32_t *row = sums + r * width;
        a[r] = add ? vld1q_s32(row) : vdupq_n_s32(0);
        b[r] = add ? vld1q_s32(row + 4) : vdupq_n_s32(0);
        c[r] = add ? vld1q_s32(row + 8) : vdupq_n_s32(0);
        d[r] = add ? vld1q_s32(row + 12) : vdupq_n_s32(0);
    }
    for (int64_t k = 0; k < pairs; k++) {
        /* The weights of the pair's first and of its second product, eight channels each. */
        const int16x8x2_t low = vld2q_s16(weights + k * 64), high = vld2q_s16(weights + k * 64 + 16);
        EACH_ROW {
            const int16_t *pair = codes + r * GATHERED_ROW + 2 * k;
            const int16x4_t first = vdup_n_s16(pair[0]), second = vdup_n_s16(pair[1]);
            a[r] = vmlal_s16(vmlal_s16(a[r], vget_low_s16(low.val[0]), first), vget_low_s16(low.val[1]), second);
            b[r] = vmlal_s16(vmlal_s16(b[r], vget_high_s16(low.val[0]), first), vget_high_s16(low.val[1]), second);
            c[r] = vmlal_s16(vmlal_s16(c[r], vget_low_s16(high.val[0]), first), vget_low_s16(high.val[1]), second);
            d[r] = vmlal_s16(vmlal_s16(d[r], vget_high_s16(high.val[0]), first), vget_high_s16(high.val[1]), second);
        }
    }
    EACH_ROW {
        int32_t *row = sums + r * width;
        vst1q_s32(row, a[r]), vst1q_s32(row + 4, b[r]), vst1q_s32(row + 8, c[r]), vst1q_s32(row + 12, d[r]);
    }
}

static void multiply_tile(const int16_t *codes, const int16_t *weights, int64_t pairs, int32_t *sums, int64_t width,
                          int add, int both) {
    multiply_half(codes, weights, pairs, sums, width, add);
    if (both) multiply_half(codes, weights + 32, pairs, sums + 16, width, add);
}

static void multiply_channels(const int16_t *const *at, const int16_t *const *weights, int taps, int64_t channels, int32_t *sums) {
    int64_t c = 0;
    for (; c + 8 <= channels; c += 8) {
        int32x4_t low = vdupq_n_s32(0), high = vdupq_n_s32(0);
        for (int t = 0; t < taps; t++) {
            const int16x8_t a = vld1q_s16(at[t] + c), w = vld1q_s16(weights[t] + c);
            low = vmlal_s16(low, vget_low_s16(a), vget_low_s16(w));
            high = vmlal_s16(high, vget_high_s16(a), vget_high_s16(w));
        }
        vst1q_s32(sums + c, low), vst1q_s32(sums + c + 4, high);
    }
    for (; c < channels; c++) {
        sums[c] = 0;
        for (int t = 0; t < taps; t++) sums[c] += (int32_t)at[t][c] * weights[t][c];
    }
}

#include "choose.h"
