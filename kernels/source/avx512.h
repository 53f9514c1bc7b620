/* AVX-512 with VNNI: pairs of products added to int32 in one instruction, sixteen sums at a time. */
#include <immintrin.h>

#define UNIT avx512
#define UNIT_LABEL "avx512"

static int unit_available(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

#define MULTIPLIES_BYTES 1

/* The instructions themselves: from the intrinsics, gcc 12 makes a copy of each sum for each product. */
#define ADD_PAIRS(sums, weights, codes) __asm__("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(weights), "v"(codes))
#define ADD_FOURS(sums, weights, codes) __asm__("vpdpbusd %1, %2, %0" : "+v"(sums) : "v"(weights), "v"(codes))

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

static inline void narrow_codes(uint8_t *to, const int16_t *from, int64_t n, int zero) {
    const __m512i added = _mm512_set1_epi16((int16_t)zero);
    for (; n >= 32; n -= 32, to += 32, from += 32)
        _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi16_epi8(_mm512_add_epi16(_mm512_loadu_si512(from), added)));
    if (n > 0) {
        const __mmask32 some = ((__mmask32)1 << n) - 1;
        const __m512i codes = _mm512_add_epi16(_mm512_maskz_loadu_epi16(some, from), added);
        _mm256_mask_storeu_epi8(to, some, _mm512_cvtepi16_epi8(codes));
    }
}

static inline __m512i word_at(const char *codes) {
    int32_t word;
    memcpy(&word, codes, sizeof word);
    return _mm512_set1_epi32(word);
}

/* The sums of ROWS rows of 16 channels, or of 32 where `both`. A loop that isn't unrolled would leave the sums in
 * memory; three rows share a pointer, since there are registers for no more. */
#define EACH_ROW(rows) _Pragma("GCC unroll 16") for (int r = 0; r < (rows); r++)
#define MULTIPLY(ROWS)                                                                                     \
    static inline __attribute__((always_inline)) void multiply_##ROWS(const tile *t, const int both, const int bytes) { \
        __m512i low[ROWS], high[ROWS];                                                                     \
        const int64_t stride = t->stride, units = t->units;                                                \
        const char *weights = t->weights, *run = t->codes;                                                 \
        EACH_ROW(ROWS) {                                                                                   \
            const int32_t *sums = t->sums + r * t->width;                                                  \
            low[r] = t->add ? _mm512_loadu_si512(sums) : _mm512_setzero_si512();                           \
            if (both) high[r] = t->add ? _mm512_loadu_si512(sums + 16) : _mm512_setzero_si512();           \
        }                                                                                                  \
        for (int64_t i = 0; i < t->runs; i++, run += t->run_step) {                                        \
            const char *at[(ROWS + 2) / 3];                                                                \
            EACH_ROW((ROWS + 2) / 3) at[r] = run + 3 * r * stride;                                         \
            for (int64_t k = 0; k < units; k++, weights += WEIGHT_BYTES) {                                 \
                const __m512i first = _mm512_loadu_si512(weights);                                         \
                const __m512i second = both ? _mm512_loadu_si512(weights + 64) : first;                    \
                EACH_ROW(ROWS) {                                                                           \
                    const __m512i word = word_at(at[r / 3] + r % 3 * stride);                              \
                    if (bytes) {                                                                           \
                        ADD_FOURS(low[r], first, word);                                                    \
                        if (both) ADD_FOURS(high[r], second, word);                                        \
                    } else {                                                                               \
                        ADD_PAIRS(low[r], first, word);                                                    \
                        if (both) ADD_PAIRS(high[r], second, word);                                        \
                    }                                                                                      \
                }                                                                                          \
                EACH_ROW((ROWS + 2) / 3) at[r] += 4;                                                       \
            }                                                                                              \
        }                                                                                                  \
        EACH_ROW(ROWS) {                                                                                   \
            _mm512_storeu_si512(t->sums + r * t->width, low[r]);                                           \
            if (both) _mm512_storeu_si512(t->sums + r * t->width + 16, high[r]);                           \
        }                                                                                                  \
    }

MULTIPLY(8)
MULTIPLY(12)
MULTIPLY(16)

/* How many of the rows that are left a tile takes: as few as leave no more than a row or two without use. */
static inline int tile_rows(int64_t left, int both) {
    if (left <= 8 || (both && left > 12 && left <= 16)) return 8;
    return both || left <= 12 ? 12 : 16;
}

static __attribute__((noinline)) void multiply_pairs(const tile *t, int rows, int both) {
    if (both)
        rows == 8 ? multiply_8(t, 1, 0) : multiply_12(t, 1, 0);
    else
        rows == 8 ? multiply_8(t, 0, 0) : rows == 12 ? multiply_12(t, 0, 0) : multiply_16(t, 0, 0);
}

static __attribute__((noinline)) void multiply_bytes(const tile *t, int rows, int both) {
    if (both)
        rows == 8 ? multiply_8(t, 1, 1) : multiply_12(t, 1, 1);
    else
        rows == 8 ? multiply_8(t, 0, 1) : rows == 12 ? multiply_12(t, 0, 1) : multiply_16(t, 0, 1);
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
        ADD_PAIRS(low, _mm512_unpacklo_epi16(v, w), _mm512_unpacklo_epi16(a, b));
        ADD_PAIRS(high, _mm512_unpackhi_epi16(v, w), _mm512_unpackhi_epi16(a, b));
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
