/* NEON with its dot product: sixteen products of bytes added to int32 in one instruction. */
#if defined(__linux__)
#include <sys/auxv.h>
#endif

#define UNIT neondot
#define UNIT_LABEL "neondot"
#define MULTIPLIES_BYTES 1

static int unit_available(void) {
#if defined(__linux__)
    const unsigned long dot_product = 1UL << 20;
    return (getauxval(AT_HWCAP) & dot_product) != 0;
#else
    return 0;
#endif
}

#include "neon.h"
