/* AVX-512 with VNNI: pairs of products added to int32 in one instruction, sixteen sums at a time. */
#include <immintrin.h>

#define UNIT avx512
#define UNIT_LABEL "avx512"

static int unit_available(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

enum { TILE_ROWS = 12 };

/* The instruction itself: from the intrinsic, gcc 12 makes a copy of each sum for each product. */
#define ADD_PRODUCTS(sums, weights, codes) __asm__("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(weights), "v"(codes))

static inline void copy_codes(int16_t *to, const int16_t *from, int64_t n) {
    for (; n >= 32; n -= 32, to += 32, from += 32) _mm512_storeu_si512(to, _mm512_loadu_si512(from));
    if (n > 0) {
        const __mmask32 some = ((__mmask32)1 << n) - 1;
        _mm512_mask_storeu_epi16(to, some, _mm512_maskz_loadu_epi16(some, from));
    }
}

static inline void fill_zero(int16_t *to, int64_t n) {
    for (; n >= 32; n -= 32, to += 32) _mm512_storeu_si512(to, _mm512_setzero_si512());
    if (n > 0) _mm512_mask_storeu_epi16(to, ((__mmask32)1 << n) - 1, _mm512_setzero_si512());
}

static inline void flip_signs(int16_t *codes, int64_t n) {
    for (int64_t i = 0; i < n; i++) codes[i] ^= INT16_MIN;
}

static inline __m512i pair_at(const int16_t *codes) {
    int32_t pair;
    memcpy(&pair, codes, sizeof pair);
    return _mm512_set1_epi32(pair);
}

/* A loop that isn't unrolled would leave the sums in memory. */
#define EACH_ROW _Pragma("GCC unroll 12") for (int r = 0; r < TILE_ROWS; r++)

static inline void multiply_32(const int16_t *codes, const int16_t *weights, int64_t pairs, int32_t *sums, int64_t width,
                               int add) {
    __m512i low[TILE_ROWS], high[TILE_ROWS];
    EACH_ROW {
        low[r] = add ? _mm512_loadu_si512(sums + r * width) : _mm512_setzero_si512();
        high[r] = add ? _mm512_loadu_si512(sums + r * width + 16) : _mm512_setzero_si512();
    }
    for (int64_t k = 0; k < pairs; k++) {
        const __m512i first = _mm512_loadu_si512(weights + k * 64), second = _mm512_loadu_si512(weights + k * 64 + 32);
        EACH_ROW {
            const __m512i pair = pair_at(codes + r * GATHERED_ROW + 2 * k);
            ADD_PRODUCTS(low[r], first, pair);
            ADD_PRODUCTS(high[r], second, pair);
        }
    }
    EACH_ROW {
        _mm512_storeu_si512(sums + r * width, low[r]);
        _mm512_storeu_si512(sums + r * width + 16, high[r]);
    }
}

static inline void multiply_16(const int16_t *codes, const int16_t *weights, int64_t pairs, int32_t *sums, int64_t width,
                               int add) {
    __m512i low[TILE_ROWS];
    EACH_ROW low[r] = add ? _mm512_loadu_si512(sums + r * width) : _mm512_setzero_si512();
    for (int64_t k = 0; k < pairs; k++) {
        const __m512i first = _mm512_loadu_si512(weights + k * 64);
        EACH_ROW {
            const __m512i pair = pair_at(codes + r * GATHERED_ROW + 2 * k);
            ADD_PRODUCTS(low[r], first, pair);
        }
    }
    EACH_ROW _mm512_storeu_si512(sums + r * width, low[r]);
}

/* TILE_ROWS sums of 16 or of 32 channels: codes by rows, weights [pair][32][2]. */
static void multiply_tile(const int16_t *codes, const int16_t *weights, int64_t pairs, int32_t *sums, int64_t width,
                          int add, int both) {
    if (both)
        multiply_32(codes, weights, pairs, sums, width, add);
    else
        multiply_16(codes, weights, pairs, sums, width, add);
}

/* 32 channels at a time, two taps in each product: interleaved by lanes of 128 bits, and put in order at the end. */
static inline void channels_32(const int16_t *const *at, const int16_t *const *weights, int taps, int64_t c, __mmask32 some,
                               int32_t *sums) {
    __m512i low = _mm512_setzero_si512(), high = _mm512_setzero_si512();
    const __m512i none = _mm512_setzero_si512();
    for (int t = 0; t < taps; t += 2) {
        const int two = t + 1 < taps;
        const __m512i a = _mm512_maskz_loadu_epi16(some, at[t] + c), v = _mm512_maskz_loadu_epi16(some, weights[t] + c);
        const __m512i b = two ? _mm512_maskz_loadu_epi16(some, at[t + 1] + c) : none;
        const __m512i w = two ? _mm512_maskz_loadu_epi16(some, weights[t + 1] + c) : none;
        ADD_PRODUCTS(low, _mm512_unpacklo_epi16(v, w), _mm512_unpacklo_epi16(a, b));
        ADD_PRODUCTS(high, _mm512_unpackhi_epi16(v, w), _mm512_unpackhi_epi16(a, b));
    }
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    _mm512_mask_storeu_epi32(sums + c, (__mmask16)some, _mm512_permutex2var_epi64(low, first, high));
    _mm512_mask_storeu_epi32(sums + c + 16, (__mmask16)(some >> 16), _mm512_permutex2var_epi64(low, second, high));
}

static void multiply_channels(const int16_t *const *at, const int16_t *const *weights, int taps, int64_t channels, int32_t *sums) {
    int64_t c = 0;
    for (; c + 32 <= channels; c += 32) channels_32(at, weights, taps, c, ~(__mmask32)0, sums);
    if (c < channels) channels_32(at, weights, taps, c, ((__mmask32)1 << (channels - c)) - 1, sums);
}

#include "choose.h"
