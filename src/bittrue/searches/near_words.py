"""Other words at a site of a repaired plan: their formats, where the repair has moved scales and binary points."""

from dataclasses import dataclass, replace
from typing import Any

from bittrue.analysis.alone import with_sites
from bittrue.analysis.site_words import SiteWords, Words
from bittrue.fixed import FixedFormat, Quantizer
from bittrue.network import Network
from bittrue.plan import Plan, Spec
from bittrue.repairs.draft import Draft, with_operators


@dataclass(frozen=True, eq=False)
class NearWords:
    """draft: what repairs left of the plan of `sites` with these words, or without words begun from its base."""

    sites: SiteWords
    draft: Draft
    words: Words

    @property
    def plan(self) -> Plan:
        return Plan(self.draft.network.hash, self.draft.options, self.draft.sites)

    def site(self, name: str) -> str:
        """The site's name in the draft: a batch norm that was folded has left its format to the layer before it."""
        if name in self.draft.sites:
            return name
        norm, _, role = name.rpartition(".")
        return f"{self.sites.network.by_name[norm].inputs[0]}.{role}"

    def variants(self, name: str, word_length: int) -> list[tuple[Network, Plan]]:
        """What a word of this length at this site may be, everything else as it is.

        As many integer bits as the draft has there; and where a longer word of the trained network has more, or a
        shorter one fewer, so many, too. Weights are rounded from what they are to come near to, not from their codes.
        """
        site, trained = self.site(name), self.sites.spec(name, word_length)
        if name not in self.words:
            specs = [trained]
        else:
            here, before = self.draft.sites[site], self.sites.spec(name, self.words[name])
            by = word_length - self.words[name]
            specs = [_lengthened(here, by, by)]
            if isinstance(trained, Quantizer) and isinstance(before, Quantizer):
                more = trained.format.fraction_bits - before.format.fraction_bits
                specs += [_lengthened(here, by, more)] if more != by else []
        network = self._with_wanted_weights(name)
        plan = Plan(network.hash, self.plan.options, self.plan.sites)
        return [(network, with_sites(plan, {site: spec})) for spec in specs]

    def _with_wanted_weights(self, name: str) -> Network:
        if self.sites.sites[name].role != "weight":
            return self.draft.network
        wanted: dict[str, Any] = {}
        for node in self.draft.target.nodes:
            weight = getattr(node.operator, "weight", None)
            if weight is not None and weight.name == name:
                own: Any = self.draft.network.by_name[node.name].operator
                wanted[node.name] = replace(own, weight=weight)
        return with_operators(self.draft.network, wanted)


def _lengthened(spec: Spec, length: int, fraction: int) -> Spec:
    """With so many more bits, and fraction bits."""
    if isinstance(spec, tuple):
        return tuple(_longer(quantizer, length, fraction) for quantizer in spec)
    return _longer(spec, length, fraction) if isinstance(spec, Quantizer) else spec


def _longer(quantizer: Quantizer, length: int, fraction: int) -> Quantizer:
    format = quantizer.format
    longer = FixedFormat(format.signed, format.word_length + length, format.fraction_bits + fraction)
    return replace(quantizer, format=longer)
