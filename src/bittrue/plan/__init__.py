"""Plans: which sites a network has, and what format each gets."""

from bittrue.plan.build import (
    STUDY_OPTIONS,
    STUDY_WORD_LENGTH,
    Override,
    build_plan,
    complete_plan,
    plan_from_ranges,
    study_plan,
    uniform_plan,
)
from bittrue.plan.options import CHOICES, PlanOptions
from bittrue.plan.plan import Plan, PlanLike, as_plan, check_plan
from bittrue.plan.points import POINTS, Point, parse_point
from bittrue.plan.ranges import Octave, Ranges, SiteRange, fraction_bits_for, integer_bits
from bittrue.plan.sites import (
    Grouping,
    Site,
    group_inner_nodes,
    grouping,
    output_site,
    parameter_site,
    sites,
    sites_of,
)
from bittrue.plan.spec import Guard, Spec, Word, describe_spec, formats_of
from bittrue.plan.words import WordLengths

__all__ = [
    "CHOICES",
    "POINTS",
    "STUDY_OPTIONS",
    "STUDY_WORD_LENGTH",
    "Grouping",
    "Guard",
    "Octave",
    "Override",
    "Plan",
    "PlanLike",
    "PlanOptions",
    "Point",
    "Ranges",
    "Site",
    "SiteRange",
    "Spec",
    "Word",
    "WordLengths",
    "as_plan",
    "build_plan",
    "check_plan",
    "complete_plan",
    "describe_spec",
    "formats_of",
    "fraction_bits_for",
    "group_inner_nodes",
    "grouping",
    "integer_bits",
    "output_site",
    "parameter_site",
    "parse_point",
    "plan_from_ranges",
    "sites",
    "sites_of",
    "study_plan",
    "uniform_plan",
]
