"""The small C functions that generated code calls: shifts that round, quotients that round, and overflow modes (B3,
B4).

They are written for `int32_t` and `int64_t` alike, from the definition of each mode on the exact quotient: the floor,
and what the remainder says beside one half. A program gets those that it calls. Right shifts of negative numbers, which
C leaves to the implementation, don't occur.
"""

from dataclasses import dataclass

from bittrue.fixed import Rounding


@dataclass(frozen=True, order=True)
class Helper:
    """One function for integers of `bits` bits; a `kind` for which a rounding mode matters has one."""

    kind: str
    bits: int
    rounding: Rounding | None = None

    @property
    def name(self) -> str:
        mode = "" if self.rounding is None else f"_{self.rounding.value.lower()}"
        return f"{self.kind}{mode}_{self.bits}"

    @property
    def needs(self) -> tuple["Helper", ...]:
        """The helpers that this one calls."""
        return (Helper("floor_shift", self.bits),) if self.kind == "shift" else ()

    @property
    def text(self) -> str:
        """Its definition in C."""
        text = _TEMPLATES[self.kind]
        if self.rounding is not None:
            decision = _UP[self.rounding]
            # What the mode doesn't look at isn't computed.
            lines = [line for line in text.splitlines(keepends=True) if _looked_at(line, decision)]
            result = f"{decision} ? below + 1 : below" if decision else "below"
            text = "".join(lines).replace("RESULT", result)
        return text.replace("NAME", self.name).replace("BITS", str(self.bits))


def _looked_at(line: str, decision: str) -> bool:
    for name in ("rest", "half"):
        if f" {name} = " in line:
            return name in decision
    return not ("remainder" in line or "Twice" in line) or "rest" in decision


_UP = {
    Rounding.NEAREST_EVEN: "rest > half || (rest == half && below % 2 != 0)",
    Rounding.NEAREST_UP: "rest >= half",
    Rounding.NEAREST_DOWN: "rest > half",
    Rounding.NEAREST_AWAY: "rest > half || (rest == half && x >= 0)",
    Rounding.NEAREST_TO_ZERO: "rest > half || (rest == half && x < 0)",
    Rounding.FLOOR: "",
    Rounding.TRUNCATE: "rest > 0 && x < 0",
}
"""When the next integer above the floor is taken. `rest`, between 0 and 1, and `half` are in the same unit."""

_TEMPLATES = {
    "floor_shift": """\
/* The largest integer not above x / 2^s, for s from 0 to BITS - 1. */
static intBITS_t NAME(intBITS_t x, int s)
{
    return x >= 0 ? x >> s : ~(~x >> s);
}
""",
    "shift": """\
/* x / 2^s rounded, for s from 1 to BITS - 1. */
static intBITS_t NAME(intBITS_t x, int s)
{
    const intBITS_t below = floor_shift_BITS(x, s);
    const uintBITS_t rest = (uintBITS_t)x & (((uintBITS_t)1 << s) - 1u);
    const uintBITS_t half = (uintBITS_t)1 << (s - 1);
    return RESULT;
}
""",
    "divide": """\
/* x / d rounded, for d > 0. */
static intBITS_t NAME(intBITS_t x, intBITS_t d)
{
    const intBITS_t toward_zero = x / d;
    const intBITS_t below = x % d < 0 ? toward_zero - 1 : toward_zero;
    const uintBITS_t remainder = (uintBITS_t)(x - below * d);
    /* Twice the remainder, beside d, is what the remainder is beside one half. */
    const uintBITS_t rest = remainder * 2u;
    const uintBITS_t half = (uintBITS_t)d;
    return RESULT;
}
""",
    "saturate": """\
/* The nearest number between low and high. */
static intBITS_t NAME(intBITS_t x, intBITS_t low, intBITS_t high)
{
    return x < low ? low : x > high ? high : x;
}
""",
    "saturate_zero": """\
/* x, or 0 where it lies outside of low to high. */
static intBITS_t NAME(intBITS_t x, intBITS_t low, intBITS_t high)
{
    return x < low || x > high ? 0 : x;
}
""",
    "wrap_signed": """\
/* The low w bits of x as a signed number, for w from 1 to BITS - 1. */
static intBITS_t NAME(intBITS_t x, int w)
{
    const uintBITS_t sign = (uintBITS_t)1 << (w - 1);
    const uintBITS_t bits = (uintBITS_t)x & ((sign << 1) - 1u);
    return (intBITS_t)(bits ^ sign) - (intBITS_t)sign;
}
""",
    "wrap_unsigned": """\
/* The low w bits of x, for w from 1 to BITS - 1. */
static intBITS_t NAME(intBITS_t x, int w)
{
    return (intBITS_t)((uintBITS_t)x & (((uintBITS_t)1 << w) - 1u));
}
""",
}
