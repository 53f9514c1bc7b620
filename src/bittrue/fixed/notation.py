"""Reading and printing quantizers (rule B2).

| notation                              | word | fraction bits | source                                             |
|---------------------------------------|------|---------------|----------------------------------------------------|
| `ap_fixed<13,8,AP_RND_CONV,AP_SAT>`   | 13   | 13 − 8        | AMD UG1399, "Arbitrary Precision Fixed-Point Types" |
| `Q7.5`, `UQ8.5`                       | 13   | 5             | Texas Instruments SPRU565, the sign not counted    |
| `sfix13_En5`, `sfix13`, `sfix13_E3`   | 13   | 5, 0, −3      | MATLAB Fixed-Point Designer, data type names       |
| `fxp-s13/5`                           | 13   | 5             | fxpmath, `Fxp.dtype`                               |

Only the first carries modes, and modes left out there mean AP_TRN and AP_WRAP, as they do to AMD. After any format
without modes, bittrue's two words may follow: `ap_fixed<13,8> NEAREST_EVEN UNBOUNDED`, which is how `describe` prints
UNBOUNDED, the mode that AMD's notation can't spell.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bittrue.errors import FormatError
from bittrue.fixed.format import FixedFormat, Overflow, Quantizer, Rounding, parse_overflow, parse_rounding

_COUNT = "[0-9]{1,6}"
_AP_FIXED = re.compile(r"ap_(?P<unsigned>u?)fixed\s*<(?P<arguments>[^<>]*)>")
_INTEGER = re.compile(f"-?{_COUNT}")
_Q = re.compile(rf"(?P<unsigned>U?)Q(?P<integer>{_COUNT})\.(?P<fraction>{_COUNT})(\s*\((?P<word>{_COUNT}) bits\))?")
_Q_ALONE = re.compile(r"U?Q[0-9]+")
_MATLAB = re.compile(rf"(?P<sign>[su])fix(?P<word>{_COUNT})(_E(?P<negative>n?)(?P<exponent>{_COUNT}))?")
_MATLAB_SLOPE_OR_BIAS = re.compile(r"[su]fix[0-9]+_\w*[SFB]\w*")
_FXPMATH = re.compile(rf"fxp-(?P<sign>[su])(?P<word>{_COUNT})/(?P<fraction>-?{_COUNT})")
_MODES_BESIDE = re.compile(r"(?P<format>.*\S)\s+(?P<rounding>[A-Za-z_]+)\s+(?P<overflow>[A-Za-z_]+)")

_NOTATIONS = "ap_fixed<13,8,AP_RND_CONV,AP_SAT>, Q7.5, sfix13_En5 or fxp-s13/5"
_JSON_KEYS = ("format", "rounding", "overflow")


@dataclass(frozen=True, slots=True)
class _Reading:
    """A format as read, and the modes that its notation stated or implied; None where it says nothing of modes."""

    format: FixedFormat
    modes: tuple[Rounding, Overflow] | None = None
    modes_written: bool = False


def parse_quantizer(
    text: str,
    *,
    default_rounding: Rounding = Rounding.NEAREST_EVEN,
    default_overflow: Overflow = Overflow.SATURATE,
) -> Quantizer:
    """The quantizer written as `text`; the defaults are for notations that say nothing of modes.

    Raises FormatError, with the reason, for text in none of the notations.
    """
    reading = _read(text)
    rounding, overflow = reading.modes or (default_rounding, default_overflow)
    return Quantizer(reading.format, rounding, overflow)


def to_ap_fixed(quantizer: Quantizer) -> str:
    """AMD's notation with both modes; raises FormatError for UNBOUNDED, which has no spelling there."""
    if quantizer.overflow.amd is None:
        raise FormatError(
            f"{describe(quantizer)} has no ap_fixed spelling, since ap_fixed always bounds its words; "
            "choose another overflow mode."
        )
    return f"{ap_fixed_name(quantizer.format)[:-1]},{quantizer.rounding.amd},{quantizer.overflow.amd}>"


