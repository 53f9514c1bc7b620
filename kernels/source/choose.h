/* The larger or the smaller of what a window has shown so far and one more position, channel by channel. */
static inline void choose(const int16_t *codes, int32_t *found, int64_t n, int any, int largest) {
    if (!any)
        for (int64_t i = 0; i < n; i++) found[i] = codes[i];
    else if (largest)
        for (int64_t i = 0; i < n; i++) found[i] = codes[i] > found[i] ? codes[i] : found[i];
    else
        for (int64_t i = 0; i < n; i++) found[i] = codes[i] < found[i] ? codes[i] : found[i];
}

static inline void choose_unsigned(const uint16_t *codes, int32_t *found, int64_t n, int any, int largest) {
    if (!any)
        for (int64_t i = 0; i < n; i++) found[i] = codes[i];
    else if (largest)
        for (int64_t i = 0; i < n; i++) found[i] = codes[i] > found[i] ? codes[i] : found[i];
    else
        for (int64_t i = 0; i < n; i++) found[i] = codes[i] < found[i] ? codes[i] : found[i];
}
