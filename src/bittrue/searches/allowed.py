"""Which word lengths each site may have: `--words`, and `--keep` for some."""

import fnmatch
import re
from collections.abc import Mapping, Sequence

from bittrue.analysis.site_words import LONGEST, SiteWords
from bittrue.errors import PlanError
from bittrue.plan.sites import unknown_site
from bittrue.searches.prices import BY_WORDS, Allowed, check_limits

_KEEP = re.compile(r"\s*(?P<pattern>[^=]*[^=\s])\s*=\s*(?P<bits>[0-9]{1,3})\s*")


def allowed_words(sites: SiteWords, words: tuple[int, ...], keep: Sequence[str]) -> Allowed:
    """keep: `NAME=BITS`, where `*` in NAME matches any characters.

    Raises: PlanError for other text, a name that no weight or output has, and two numbers for one site.
    """
    kept: dict[str, int] = {}
    for text in keep:
        found = _KEEP.fullmatch(text)
        if found is None or not 1 <= int(found["bits"]) <= LONGEST:
            raise PlanError(f"--keep {text!r}: write NAME=BITS, for example 'conv1.*=8', with 1 to {LONGEST} bits.")
        matches = fnmatch.filter(sites.sites, found["pattern"])
        if not matches and fnmatch.filter(sites.base.sites, found["pattern"]):
            raise PlanError(
                f"--keep {text}: {found['pattern']} isn't searched; give it its word with --site, --scales or "
                "--biases, or have it searched with --also."
            )
        if not matches:
            raise unknown_site(found["pattern"], sites.sites)
        for name in matches:
            if kept.setdefault(name, int(found["bits"])) != int(found["bits"]):
                raise PlanError(f"--keep gives {name} both {kept[name]} and {found['bits']} bits: leave one out.")
    return {name: (kept[name],) if name in kept else words for name in sites.sites}


def check_asked(sites: SiteWords, words: tuple[int, ...], keep: Sequence[str], limits: Mapping[str, float]) -> None:
    """Raise PlanError for what contradicts itself whatever the ranges are; `sites` may have any."""
    by_words = {name: most for name, most in limits.items() if name in BY_WORDS}
    check_limits(sites, allowed_words(sites, words, keep), by_words)
