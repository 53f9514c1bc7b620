/* AVX2: pairs of products by vpmaddwd, added to int32, eight sums at a time. */
#include <immintrin.h>

#define UNIT avx2
#define UNIT_LABEL "avx2"

static int unit_available(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

enum { TILE_ROWS = 6 };

static inline void copy_codes(int16_t *to, const int16_t *from, int64_t n) {
    for (; n >= 16; n -= 16, to += 16, from += 16)
        _mm256_storeu_si256((__m256i *)to, _mm256_loadu_si256((const __m256i *)from));
    for (; n > 0; n--) *to++ = *from++;
}

static inline void fill_zero(int16_t *to, int64_t n) { memset(to, 0, (size_t)n * sizeof *to); }

static inline void flip_signs(int16_t *codes, int64_t n) {
    for (int64_t i = 0; i < n; i++) codes[i] ^= INT16_MIN;
}

static inline __m256i pair_at(const int16_t *codes) {
    int32_t pair;
    memcpy(&pair, codes, sizeof pair);
    return _mm256_set1_epi32(pair);
}

/* A loop that isn't unrolled would leave the sums in memory. */
#define EACH_ROW _Pragma("GCC unroll 6") for (int r = 0; r < TILE_ROWS; r++)

/* 16 channels of TILE_ROWS sums: twelve registers of sums, two of weights, two for what is between. */
static inline void multiply_half(const int16_t *codes, const int16_t *weights, int64_t pairs, int32_t *sums, int64_t width,
                                 int add) {
    __m256i low[TILE_ROWS], high[TILE_ROWS];
    EACH_ROW {
        low[r] = add ? _mm256_loadu_si256((__m256i *)(sums + r * width)) : _mm256_setzero_si256();
        high[r] = add ? _mm256_loadu_si256((__m256i *)(sums + r * width + 8)) : _mm256_setzero_si256();
    }
    for (int64_t k = 0; k < pairs; k++) {
        const __m256i first = _mm256_loadu_si256((const __m256i *)(weights + k * 64));
        const __m256i second = _mm256_loadu_si256((const __m256i *)(weights + k * 64 + 16));
        EACH_ROW {
            const __m256i pair = pair_at(codes + r * GATHERED_ROW + 2 * k);
            low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(first, pair));
            high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(second, pair));
        }
    }
    EACH_ROW {
        _mm256_storeu_si256((__m256i *)(sums + r * width), low[r]);
        _mm256_storeu_si256((__m256i *)(sums + r * width + 8), high[r]);
    }
}

static void multiply_tile(const int16_t *codes, const int16_t *weights, int64_t pairs, int32_t *sums, int64_t width,
                          int add, int both) {
    multiply_half(codes, weights, pairs, sums, width, add);
    if (both) multiply_half(codes, weights + 32, pairs, sums + 16, width, add);
}

/* Sixteen channels at a time, two taps in each product: interleaved by lanes of 128 bits, and put in order at the end. */
static void multiply_channels(const int16_t *const *at, const int16_t *const *weights, int taps, int64_t channels, int32_t *sums) {
    int64_t c = 0;
    for (; c + 16 <= channels; c += 16) {
        __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();
        for (int t = 0; t < taps; t += 2) {
            const int two = t + 1 < taps;
            const __m256i a = _mm256_loadu_si256((const __m256i *)(at[t] + c));
            const __m256i v = _mm256_loadu_si256((const __m256i *)(weights[t] + c));
            const __m256i b = two ? _mm256_loadu_si256((const __m256i *)(at[t + 1] + c)) : _mm256_setzero_si256();
            const __m256i w = two ? _mm256_loadu_si256((const __m256i *)(weights[t + 1] + c)) : _mm256_setzero_si256();
            low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(v, w), _mm256_unpacklo_epi16(a, b)));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(v, w), _mm256_unpackhi_epi16(a, b)));
        }
        _mm256_storeu_si256((__m256i *)(sums + c), _mm256_permute2x128_si256(low, high, 0x20));
        _mm256_storeu_si256((__m256i *)(sums + c + 8), _mm256_permute2x128_si256(low, high, 0x31));
    }
    for (; c < channels; c++) {
        sums[c] = 0;
        for (int t = 0; t < taps; t++) sums[c] += (int32_t)at[t][c] * weights[t][c];
    }
}

#include "choose.h"
