"""Codes as words of hardware: two's complement of a fixed length, written in hexadecimal or binary digits."""

import numpy as np

from bittrue.fixed import word_length_between
from bittrue.program import Step


def word_length_of(step: Step) -> int:
    """The bits of a step's words: its format's where that holds every code, else the fewest that do (EXACT, GUARD)."""
    low, high = step.type.low or 0, step.type.high or 0
    needed = word_length_between(low, high)
    if step.quantizer is None:
        return needed
    return max(step.quantizer.format.word_length, needed)


def hex_words(codes: np.ndarray, word_length: int) -> str:
    """One word a line, with as many digits as its length needs."""
    digits = -(-word_length // 4)
    mask = (1 << word_length) - 1
    return "".join(f"{code & mask:0{digits}x}\n" for code in codes.reshape(-1).tolist())
