/* AVX2: pairs of products by vpmaddwd, added to int32, eight sums at a time. */
#include <immintrin.h>

#define UNIT avx2
#define UNIT_LABEL "avx2"

static int unit_available(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

/* vpmaddubsw, its products of bytes, saturates: they are multiplied in words of 16 bits. */
#define MULTIPLIES_BYTES 0
#define ADD_PAIRS(sums, weights, codes) sums = _mm256_add_epi32(sums, _mm256_madd_epi16(weights, codes))

#include "ymm.h"
