/* AVX-VNNI: AVX2's registers, and products added to int32 in one instruction. */
#include <cpuid.h>
#include <immintrin.h>

#define UNIT avxvnni
#define UNIT_LABEL "avxvnni"

static int unit_available(void) {
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

#define MULTIPLIES_BYTES 1
#define ADD_PAIRS(sums, weights, codes) __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sums) : "x"(weights), "x"(codes))
#define ADD_FOURS(sums, weights, codes) __asm__("%{vex%} vpdpbusd %1, %2, %0" : "+x"(sums) : "x"(weights), "x"(codes))

#include "ymm.h"
