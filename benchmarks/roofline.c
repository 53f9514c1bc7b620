/* What a processor with AVX-512 VNNI gives: products a second of bytes and of words of 16 bits, and bytes read a second,
 * each on one thread. Prints the three numbers, in thousands of millions. */
#define _POSIX_C_SOURCE 199309L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Sixteen independent sums, so that none waits for the one before. */
#define ONE(instruction, sum) instruction " %%zmm30, %%zmm31, %%zmm" #sum "\n"
#define SIXTEEN(i)                                                                                              \
    ONE(i, 0) ONE(i, 1) ONE(i, 2) ONE(i, 3) ONE(i, 4) ONE(i, 5) ONE(i, 6) ONE(i, 7) ONE(i, 8) ONE(i, 9)         \
    ONE(i, 10) ONE(i, 11) ONE(i, 12) ONE(i, 13) ONE(i, 14) ONE(i, 15)
#define TOUCHED "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", \
                "zmm12", "zmm13", "zmm14", "zmm15"
#define PER_SECOND(name, instruction, products)                                      \
    static double name(void) {                                                       \
        const int64_t turns = 20 * 1000 * 1000;                                      \
        const double begun = now();                                                  \
        for (int64_t i = 0; i < turns; i++) __asm__ volatile(SIXTEEN(instruction) ::: TOUCHED); \
        return (double)turns * 16 * (products) / (now() - begun) * 1e-9;             \
    }
PER_SECOND(bytes, "vpdpbusd", 64)
PER_SECOND(words, "vpdpwssd", 32)

static double read_bytes(void) {
    const size_t size = (size_t)512 << 20, count = size / sizeof(int64_t);
    int64_t *memory = malloc(size), sum = 0;
    if (!memory) return 0;
    memset(memory, 1, size);
    double best = 0;
    for (int turn = 0; turn < 5; turn++) {
        const double begun = now();
        for (size_t i = 0; i < count; i++) sum += memory[i];
        const double found = (double)size / (now() - begun) * 1e-9;
        best = found > best ? found : best;
    }
    free(memory);
    return sum ? best : 0;
}

int main(void) {
    printf("%.1f %.1f %.1f\n", bytes(), words(), read_bytes());
    return 0;
}
