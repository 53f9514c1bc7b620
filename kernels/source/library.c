/* What the library offers: its version, and the units that this processor has, the fastest first. */
#include "block.h"

#define EXPORTED __attribute__((visibility("default")))

#if defined(__x86_64__)
extern const unit bittrue_unit_avx512, bittrue_unit_avx2;
#endif
extern const unit bittrue_unit_portable;

static const unit *const units[] = {
#if defined(__x86_64__)
    &bittrue_unit_avx512,
    &bittrue_unit_avx2,
#endif
    &bittrue_unit_portable,
};

EXPORTED int bittrue_abi(void) { return BITTRUE_ABI; }

EXPORTED int64_t bittrue_group_size(void) { return sizeof(group); }

EXPORTED int64_t bittrue_stage_size(void) { return sizeof(stage); }

EXPORTED int bittrue_units(void) { return (int)(sizeof units / sizeof *units); }

EXPORTED const char *bittrue_unit_name(int index) { return units[index]->name; }

EXPORTED int bittrue_unit_available(int index) { return units[index]->available(); }

EXPORTED int64_t bittrue_scratch(const group *g) {
    return BLOCK_ROWS * block_width(g) * (int64_t)(sizeof(int32_t) + (g->wide ? sizeof(double) : 0)) +
           (g->source == PRODUCTS ? BLOCK_ROWS * GATHERED_ROW * (int64_t)sizeof(int16_t) : 0);
}

EXPORTED void bittrue_run(int index, const group *g, const void *x, const void *const *operands, void *out, int64_t first,
                 int64_t last, void *scratch, seen *seen_by_stage) {
    units[index]->run(g, x, operands, out, first, last, scratch, seen_by_stage);
}
