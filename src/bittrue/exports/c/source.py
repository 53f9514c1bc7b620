"""The text of the C files of a network: header, functions and constants."""

from collections.abc import Iterator
from math import prod

import numpy as np

from bittrue.exports.c.draft import Constant
from bittrue.exports.c.program import CProgram, Function
from bittrue.exports.storage import storage_of
from bittrue.fixed import describe
from bittrue.program import CodeType, Step

LARGEST_TEXT = 1 << 20
"""Bytes of constants that are written out as text; larger ones lie in a file that the assembler includes."""

_LINE = 100


def header(program: CProgram) -> str:
    """The declaration of the network's call, with sizes and formats as macros."""
    name, guard = program.name, f"{program.name.upper()}_H"
    lines = [
        f"/* {program.name}: a network in fixed point, integers alone.",
        f" * network {program.program.network}",
        f" * plan {program.program.plan}",
        " * A code c stands for the value c * 2^-FRACTION_BITS. Tensors are row-major, channels last. */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        "#include <stdint.h>",
        "",
    ]
    for role, step in (("INPUT", program.input), ("OUTPUT", program.output)):
        macro = f"{name.upper()}_{role}"
        lines += [
            f"/* {described(step)} */",
            f"#define {macro}_SIZE {prod(step.type.shape)}",
            f"#define {macro}_FRACTION_BITS {step.type.binary_point}",
            f"typedef {storage_of(step).c_type} {name}_{role.lower()};",
            "",
        ]
    lines += [
        "/* Bytes of the static buffers between the layers. */",
        f"#define {name.upper()}_BUFFER_BYTES {program.buffers.bytes}",
        "",
        "/* Computes one image. Gives back 0, or the number of the layer, from 1 on, whose divisor is 0 for it.",
        " * It isn't reentrant, since the layers share static buffers. */",
        f"int {name}(const {name}_input *in, {name}_output *out);",
        "",
        f"#ifdef {name.upper()}_OBSERVE",
        "/* Called with every stored layer, by its number from 1 on, while its codes are there. */",
        f"void {name}_observe(int layer, const void *codes);",
        "#endif",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def described(step: Step) -> str:
    """A step's site, format and shape in a comment."""
    quantizer = "exact" if step.quantizer is None else describe(step.quantizer)
    return f"{step.site or step.name}: {quantizer}, {_codes(step.type)}, shape {_shape(step.type)}"


def _codes(kind: CodeType) -> str:
    return f"codes {kind.low}..{kind.high} at 2^-{kind.binary_point}"


def _shape(kind: CodeType) -> str:
    return "[" + "][".join(map(str, kind.shape)) + "]" if kind.shape else "a number"


def source(program: CProgram) -> str:
    """The layers' functions and the call."""
    lines = [f'#include "{program.name}.h"', f'#include "{program.name}_constants.h"', "", "#include <stddef.h>", ""]
    for helper in program.helpers:
        lines += [*helper.text.splitlines(), ""]
    for function in program.functions:
        lines += [*_function(program, function), ""]
    lines += _call(program)
    return "\n".join(lines) + "\n"


def _function(program: CProgram, function: Function) -> Iterator[str]:
    group, draft = function.group, function.draft
    yield f"/* {', '.join(f'{step.name} ({type(step.instruction).__name__})' for step in group.steps)}"
    for source_name in group.inputs:
        yield f" * reads {described(program.program.by_name[source_name])}"
    yield f" * makes {described(group.last)} */"
    inputs = [
        f"const {program.storage_of(name).c_type} *{argument}"
        for name, argument in zip(group.inputs, draft.arguments, strict=True)
    ]
    returns = "int" if draft.can_fail else "void"
    yield f"static {returns} {function.name}({', '.join(inputs)}, {program.storage_of(group.last.name).c_type} *y)"
    yield "{"
    yield from (f"    {line}" for line in draft.body)
    if draft.can_fail:
        yield "    return 0;"
    yield "}"


def _call(program: CProgram) -> Iterator[str]:
    name = program.name
    for buffer, members in enumerate(program.buffers.members):
        yield "static union {"
        yield from (f"    {storage.c_type} {member}[{size}];" for member, storage, size in members)
        yield f"}} buffer{buffer};"
        yield ""
    yield f"#ifdef {name.upper()}_OBSERVE"
    yield f"#define OBSERVE(layer, codes) {name}_observe(layer, codes)"
    yield "#else"
    yield "#define OBSERVE(layer, codes) ((void)0)"
    yield "#endif"
    yield ""
    yield f"int {name}(const {name}_input *in, {name}_output *out)"
    yield "{"
    for number, function in enumerate(program.functions, start=1):
        operands = [_where(program, source_name) for source_name in function.group.inputs]
        target = _where(program, function.group.last.name)
        call = f"{function.name}({', '.join([*operands, target])})"
        if function.draft.can_fail:
            yield f"    if ({call}) {{"
            yield f"        return {number};"
            yield "    }"
        else:
            yield f"    {call};"
        yield f"    OBSERVE({number}, {target});"
    if not program.functions or program.output.name == program.input.name:
        yield f"    for (int32_t i = 0; i < {prod(program.output.type.shape)}; ++i) {{"
        yield "        out[i] = in[i];"
        yield "    }"
    yield "    return 0;"
    yield "}"


def _where(program: CProgram, name: str) -> str:
    name = program.grouping.aliases.get(name, name)
    if name == program.program.output:
        return "out"
    if name == program.input.name:
        return "in"
    place = program.buffers.places[name]
    return f"buffer{place.buffer}.{place.member}"


def constants_header(program: CProgram) -> str:
    """The declarations of the constants."""
    guard = f"{program.name.upper()}_CONSTANTS_H"
    lines = [f"#ifndef {guard}", f"#define {guard}", "", "#include <stdint.h>", ""]
    lines += [f"extern const {each.c_type} {each.name}[{each.codes.size}];" for each in program.constants]
    return "\n".join([*lines, "", "#endif"]) + "\n"


def constants_text(program: CProgram) -> str:
    """The constants, written out."""
    lines = [f'#include "{program.name}_constants.h"', ""]
    for constant in program.constants:
        lines += [f"const {constant.c_type} {constant.name}[{constant.codes.size}] = {{", *_numbers(constant), "};", ""]
    # A file of C declares something at least.
    return "\n".join(lines if program.constants else [*lines, f"extern const int {program.name}_no_constants;"]) + "\n"


def _numbers(constant: Constant) -> Iterator[str]:
    line = ""
    suffix = "LL" if constant.storage.bits == 64 else ""
    for number in constant.codes.reshape(-1).tolist():
        text = f"{number}{suffix},"
        if len(line) + len(text) + 1 > _LINE:
            yield line
            line = ""
        line = f"{line} {text}" if line else f"    {text}"
    if line:
        yield line


def constant_bytes(constant: Constant) -> bytes:
    """A constant as little-endian integers of its storage, in row-major order."""
    return np.ascontiguousarray(constant.codes).astype(constant.storage.dtype).tobytes()


def size_of(program: CProgram) -> int:
    """Bytes of all constants."""
    return sum(each.codes.size * each.storage.bits // 8 for each in program.constants)


def assembly(program: CProgram) -> str:
    """The constants out of a file of bytes, for the GNU assembler and those that understand it (gcc, clang)."""
    lines = ["    .section .rodata"]
    start = 0
    for constant in program.constants:
        size = constant.codes.size * constant.storage.bits // 8
        lines += ["    .balign 64", f"    .globl {constant.name}", f"{constant.name}:"]
        lines += [f'    .incbin "{program.name}_constants.bin", {start}, {size}']
        start += size
    return "\n".join([*lines, '    .section .note.GNU-stack,"",%progbits']) + "\n"
