"""`main.c`: the network against golden vectors, code by code, and the Makefile that builds it."""

from math import prod

from bittrue.exports.c.program import CProgram
from bittrue.exports.storage import Storage, storage_of
from bittrue.program import Step


def main(program: CProgram) -> str:
    """A program that compares every stored layer with the vectors and ends with the first wrong code."""
    rows = [_row(program.input)] + [_row(function.group.last) for function in program.functions]
    return (
        _MAIN.replace("NAME_UPPER", program.name.upper())
        .replace("NAME", program.name)
        .replace("LAYERS", ",\n".join(rows))
    )


def _row(step: Step) -> str:
    storage: Storage = storage_of(step)
    name = step.site or step.name
    return f'    {{"{name}", {prod(step.type.shape)}, {storage.bits // 8}, {int(storage.signed)}}}'


def makefile(program: CProgram, *, blob: bool) -> str:
    """Builds `check` with every warning an error."""
    constants = f"{program.name}_constants.{'S' if blob else 'c'}"
    return (
        _MAKEFILE.replace("NAME_UPPER", program.name.upper())
        .replace("NAME", program.name)
        .replace("CONSTANTS", constants)
    )


_MAKEFILE = """\
# make: builds ./check and compares the network with the vectors in $(VECTORS).
CC ?= cc
CFLAGS ?= -O2
WARNINGS = -std=c99 -Wall -Wextra -Werror -pedantic -Wconversion
VECTORS ?= ../vectors/bin

run: check
	./check $(VECTORS)

check: main.c NAME.c CONSTANTS NAME.h NAME_constants.h
	$(CC) $(CFLAGS) $(WARNINGS) -DNAME_UPPER_OBSERVE -o $@ main.c NAME.c CONSTANTS

clean:
	rm -f check

.PHONY: run clean
"""

