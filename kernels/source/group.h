/* A fused group: one source (a sum of products, a window's maximum, or codes as they are), then stages that work on a
 * block of its results while it stays in the cache, then the store. Everything is channels last.
 *
 * The caller proves that no number leaves what is named here: partial sums of products int32, numbers between stages
 * int32 ("narrow") or the integers that a double holds ("wide"). Nothing in here checks it.
 */
#ifndef BITTRUE_GROUP_H
#define BITTRUE_GROUP_H

#include <stdint.h>

#define BITTRUE_ABI 2

enum storage { INT16, UINT16, INT32, FLOAT32, FLOAT64 };

enum source { PRODUCTS, DEPTHWISE, CODES, LARGEST, LEAST };

enum stage_kind {
    AFFINE,   /* v·first[c] + second[c] */
    BRANCHES, /* the same, from v < low on with third[c] and fourth[c] */
    CLIP,     /* between low and high */
    ADD,      /* v·2^shift + the operand's code·2^operand_shift */
    REAL,     /* the real number v·first[c] + second[c], both double, rounded: the caller has proven which way */
    QUANTIZE  /* v·2^(−shift) rounded, its overflows counted and handled */
};

/* In the order of bittrue.fixed.Rounding and of bittrue.fixed.Overflow. */
enum rounding { NEAREST_EVEN, NEAREST_UP, NEAREST_DOWN, NEAREST_AWAY, NEAREST_TO_ZERO, FLOOR, TRUNCATE };
enum overflow { SATURATE, SATURATE_ZERO, SATURATE_SYMMETRIC, WRAP, UNBOUNDED };

typedef struct {
    int32_t kind, rounding, overflow, word_length, is_signed, operand, storage, unused;
    int64_t shift, operand_shift, low, high;
    /* Constants, `period` of them: int32 in a narrow group, double in a wide one and for REAL. */
    const void *first, *second, *third, *fourth;
} stage;

/* What a QUANTIZE stage has seen: how many codes lay outside, the least and the largest before the overflow mode. */
typedef struct {
    int64_t outside, least, most;
} seen;

typedef struct {
    int32_t source, wide, stages, in, out, digits;
    /* Whether products are of bytes, each code x then being the byte x + zero, by weights of 8 bits; and whether they
     * are read from the image, with its padding around it, instead of from gathered rows. */
    int32_t bytes, direct;
    int64_t zero;
    /* An image's geometry: rows, columns and channels in and out; a dense layer has one row and one column. */
    int64_t height, width, channels, out_height, out_width, out_channels;
    int64_t window[2], strides[2], dilation[2], padding[2];
    /* How many products are added in int32 before they go to a wide block; of whole units, or all of them. */
    int64_t chunk;
    /* Weights, one array for each digit: [out_channels / 32][runs][run / unit][32][unit], a unit being two products, or
     * four bytes; a run is a row of a window where they are read from the image, else all products, and is rounded up
     * to units, as output channels are to 32, with zeros. Depthwise: [taps][out_channels]. `places`: 2^place of each
     * digit. */
    const void *weights[4];
    double places[4];
    /* Constants repeat after so many numbers: a multiple of the output channels, and of the block's row. */
    int64_t period;
    const stage *stage;
} group;

typedef struct {
    const char *name;
    int (*available)(void);
    /* Whether it has an instruction for them; it computes them anyway. */
    int multiplies_bytes;
    void (*run)(const group *, const void *x, const void *const *operands, void *out, int64_t first, int64_t last,
                void *scratch, seen *);
    /* See bittrue_codes. */
    void (*codes)(const float *x, int64_t n, float scale, int16_t *to, int32_t *ends);
} unit;

/* x·scale rounded to nearest, ties to even, as words of 16 bits. In `ends`: the bits of the largest |x|, by which the
 * caller sees NaN and infinity, and the least and the largest code, all right where |x·scale| stays below 2^22. scale: a
 * power of two. */
void bittrue_codes(int unit, const float *x, int64_t n, float scale, int16_t *to, int32_t *ends);

/* Calls a function with its data on so many threads, and returns when all have: OpenMP's GOMP_parallel. */
typedef void (*parallel)(void (*)(void *), void *data, unsigned threads, unsigned flags);

/* Bytes of scratch memory that a call of a group needs, aligned to 64. */
int64_t bittrue_scratch(const group *);

/* Rows `first` to `last` of a group; what its stages see is added to `seen`, one for each stage. */
void bittrue_run(int unit, const group *, const void *x, const void *const *operands, void *out, int64_t first, int64_t last,
                 void *scratch, seen *);

/* All rows, `part` at a time, on up to `threads` threads, each with scratch memory and with what its stages see of its
 * own. Fewer may come. */
void bittrue_run_shared(int unit, const group *, const void *x, const void *const *operands, void *out, int64_t rows,
                        int64_t part, void *scratch, int64_t scratch_bytes, seen *, int threads, parallel);

#endif
