/* Products of bytes in plain C, for units that have no instruction for them. */
static inline void narrow_codes(uint8_t *to, const int16_t *from, int64_t n, int zero) {
    for (int64_t i = 0; i < n; i++) to[i] = (uint8_t)(from[i] + zero);
}

static void multiply_bytes(const tile *t, int rows, int both) {
    const int columns = both ? 32 : 16;
    for (int r = 0; r < rows; r++) {
        int32_t row[32] = {0}, *sums = t->sums + r * t->width;
        const int8_t *weights = (const int8_t *)t->weights;
        if (t->add)
            for (int c = 0; c < columns; c++) row[c] = sums[c];
        for (int64_t i = 0; i < t->runs; i++) {
            const uint8_t *at = (const uint8_t *)t->codes + i * t->run_step + r * t->stride;
            for (int64_t k = 0; k < t->units; k++, at += 4, weights += WEIGHT_BYTES)
                for (int c = 0; c < columns; c++)
                    for (int j = 0; j < 4; j++) row[c] += at[j] * weights[4 * c + j];
        }
        for (int c = 0; c < columns; c++) sums[c] = row[c];
    }
}
