/* NEON: four products of two codes added to int32 in one instruction, sixteen sums of a row at a time. */
#include <arm_neon.h>

#ifndef UNIT
#define UNIT neon
#define UNIT_LABEL "neon"
#define MULTIPLIES_BYTES 0

/* Every 64-bit processor of this family has it. */
static int unit_available(void) { return 1; }
#endif

static inline void copy_codes(int16_t *to, const int16_t *from, int64_t n) {
    for (; n >= 8; n -= 8, to += 8, from += 8) vst1q_s16(to, vld1q_s16(from));
    for (; n > 0; n--) *to++ = *from++;
}

static inline void fill_zero(int16_t *to, int64_t n) { memset(to, 0, (size_t)n * sizeof *to); }

static inline void flip_signs(int16_t *codes, int64_t n) {
    for (int64_t i = 0; i < n; i++) codes[i] ^= INT16_MIN;
}

static inline int tile_rows(int64_t left, int both) {
    (void)left, (void)both;
    return 4;
}

/* A loop that isn't unrolled would leave the sums in memory. */
#define EACH_ROW _Pragma("GCC unroll 4") for (int r = 0; r < 4; r++)

/* Four sums of 16 channels, four in each register: sixteen registers of sums, eight of weights. */
static inline void multiply_half(const tile *t, int64_t channel) {
    int32x4_t a[4], b[4], c[4], d[4];
    const int64_t stride = t->stride, units = t->units, width = t->width;
    const char *weights = t->weights + 4 * channel, *run = t->codes;
    EACH_ROW {
        const int32_t *row = t->sums + channel + r * width;
        a[r] = t->add ? vld1q_s32(row) : vdupq_n_s32(0);
        b[r] = t->add ? vld1q_s32(row + 4) : vdupq_n_s32(0);
        c[r] = t->add ? vld1q_s32(row + 8) : vdupq_n_s32(0);
        d[r] = t->add ? vld1q_s32(row + 12) : vdupq_n_s32(0);
    }
    for (int64_t i = 0; i < t->runs; i++, run += t->run_step) {
        const char *at = run;
        for (int64_t k = 0; k < units; k++, weights += WEIGHT_BYTES, at += 4) {
            /* The weights of the pair's first and of its second product, eight channels each. */
            const int16x8x2_t low = vld2q_s16((const int16_t *)weights), high = vld2q_s16((const int16_t *)weights + 16);
            EACH_ROW {
                int16_t pair[2];
                memcpy(pair, at + r * stride, sizeof pair);
                const int16x4_t first = vdup_n_s16(pair[0]), second = vdup_n_s16(pair[1]);
                a[r] = vmlal_s16(vmlal_s16(a[r], vget_low_s16(low.val[0]), first), vget_low_s16(low.val[1]), second);
                b[r] = vmlal_s16(vmlal_s16(b[r], vget_high_s16(low.val[0]), first), vget_high_s16(low.val[1]), second);
                c[r] = vmlal_s16(vmlal_s16(c[r], vget_low_s16(high.val[0]), first), vget_low_s16(high.val[1]), second);
                d[r] = vmlal_s16(vmlal_s16(d[r], vget_high_s16(high.val[0]), first), vget_high_s16(high.val[1]), second);
            }
        }
    }
    EACH_ROW {
        int32_t *row = t->sums + channel + r * width;
        vst1q_s32(row, a[r]), vst1q_s32(row + 4, b[r]), vst1q_s32(row + 8, c[r]), vst1q_s32(row + 12, d[r]);
    }
}

static void multiply_pairs(const tile *t, int rows, int both) {
    (void)rows;
    multiply_half(t, 0);
    if (both) multiply_half(t, 16);
}

#if MULTIPLIES_BYTES
static inline void narrow_codes(uint8_t *to, const int16_t *from, int64_t n, int zero) {
    for (; n >= 8; n -= 8, to += 8, from += 8)
        vst1_u8(to, vmovn_u16(vreinterpretq_u16_s16(vaddq_s16(vld1q_s16(from), vdupq_n_s16((int16_t)zero)))));
    for (; n > 0; n--) *to++ = (uint8_t)(*from++ + zero);
}

/* The instruction takes signed bytes: each code without 128, and 128 times the weights in sums of their own. */
static inline void multiply_bytes_half(const tile *t, int64_t channel) {
    int32x4_t a[4], b[4], c[4], d[4], e[4];
    const int64_t stride = t->stride, units = t->units, width = t->width;
    const char *weights = t->weights + 4 * channel, *run = t->codes;
    EACH_ROW {
        const int32_t *row = t->sums + channel + r * width;
        a[r] = t->add ? vld1q_s32(row) : vdupq_n_s32(0);
        b[r] = t->add ? vld1q_s32(row + 4) : vdupq_n_s32(0);
        c[r] = t->add ? vld1q_s32(row + 8) : vdupq_n_s32(0);
        d[r] = t->add ? vld1q_s32(row + 12) : vdupq_n_s32(0);
        e[r] = vdupq_n_s32(0);
    }
    const int8x16_t half = vdupq_n_s8(64);
    for (int64_t i = 0; i < t->runs; i++, run += t->run_step) {
        const char *at = run;
        for (int64_t k = 0; k < units; k++, weights += WEIGHT_BYTES, at += 4) {
            int8x16_t w[4];
            EACH_ROW {
                w[r] = vld1q_s8((const int8_t *)weights + 16 * r);
                e[r] = vdotq_s32(vdotq_s32(e[r], w[r], half), w[r], half);
            }
            EACH_ROW {
                uint32_t four;
                memcpy(&four, at + r * stride, sizeof four);
                const int8x16_t codes = vreinterpretq_s8_u32(vdupq_n_u32(four ^ 0x80808080u));
                a[r] = vdotq_s32(a[r], w[0], codes);
                b[r] = vdotq_s32(b[r], w[1], codes);
                c[r] = vdotq_s32(c[r], w[2], codes);
                d[r] = vdotq_s32(d[r], w[3], codes);
            }
        }
    }
    EACH_ROW {
        int32_t *row = t->sums + channel + r * width;
        vst1q_s32(row, vaddq_s32(a[r], e[0])), vst1q_s32(row + 4, vaddq_s32(b[r], e[1]));
        vst1q_s32(row + 8, vaddq_s32(c[r], e[2])), vst1q_s32(row + 12, vaddq_s32(d[r], e[3]));
    }
}

static void multiply_bytes(const tile *t, int rows, int both) {
    (void)rows;
    multiply_bytes_half(t, 0);
    if (both) multiply_bytes_half(t, 16);
}
#else
#include "bytes.h"
#endif

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