_MAIN = """\
/* Compares NAME with golden vectors: every stored layer of every image, code by code.
 *
 *   check FOLDER                 FOLDER holds SITE.bin, little-endian codes of all images, for the input and for each
 *                                layer that is to be compared. Ends with 1 at the first wrong code.
 *   check FOLDER --dump TARGET   Writes what this network computes as TARGET/SITE.bin instead. */
#include "NAME.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct layer {
    const char *site;
    long size;
    int width;
    int is_signed;
};

static const struct layer layers[] = {
LAYERS
};

#define LAYER_COUNT ((int)(sizeof layers / sizeof layers[0]))
#define LARGEST_PATH 4096

static FILE *expected[sizeof layers / sizeof layers[0]];
static FILE *dumped[sizeof layers / sizeof layers[0]];
static long image;
static long long compared;

static FILE *open_file(const char *folder, const char *site, const char *mode)
{
    char path[LARGEST_PATH];
    const int length = snprintf(path, sizeof path, "%s/%s.bin", folder, site);
    if (length < 0 || length >= LARGEST_PATH) {
        fprintf(stderr, "the folder's name is too long: %s\\n", folder);
        exit(2);
    }
    return fopen(path, mode);
}

/* The integer in little-endian bytes. */
static int64_t from_bytes(const unsigned char *bytes, int width, int is_signed)
{
    uint64_t number = 0;
    for (int place = width - 1; place >= 0; --place) {
        number = number << 8 | bytes[place];
    }
    if (is_signed && width < 8 && number >> (8 * width - 1)) {
        return (int64_t)number - ((int64_t)1 << (8 * width));
    }
    if (is_signed && width == 8 && number >> 63) {
        return -(int64_t)(~number) - 1;
    }
    return (int64_t)number;
}

/* The code at a place of a layer in memory. */
static int64_t from_memory(const void *codes, long place, const struct layer *layer)
{
    const unsigned char *start = (const unsigned char *)codes + place * layer->width;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    switch (layer->width * 2 + layer->is_signed) {
    case 3:
        memcpy(&i8, start, 1);
        return i8;
    case 5:
        memcpy(&i16, start, 2);
        return i16;
    case 9:
        memcpy(&i32, start, 4);
        return i32;
    case 17:
        memcpy(&i64, start, 8);
        return i64;
    case 2:
        memcpy(&u8, start, 1);
        return u8;
    case 4:
        memcpy(&u16, start, 2);
        return u16;
    case 8:
        memcpy(&u32, start, 4);
        return u32;
    default:
        memcpy(&u64, start, 8);
        return (int64_t)u64;
    }
}

static void dump(int number, const void *codes)
{
    const struct layer *layer = &layers[number];
    for (long place = 0; place < layer->size; ++place) {
        uint64_t code = (uint64_t)from_memory(codes, place, layer);
        for (int byte = 0; byte < layer->width; ++byte) {
            if (fputc((int)(code & 0xffu), dumped[number]) == EOF) {
                fprintf(stderr, "%s can't be written\\n", layer->site);
                exit(2);
            }
            code >>= 8;
        }
    }
}

void NAME_observe(int number, const void *codes)
{
    const struct layer *layer = &layers[number];
    unsigned char bytes[8];
    if (dumped[number] != NULL) {
        dump(number, codes);
    }
    if (expected[number] == NULL) {
        return;
    }
    for (long place = 0; place < layer->size; ++place) {
        int64_t right, got;
        if (fread(bytes, 1, (size_t)layer->width, expected[number]) != (size_t)layer->width) {
            fprintf(stderr, "%s.bin ends before image %ld\\n", layer->site, image);
            exit(2);
        }
        right = from_bytes(bytes, layer->width, layer->is_signed);
        got = from_memory(codes, place, layer);
        if (got != right) {
            printf("FAIL layer %d %s, image %ld, index %ld: expected %lld, got %lld\\n", number, layer->site, image,
                   place, (long long)right, (long long)got);
            exit(1);
        }
        ++compared;
    }
}

static int next_image(NAME_input *in)
{
    unsigned char bytes[8];
    for (long place = 0; place < layers[0].size; ++place) {
        const size_t width = (size_t)layers[0].width;
        const size_t read = fread(bytes, 1, width, expected[0]);
        if (read == 0 && place == 0) {
            return 0;
        }
        if (read != width) {
            fprintf(stderr, "%s.bin doesn't hold whole images\\n", layers[0].site);
            exit(2);
        }
        in[place] = (NAME_input)from_bytes(bytes, layers[0].width, layers[0].is_signed);
    }
    return 1;
}

int main(int count, char **arguments)
{
    static NAME_input in[NAME_UPPER_INPUT_SIZE];
    static NAME_output out[NAME_UPPER_OUTPUT_SIZE];
    const int dumps = count == 4 && strcmp(arguments[2], "--dump") == 0;
    int known = 0;
    if (count != 2 && !dumps) {
        fprintf(stderr, "usage: %s FOLDER [--dump TARGET]\\n", arguments[0]);
        return 2;
    }
    for (int number = 0; number < LAYER_COUNT; ++number) {
        if (!dumps || number == 0) {
            expected[number] = open_file(arguments[1], layers[number].site, "rb");
            known += expected[number] != NULL;
        }
        if (dumps && number > 0) {
            dumped[number] = open_file(arguments[3], layers[number].site, "wb");
            if (dumped[number] == NULL) {
                fprintf(stderr, "%s/%s.bin can't be written\\n", arguments[3], layers[number].site);
                return 2;
            }
        }
    }
    if (expected[0] == NULL || (!dumps && known < 2)) {
        fprintf(stderr, "%s doesn't hold %s.bin and a layer to compare\\n", arguments[1], layers[0].site);
        return 2;
    }
    while (next_image(in)) {
        const int failed = NAME(in, out);
        if (failed) {
            fprintf(stderr, "image %ld: the divisor of layer %d %s is 0\\n", image, failed, layers[failed].site);
            return 1;
        }
        ++image;
    }
    for (int number = 0; number < LAYER_COUNT; ++number) {
        if (dumped[number] != NULL && fclose(dumped[number]) != 0) {
            fprintf(stderr, "%s can't be written\\n", layers[number].site);
            return 2;
        }
    }
    int compared_layers = dumps ? 0 : known - 1;
    printf("%lld codes of %d layer%s compared on %ld image%s, 0 mismatches\\n", compared, compared_layers,
           compared_layers == 1 ? "" : "s", image, image == 1 ? "" : "s");
    return image > 0 && (dumps || compared > 0) ? 0 : 2;
}
"""
