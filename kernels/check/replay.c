/* Runs recorded calls on every unit that the processor has, and compares all that they leave with what was recorded.
 *
 *     replay FILE [UNIT]
 *
 * A call is a sequence of blocks, each its size in bytes as int64 and the bytes: group, stages, weights of 4 digits,
 * constants of each stage (4), codes, the number of operands as int64, operands, result, what the stages have seen.
 * Blocks lie in memory of exactly their size, so that a sanitizer or Valgrind sees each step beyond. Each call is made
 * whole, and in two parts where it has more than one row. Exit code 1 where anything differs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../source/group.h"

int bittrue_units(void);
const char *bittrue_unit_name(int);
int bittrue_unit_available(int);

enum { MOST_OPERANDS = 8, MOST_STAGES = 64, ALIGNMENT = 64 };

static void give_up(const char *why) {
    fprintf(stderr, "replay: %s\n", why);
    exit(2);
}

static void *memory(int64_t size) {
    void *found = malloc((size_t)(size ? size : 1));
    if (!found) give_up("no memory");
    return found;
}

/* The next block, NULL where it is empty; at the end of the file *size is −1. */
static void *block(FILE *file, int64_t *size) {
    if (fread(size, sizeof *size, 1, file) != 1) {
        *size = -1;
        return NULL;
    }
    if (*size == 0) return NULL;
    void *bytes = memory(*size);
    if (fread(bytes, (size_t)*size, 1, file) != 1) give_up("the file ends within a block");
    return bytes;
}

typedef struct {
    group *group;
    stage *stages;
    void *weights[4];
    void *constants[MOST_STAGES][4], *x, *operands[MOST_OPERANDS], *out;
    int64_t operand_count, out_bytes, rows;
    seen *seen;
} call;

static int read_call(FILE *file, call *c) {
    int64_t size;
    memset(c, 0, sizeof *c);
    c->group = block(file, &size);
    if (size < 0) return 0;
    if (size != sizeof(group)) give_up("another version of the structures");
    c->stages = block(file, &size);
    if (size != c->group->stages * (int64_t)sizeof(stage) || c->group->stages > MOST_STAGES) give_up("not these stages");
    for (int i = 0; i < 4; i++) c->group->weights[i] = c->weights[i] = block(file, &size);
    for (int i = 0; i < c->group->stages; i++) {
        stage *s = &c->stages[i];
        for (int k = 0; k < 4; k++) c->constants[i][k] = block(file, &size);
        s->first = c->constants[i][0], s->second = c->constants[i][1];
        s->third = c->constants[i][2], s->fourth = c->constants[i][3];
    }
    c->group->stage = c->stages;
    c->x = block(file, &size);
    int64_t *count = block(file, &size);
    if (!count || *count > MOST_OPERANDS) give_up("too many operands");
    c->operand_count = *count;
    free(count);
    for (int i = 0; i < c->operand_count; i++) c->operands[i] = block(file, &size);
    c->out = block(file, &c->out_bytes);
    c->seen = block(file, &size);
    static const int64_t bytes[] = {2, 2, 4, 4, 8};
    c->rows = c->out_bytes / bytes[c->group->out] / c->group->out_channels;
    return 1;
}

static void free_call(call *c) {
    for (int i = 0; i < c->group->stages; i++)
        for (int k = 0; k < 4; k++) free(c->constants[i][k]);
    for (int i = 0; i < 4; i++) free(c->weights[i]);
    for (int i = 0; i < c->operand_count; i++) free(c->operands[i]);
    free(c->group), free(c->stages), free(c->x), free(c->out), free(c->seen);
}

/* The call on a unit, split after `middle` rows; 1 where it leaves anything else than what was recorded. */
static int differs(const call *c, int index, int64_t middle) {
    const int64_t size = (bittrue_scratch(c->group) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    void *scratch = aligned_alloc(ALIGNMENT, (size_t)size), *out = memory(c->out_bytes);
    const int stages = c->group->stages;
    seen *found = memory((stages + 1) * (int64_t)sizeof(seen));
    if (!scratch) give_up("no memory");
    for (int i = 0; i < stages; i++) found[i] = (seen){0, INT64_MAX, INT64_MIN};
    memset(out, 0x55, (size_t)c->out_bytes);
    if (middle > 0) bittrue_run(index, c->group, c->x, (const void *const *)c->operands, out, 0, middle, scratch, found);
    bittrue_run(index, c->group, c->x, (const void *const *)c->operands, out, middle, c->rows, scratch, found);
    int wrong = memcmp(out, c->out, (size_t)c->out_bytes) != 0;
    for (int i = 0; i < stages; i++) wrong |= memcmp(&found[i], &c->seen[i], sizeof(seen)) != 0;
    free(found), free(out), free(scratch);
    return wrong;
}

int main(int arguments, char **argument) {
    FILE *file = arguments > 1 ? fopen(argument[1], "rb") : NULL;
    if (!file) give_up("usage: replay FILE [UNIT]");
    int64_t all = 0, calls = 0;
    for (int index = 0; index < bittrue_units(); index++) {
        const char *name = bittrue_unit_name(index);
        if (arguments > 2 && strcmp(argument[2], name)) continue;
        if (!bittrue_unit_available(index)) {
            printf("%s: not on this processor\n", name);
            continue;
        }
        int64_t mismatches = 0;
        call c;
        calls = 0;
        rewind(file);
        while (read_call(file, &c)) {
            int wrong = differs(&c, index, 0);
            if (c.rows > 1) wrong |= differs(&c, index, c.rows / 2);
            if (wrong && !mismatches) printf("%s: call %lld differs\n", name, (long long)calls);
            mismatches += wrong;
            calls++;
            free_call(&c);
        }
        printf("%s: %lld calls, %lld mismatches\n", name, (long long)calls, (long long)mismatches);
        all += mismatches;
    }
    fclose(file);
    return all || !calls;
}
