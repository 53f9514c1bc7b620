/* The kernels in registers of 256 bits, of which UNIT says how products are added. */
static inline void copy_codes(int16_t *to, const int16_t *from, int64_t n) {
    for (; n >= 16; n -= 16, to += 16, from += 16)
        _mm256_storeu_si256((__m256i *)to, _mm256_loadu_si256((const __m256i *)from));
    for (; n > 0; n--) *to++ = *from++;
}

static inline void fill_zero(int16_t *to, int64_t n) { memset(to, 0, (size_t)n * sizeof *to); }

static inline void flip_signs(int16_t *codes, int64_t n) {
    for (int64_t i = 0; i < n; i++) codes[i] ^= INT16_MIN;
}

static inline __m256i word_at(const char *codes) {
    int32_t word;
    memcpy(&word, codes, sizeof word);
    return _mm256_set1_epi32(word);
}

static inline int tile_rows(int64_t left, int both) {
    (void)left, (void)both;
    return 6;
}

/* A loop that isn't unrolled would leave the sums in memory. */
#define EACH_ROW _Pragma("GCC unroll 6") for (int r = 0; r < 6; r++)

/* 16 channels of six sums: twelve registers of sums, two of weights, two for what is between. */
static inline __attribute__((always_inline)) void multiply_half(const tile *t, int64_t channel, const int bytes) {
    (void)bytes;
    __m256i low[6], high[6];
    const int64_t stride = t->stride, units = t->units, width = t->width;
    const char *weights = t->weights + 4 * channel, *run = t->codes;
    int32_t *sums = t->sums + channel;
    EACH_ROW {
        low[r] = t->add ? _mm256_loadu_si256((__m256i *)(sums + r * width)) : _mm256_setzero_si256();
        high[r] = t->add ? _mm256_loadu_si256((__m256i *)(sums + r * width + 8)) : _mm256_setzero_si256();
    }
    for (int64_t i = 0; i < t->runs; i++, run += t->run_step) {
        const char *at[2] = {run, run + 3 * stride};
        for (int64_t k = 0; k < units; k++, weights += WEIGHT_BYTES, at[0] += 4, at[1] += 4) {
            const __m256i first = _mm256_loadu_si256((const __m256i *)weights);
            const __m256i second = _mm256_loadu_si256((const __m256i *)(weights + 32));
            EACH_ROW {
                const __m256i word = word_at(at[r / 3] + r % 3 * stride);
#if MULTIPLIES_BYTES
                if (bytes) {
                    ADD_FOURS(low[r], first, word);
                    ADD_FOURS(high[r], second, word);
                    continue;
                }
#endif
                ADD_PAIRS(low[r], first, word);
                ADD_PAIRS(high[r], second, word);
            }
        }
    }
    EACH_ROW {
        _mm256_storeu_si256((__m256i *)(sums + r * width), low[r]);
        _mm256_storeu_si256((__m256i *)(sums + r * width + 8), high[r]);
    }
}

static void multiply_pairs(const tile *t, int rows, int both) {
    (void)rows;
    multiply_half(t, 0, 0);
    if (both) multiply_half(t, 16, 0);
}

#if MULTIPLIES_BYTES
static inline void narrow_codes(uint8_t *to, const int16_t *from, int64_t n, int zero) {
    const __m256i added = _mm256_set1_epi16((int16_t)zero);
    for (; n >= 16; n -= 16, to += 16, from += 16) {
        const __m256i codes = _mm256_add_epi16(_mm256_loadu_si256((const __m256i *)from), added);
        const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
        _mm_storeu_si128((__m128i *)to, bytes);
    }
    for (; n > 0; n--) *to++ = (uint8_t)(*from++ + zero);
}

static void multiply_bytes(const tile *t, int rows, int both) {
    (void)rows;
    multiply_half(t, 0, 1);
    if (both) multiply_half(t, 16, 1);
}
#else
#include "bytes.h"
#endif

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
            ADD_PAIRS(low, _mm256_unpacklo_epi16(v, w), _mm256_unpacklo_epi16(a, b));
            ADD_PAIRS(high, _mm256_unpackhi_epi16(v, w), _mm256_unpackhi_epi16(a, b));
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
