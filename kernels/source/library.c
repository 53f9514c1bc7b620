/* What the library offers: its version, and the units that this processor has, the fastest first. */
#include "block.h"

#define EXPORTED __attribute__((visibility("default")))

#if defined(__x86_64__)
extern const unit bittrue_unit_avx512, bittrue_unit_avxvnni, bittrue_unit_avx2;
#elif defined(__aarch64__)
extern const unit bittrue_unit_neondot, bittrue_unit_neon;
#endif
extern const unit bittrue_unit_portable;

static const unit *const units[] = {
#if defined(__x86_64__)
    &bittrue_unit_avx512,
    &bittrue_unit_avxvnni,
    &bittrue_unit_avx2,
#elif defined(__aarch64__)
    &bittrue_unit_neondot,
    &bittrue_unit_neon,
#endif
    &bittrue_unit_portable,
};

EXPORTED int bittrue_abi(void) { return BITTRUE_ABI; }

EXPORTED int64_t bittrue_group_size(void) { return sizeof(group); }

EXPORTED int64_t bittrue_stage_size(void) { return sizeof(stage); }

EXPORTED int bittrue_units(void) { return (int)(sizeof units / sizeof *units); }

EXPORTED const char *bittrue_unit_name(int index) { return units[index]->name; }

EXPORTED int bittrue_unit_available(int index) { return units[index]->available(); }

EXPORTED int bittrue_unit_multiplies_bytes(int index) { return units[index]->multiplies_bytes; }

EXPORTED void bittrue_codes(int index, const float *x, int64_t n, float scale, int16_t *to, int32_t *ends) {
    units[index]->codes(x, n, scale, to, ends);
}

EXPORTED int64_t bittrue_scratch(const group *g) {
    const int64_t gathered = g->direct ? padded_bytes(g) : ROWS * GATHERED_ROW * (int64_t)sizeof(int16_t);
    return ROWS * block_width(g) * (int64_t)(sizeof(int32_t) + (g->wide ? sizeof(double) : 0)) +
           (g->source == PRODUCTS ? gathered : 0);
}

EXPORTED void bittrue_run(int index, const group *g, const void *x, const void *const *operands, void *out, int64_t first,
                          int64_t last, void *scratch, seen *seen_by_stage) {
    units[index]->run(g, x, operands, out, first, last, scratch, seen_by_stage);
}

/* A group's rows, taken part by part by whichever threads come. */
typedef struct {
    const unit *unit;
    const group *group;
    const void *x, *const *operands;
    void *out;
    char *scratch;
    seen *seen_by_stage;
    int64_t rows, part, next, scratch_bytes;
    int threads, started;
} shared;

static void take_parts(void *data) {
    shared *s = data;
    const int own = __atomic_fetch_add(&s->started, 1, __ATOMIC_RELAXED);
    if (own >= s->threads) return;
    for (;;) {
        const int64_t first = __atomic_fetch_add(&s->next, s->part, __ATOMIC_RELAXED);
        if (first >= s->rows) return;
        const int64_t last = first + s->part < s->rows ? first + s->part : s->rows;
        s->unit->run(s->group, s->x, s->operands, s->out, first, last, s->scratch + own * s->scratch_bytes,
                     s->seen_by_stage + own * s->group->stages);
    }
}

EXPORTED void bittrue_run_shared(int index, const group *g, const void *x, const void *const *operands, void *out,
                                 int64_t rows, int64_t part, void *scratch, int64_t scratch_bytes, seen *seen_by_stage,
                                 int threads, parallel run_in_parallel) {
    shared s = {units[index], g, x, operands, out, scratch, seen_by_stage, rows, part, 0, scratch_bytes, threads, 0};
    run_in_parallel(take_parts, &s, (unsigned)threads, 0);
}
