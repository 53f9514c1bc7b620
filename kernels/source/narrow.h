/* Stages in int32: no number that the caller lets in, and none that comes of it, reaches 2^30. */
#define ROUND_EACH(expression)                     \
    for (int64_t i = 0; i < n; i++) {              \
        const int32_t x = v[i];                    \
        v[i] = (expression) >> shift;              \
    }

/* x·2^(−shift), for −30 ≤ shift ≤ 30. An arithmetic shift to the right is a floor: what is added makes it another
 * rounding. */
static void narrow_round(int32_t *v, int64_t by, int rounding, int64_t n) {
    const int shift = (int)by;
    if (shift == 0) return;
    if (shift < 0) {
        const int32_t factor = (int32_t)1 << -shift;
        for (int64_t i = 0; i < n; i++) v[i] *= factor;
        return;
    }
    const int32_t half = (int32_t)1 << (shift - 1), all = (int32_t)(((int64_t)1 << shift) - 1);
    switch (rounding) {
        case NEAREST_EVEN: ROUND_EACH(x + half - 1 + ((x >> shift) & 1)); break;
        case NEAREST_UP: ROUND_EACH(x + half); break;
        case NEAREST_DOWN: ROUND_EACH(x + half - 1); break;
        case NEAREST_AWAY: ROUND_EACH(x + half - (x < 0)); break;
        case NEAREST_TO_ZERO: ROUND_EACH(x + half - 1 + (x < 0)); break;
        case FLOOR: ROUND_EACH(x); break;
        default: ROUND_EACH(x + (x < 0 ? all : 0));
    }
}

/* The low bits of a code, for words of at most 30 bits: in a longer one nothing of ours overflows. */
static void narrow_wrap(int32_t *v, int word_length, int is_signed, int64_t n) {
    const int32_t mask = ((int32_t)1 << word_length) - 1, sign = is_signed ? (int32_t)1 << (word_length - 1) : 0;
    for (int64_t i = 0; i < n; i++) v[i] = ((v[i] & mask) ^ sign) - sign;
}

#undef ROUND_EACH
#define NUMBER int32_t
#define PREFIX narrow_
#define POWER(shift) ((int32_t)1 << (shift))
#define NEAREST_REAL TO_NEAREST
#include "stages.h"