def ap_fixed_name(format: FixedFormat) -> str:
    """AMD's notation without modes."""
    return f"ap_{'' if format.signed else 'u'}fixed<{format.word_length},{format.integer_bits}>"


def to_q(format: FixedFormat) -> str:
    """Texas Instruments' Q notation with the word length beside it, e.g. `Q7.5 (13 bits)`.

    Raises FormatError where the bits before or behind the point would be a negative number.
    """
    integer = format.integer_bits - format.signed
    if integer < 0 or format.fraction_bits < 0:
        raise FormatError(
            f"{ap_fixed_name(format)} has no Q notation, which counts bits before and behind the point and has none to "
            f"count here; write {to_matlab(format)}."
        )
    return f"{'' if format.signed else 'U'}Q{integer}.{format.fraction_bits} ({format.word_length} bits)"


def to_matlab(format: FixedFormat) -> str:
    """MATLAB's data type name, e.g. `sfix13_En5`."""
    name = f"{'s' if format.signed else 'u'}fix{format.word_length}"
    if format.fraction_bits > 0:
        return f"{name}_En{format.fraction_bits}"
    if format.fraction_bits < 0:
        return f"{name}_E{-format.fraction_bits}"
    return name


def to_fxpmath(format: FixedFormat) -> str:
    """fxpmath's data type name, e.g. `fxp-s13/5`."""
    return f"fxp-{'s' if format.signed else 'u'}{format.word_length}/{format.fraction_bits}"


def describe(quantizer: Quantizer) -> str:
    """The canonical notation for people: AMD's, or for UNBOUNDED the format with the modes beside it."""
    if quantizer.overflow is Overflow.UNBOUNDED:
        return f"{ap_fixed_name(quantizer.format)} {quantizer.rounding.value} {quantizer.overflow.value}"
    return to_ap_fixed(quantizer)


def quantizer_to_json(quantizer: Quantizer) -> str | dict[str, str]:
    """What a plan file holds: AMD's notation with both modes, or for UNBOUNDED an object of format and modes."""
    if quantizer.overflow is Overflow.UNBOUNDED:
        values = (ap_fixed_name(quantizer.format), quantizer.rounding.value, quantizer.overflow.value)
        return dict(zip(_JSON_KEYS, values, strict=True))
    return to_ap_fixed(quantizer)


def quantizer_from_json(written: object) -> Quantizer:
    """The quantizer that a plan file holds: a string that settles both modes, or an object of format and modes.

    Raises FormatError for anything else, for keys that are unknown or absent, and for modes that are not stated or
    stated twice.
    """
    if isinstance(written, str):
        reading = _read(written)
        if reading.modes is None:
            raise FormatError(
                f"'{written}' doesn't say how it rounds and overflows; "
                f"write {describe(Quantizer(reading.format))} or other modes."
            )
        return Quantizer(reading.format, *reading.modes)
    if not isinstance(written, dict):
        raise FormatError(f"A quantizer is a string or an object with {_keys(_JSON_KEYS)}, not {written!r}.")
    unknown = [key for key in written if key not in _JSON_KEYS]
    if unknown:
        raise FormatError(f"A quantizer has no {_keys(unknown)}; it has {_keys(_JSON_KEYS)}.")
    format, rounding, overflow = (written.get(key) for key in _JSON_KEYS)
    if not (isinstance(format, str) and isinstance(rounding, str) and isinstance(overflow, str)):
        raise FormatError(f"A quantizer needs {_keys(_JSON_KEYS)}, each a string, and this one is {written!r}.")
    reading = _read(format)
    if reading.modes_written:
        raise FormatError(f"'{format}' states its modes beside 'rounding' and 'overflow'; leave them out of 'format'.")
    return Quantizer(reading.format, parse_rounding(rounding), parse_overflow(overflow))


