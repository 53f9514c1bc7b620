/* The stages on a block of NUMBER, narrow or wide: included by narrow.h and wide.h, which say how one is rounded.
 *
 * The block's rows are `width` apart. Where that is the number of channels, the rows are one run and the constants
 * repeat after `period` numbers; else each row is a run of its own.
 */
#define STAGE(name) NAMED(PREFIX, name)

static void STAGE(affine)(NUMBER *v, const NUMBER *scale, const NUMBER *offset, int64_t n) {
    if (!scale)
        for (int64_t i = 0; i < n; i++) v[i] = v[i] + offset[i];
    else
        for (int64_t i = 0; i < n; i++) v[i] = v[i] * scale[i] + offset[i];
}

static void STAGE(branches)(NUMBER *v, const stage *s, int64_t n) {
    const NUMBER *scale = s->first, *offset = s->second, *below = s->third, *offset_below = s->fourth;
    const NUMBER threshold = (NUMBER)s->low;
    for (int64_t i = 0; i < n; i++)
        v[i] = v[i] >= threshold ? v[i] * scale[i] + offset[i] : v[i] * below[i] + offset_below[i];
}

#define ROUND_REAL(function) \
    for (int64_t i = 0; i < n; i++) v[i] = (NUMBER)function(v[i] * scale[i] + offset[i])

/* No tie, and nothing near one, is among these numbers: the nearest is the same for all ways to round ties. */
static void STAGE(real)(NUMBER *v, const stage *s, int64_t n) {
    const double *scale = s->first, *offset = s->second;
    if (s->rounding == FLOOR)
        ROUND_REAL(floor);
    else if (s->rounding == TRUNCATE)
        ROUND_REAL(trunc);
    else
        ROUND_REAL(NEAREST_REAL);
}

static void STAGE(clip)(NUMBER *v, NUMBER low, NUMBER high, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const NUMBER raised = v[i] < low ? low : v[i];
        v[i] = raised > high ? high : raised;
    }
}

#define ADD_FROM(type)                                                                        \
    for (int64_t i = 0; i < n; i++) v[i] = v[i] * here + (NUMBER)((const type *)operand)[at + i] * there

static void STAGE(add)(NUMBER *v, const stage *s, const void *operand, int64_t at, int64_t n) {
    const NUMBER here = POWER(s->shift), there = POWER(s->operand_shift);
    switch (s->storage) {
        case INT16: ADD_FROM(int16_t); break;
        case UINT16: ADD_FROM(uint16_t); break;
        case INT32: ADD_FROM(int32_t); break;
        case FLOAT32: ADD_FROM(float); break;
        default: ADD_FROM(double);
    }
}

static void STAGE(limit)(NUMBER *v, const stage *s, int64_t n, seen *found) {
    const NUMBER low = (NUMBER)s->low, high = (NUMBER)s->high;
    int64_t outside = 0;
    for (int64_t i = 0; i < n; i++) outside += (v[i] < low) | (v[i] > high);
    found->outside += outside;
    if (s->overflow == SATURATE || s->overflow == SATURATE_SYMMETRIC)
        STAGE(clip)(v, low, high, n);
    else if (s->overflow == SATURATE_ZERO)
        for (int64_t i = 0; i < n; i++) v[i] = v[i] < low || v[i] > high ? 0 : v[i];
    else if (s->overflow == WRAP)
        STAGE(wrap)(v, s->word_length, s->is_signed, n);
}

static void STAGE(quantize)(NUMBER *v, const stage *s, int64_t n, seen *found) {
    NUMBER least, most;
    STAGE(round)(v, s->shift, s->rounding, n);
    least = most = v[0];
    for (int64_t i = 0; i < n; i++) {
        least = v[i] < least ? v[i] : least;
        most = v[i] > most ? v[i] : most;
    }
    if ((int64_t)least < found->least) found->least = (int64_t)least;
    if ((int64_t)most > found->most) found->most = (int64_t)most;
    if (least < (NUMBER)s->low || most > (NUMBER)s->high) STAGE(limit)(v, s, n, found);
}

/* float32 too is for codes that int32 holds. */
#define STORE_TO(type) \
    for (int64_t i = 0; i < n; i++) ((type *)out)[at + i] = (type)(int32_t)v[i]

static void STAGE(store)(const NUMBER *v, void *out, int storage, int64_t at, int64_t n) {
    switch (storage) {
        case INT16: STORE_TO(int16_t); break;
        case UINT16: STORE_TO(uint16_t); break;
        case INT32: STORE_TO(int32_t); break;
        case FLOAT32: STORE_TO(float); break;
        default: for (int64_t i = 0; i < n; i++) ((double *)out)[at + i] = (double)v[i];
    }
}

static void STAGE(apply)(const group *g, NUMBER *v, const void *const *operands, void *out, int64_t at, int64_t n,
                         seen *seen_by_stage) {
    for (int i = 0; i < g->stages; i++) {
        const stage *s = &g->stage[i];
        switch (s->kind) {
            case AFFINE: STAGE(affine)(v, s->first, s->second, n); break;
            case BRANCHES: STAGE(branches)(v, s, n); break;
            case CLIP: STAGE(clip)(v, (NUMBER)s->low, (NUMBER)s->high, n); break;
            case REAL: STAGE(real)(v, s, n); break;
            case ADD: STAGE(add)(v, s, operands[s->operand], at, n); break;
            default: STAGE(quantize)(v, s, n, &seen_by_stage[i]);
        }
    }
    STAGE(store)(v, out, g->out, at, n);
}

static void STAGE(stages)(const group *g, NUMBER *block, const void *const *operands, void *out, int64_t first,
                          int64_t rows, int64_t width, seen *seen_by_stage) {
    const int64_t channels = g->out_channels;
    if (width != channels) {
        for (int64_t i = 0; i < rows; i++)
            STAGE(apply)(g, block + i * width, operands, out, (first + i) * channels, channels, seen_by_stage);
        return;
    }
    for (int64_t start = 0; start < rows * channels; start += g->period)
        STAGE(apply)
        (g, block + start, operands, out, first * channels + start, least_of(g->period, rows * channels - start),
         seen_by_stage);
}

#define LOAD_FROM(type)                                 \
    for (int64_t i = 0; i < rows; i++)                  \
        for (int64_t c = 0; c < channels; c++)          \
    block[i * width + c] = (NUMBER)((const type *)x)[(first + i) * channels + c]

static void STAGE(load)(NUMBER *block, const void *x, int storage, int64_t first, int64_t rows, int64_t channels,
                        int64_t width) {
    switch (storage) {
        case INT16: LOAD_FROM(int16_t); break;
        case UINT16: LOAD_FROM(uint16_t); break;
        case INT32: LOAD_FROM(int32_t); break;
        case FLOAT32: LOAD_FROM(float); break;
        default: LOAD_FROM(double);
    }
}

#undef STAGE
#undef ADD_FROM
#undef ROUND_REAL
#undef STORE_TO
#undef LOAD_FROM
#undef NUMBER
#undef PREFIX
#undef POWER
#undef NEAREST_REAL
