"""A sum of products in C: exact, or kept in an accumulator's format from product to product (B6)."""

from dataclasses import dataclass

from bittrue.exports.c.draft import Draft, Number
from bittrue.exports.c.quantization import requantized
from bittrue.fixed import Overflow, Quantizer


@dataclass(frozen=True)
class Accumulation:
    """The variable `sum`, to which one product after the other is added.

    fraction_bits: of the exact products, once each is multiplied by its `alignment`. exact_fraction_bits: those that
    hold the first number, too. most: the largest absolute value that the products reach together, as a code. count:
    how many there are. quantizer: the accumulator's, None for an exact sum; quantized_products: whether it rounds the
    products, too.
    """

    draft: Draft
    fraction_bits: int
    exact_fraction_bits: int
    most: int
    count: int
    quantizer: Quantizer | None
    quantized_products: bool

    @property
    def in_order(self) -> Quantizer | None:
        """What quantizes each partial sum. None: one that wraps and loses no fraction bits may wrap once at the end."""
        quantizer = self.quantizer
        if quantizer is None:
            return None
        wraps_once = quantizer.overflow is Overflow.WRAP and quantizer.format.fraction_bits >= self.exact_fraction_bits
        return None if wraps_once else quantizer

    def begin(self, first: Number) -> None:
        """Declare `sum`: the quantized `first`, or 0 where the sum is exact and `first` is added in the end."""
        quantizer = self.in_order
        if quantizer is None:
            self.draft.line(f"{self.draft.type_for(self.most)} sum = 0;")
            return
        start = requantized(self.draft, first, quantizer)
        self.draft.line(f"{self.draft.type_for(*self._ends(quantizer, first))} sum = {start.text};")

    def add(self, x: Number, w: Number, alignment: Number, first: Number) -> None:
        """Add x·w."""
        draft, quantizer = self.draft, self.in_order
        if quantizer is None:  # all of the products have one alignment, which waits until the end
            kind = draft.type_for(self.most)
            draft.line(f"sum += {x.to(kind)} * {w.to(kind)};")
            return
        product = draft.times(draft.times(x, w), alignment)
        product = Number(product.text, self.fraction_bits, product.low, product.high)
        if self.quantized_products:
            product = requantized(draft, product, quantizer)
        before = Number("sum", quantizer.format.fraction_bits, *self._ends(quantizer, first))
        after = requantized(draft, draft.plus(before, product), quantizer)
        if after.text != before.text:  # a product that its quantizer always makes 0 leaves the sum as it is
            draft.line(f"sum = {after.text};")

    def end(self, alignment: Number, first: Number) -> Number:
        """The whole sum."""
        quantizer = self.in_order
        if quantizer is None:
            products = Number("sum", self.fraction_bits, -self.most, self.most)
            if alignment.text != "1":
                kind = self.draft.type_for(self.most)
                aligned = f"sum * {alignment.to(kind)}"
                products = self.draft.variable(aligned, self.fraction_bits, -self.most, self.most)
            return requantized(self.draft, self.draft.plus(products, first), self.quantizer)
        return Number("sum", quantizer.format.fraction_bits, *self._ends(quantizer, first))

    def _ends(self, quantizer: Quantizer, first: Number) -> tuple[int, int]:
        """What a partial sum that is quantized in order lies between."""
        if quantizer.overflow is not Overflow.UNBOUNDED:
            return min(quantizer.min_code, 0), max(quantizer.max_code, 0)
        # Each rounding, of a product and of a sum, moves the sum by one unit at most.
        shift = quantizer.format.fraction_bits - self.fraction_bits
        products = self.most << shift if shift >= 0 else (self.most >> -shift) + 1
        shift = quantizer.format.fraction_bits - first.fraction_bits
        start = max(-first.low, first.high)
        start = start << shift if shift >= 0 else (start >> -shift) + 1
        reach = products + start + 2 * self.count + 1
        return -reach, reach