def _read(text: str) -> _Reading:
    stripped = text.strip()
    if beside := _MODES_BESIDE.fullmatch(stripped):
        reading = _read_format(beside["format"])
        if reading.modes_written:
            raise FormatError(f"'{text}' states its modes twice; leave one of the two out.")
        modes = parse_rounding(beside["rounding"]), parse_overflow(beside["overflow"])
        return _Reading(reading.format, modes, modes_written=True)
    return _read_format(stripped)


def _read_format(text: str) -> _Reading:
    if match := _AP_FIXED.fullmatch(text):
        return _read_ap_fixed(text, bool(match["unsigned"]), [part.strip() for part in match["arguments"].split(",")])
    if match := _Q.fullmatch(text):
        return _Reading(_read_q(text, match))
    if match := _MATLAB.fullmatch(text):
        exponent = int(match["exponent"] or 0)
        fraction_bits = exponent if match["negative"] else -exponent
        return _Reading(FixedFormat(match["sign"] == "s", int(match["word"]), fraction_bits))
    if match := _FXPMATH.fullmatch(text):
        return _Reading(FixedFormat(match["sign"] == "s", int(match["word"]), int(match["fraction"])))
    if _Q_ALONE.fullmatch(text):
        raise FormatError(
            f"'{text}' doesn't say how long the word is; write both parts, as in Q0.15 for 16 bits or Q16.15 for 32."
        )
    if _MATLAB_SLOPE_OR_BIAS.fullmatch(text):
        raise FormatError(
            f"'{text}' has a slope or a bias, and bittrue's scales are powers of two without an offset; "
            "use a binary-point name such as sfix16_En5."
        )
    raise FormatError(f"'{text}' is no fixed-point format; write it as {_NOTATIONS}.")


def _read_ap_fixed(text: str, unsigned: bool, arguments: list[str]) -> _Reading:
    if not 2 <= len(arguments) <= 5:
        raise FormatError(f"'{text}' doesn't have 2 to 4 arguments; write ap_fixed<W,I> or ap_fixed<W,I,Q,O>.")
    if len(arguments) == 5 and arguments[4] != "0":
        raise FormatError(
            f"'{text}' keeps {arguments[4]} saturated bits while wrapping, which bittrue doesn't model; "
            "leave the fifth argument out."
        )
    if not (_INTEGER.fullmatch(arguments[0]) and _INTEGER.fullmatch(arguments[1])):
        raise FormatError(f"'{text}' needs two integers first, the word length and the integer bits.")
    word_length, integer_bits = int(arguments[0]), int(arguments[1])
    for name in arguments[2:4]:
        # bittrue's own names have no place in AMD's notation: UNBOUNDED would make it say what no header accepts.
        if not name.startswith("AP_"):
            raise FormatError(f"'{text}' takes AMD's names such as AP_RND_CONV and AP_SAT, not '{name}'.")
    rounding = parse_rounding(arguments[2]) if len(arguments) > 2 else Rounding.FLOOR
    overflow = parse_overflow(arguments[3]) if len(arguments) > 3 else Overflow.WRAP
    format = FixedFormat(not unsigned, word_length, word_length - integer_bits)
    return _Reading(format, (rounding, overflow), modes_written=len(arguments) > 2)


def _read_q(text: str, match: re.Match[str]) -> FixedFormat:
    signed = not match["unsigned"]
    fraction_bits = int(match["fraction"])
    word_length = int(match["integer"]) + fraction_bits + signed
    if match["word"] is not None and int(match["word"]) != word_length:
        raise FormatError(
            f"'{text}' has {word_length} bits as Texas Instruments counts them, the sign beside the integer bits; "
            "write the parts so that they fit the word length."
        )
    return FixedFormat(signed, word_length, fraction_bits)


def _keys(names: Iterable[object]) -> str:
    return ", ".join(f"'{name}'" for name in names)
