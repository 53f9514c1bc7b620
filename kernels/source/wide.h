/* Stages in float64: no number reaches 2^52 at the binary point that it has, so that each sum and product is exact. */
#define ROUND_EACH(expression)                     \
    for (int64_t i = 0; i < n; i++) {              \
        const double x = v[i] * unit;              \
        v[i] = (expression);                       \
    }

/* x·2^(−shift) rounded; one half more or less is exact too, since fewer than 52 bits stand before it. */
static void wide_round(double *v, int64_t shift, int rounding, int64_t n) {
    const double unit = ldexp(1.0, (int)-shift);
    if (shift == 0) return;
    switch (rounding) {
        case NEAREST_EVEN:
            if (shift > 0)
                ROUND_EACH(TO_NEAREST(x))
            else
                ROUND_EACH(x)
            break;
        case NEAREST_UP: ROUND_EACH(floor(x + 0.5)); break;
        case NEAREST_DOWN: ROUND_EACH(ceil(x - 0.5)); break;
        case NEAREST_AWAY: ROUND_EACH(copysign(floor(fabs(x) + 0.5), x)); break;
        case NEAREST_TO_ZERO: ROUND_EACH(copysign(ceil(fabs(x) - 0.5), x)); break;
        case FLOOR: ROUND_EACH(floor(x)); break;
        default: ROUND_EACH(trunc(x));
    }
}

static void wide_wrap(double *v, int word_length, int is_signed, int64_t n) {
    const int64_t mask = ((int64_t)1 << word_length) - 1, sign = is_signed ? (int64_t)1 << (word_length - 1) : 0;
    for (int64_t i = 0; i < n; i++) v[i] = (double)((((int64_t)v[i] & mask) ^ sign) - sign);
}

#undef ROUND_EACH
#define NUMBER double
#define PREFIX wide_
#define POWER(shift) ldexp(1.0, (int)(shift))
#define NEAREST_REAL rint
#include "stages.h"
