"""Random formats, modes and words at every site of every case: what no table of plans thinks of."""

import random

import pytest

from bittrue.errors import BittrueError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.lowering import lower_network
from bittrue.plan import CHOICES, Guard, Plan, PlanOptions, Site, Spec, Word, sites_of
from cases import CASES, Case, inputs_of
from simulation.comparison import check

WORD_LENGTHS = (1, 2, 3, 5, 8, 8, 8, 12, 16, 24, 25, 32, 40, 53, 60, 64, 70)
REFUSALS = (
    "EXACT is impossible",  # an average over a number that is no power of two
    "can make a small number of a large one",  # a softmax table
    "the sum's code can reach 0",
    "variance + epsilon is -",
    "a divisor is 0 once it is rounded",
)


def random_plan(case: Case, generator: random.Random) -> Plan:
    options = PlanOptions(**{name: generator.choice(choices) for name, choices in CHOICES.items()})
    wildness = generator.choice([0.0, 0.3, 1.0])

    def quantizer() -> Quantizer:
        if generator.random() < wildness:
            word_length = generator.choice(WORD_LENGTHS)
            anywhere = generator.randint(-20, 40)
            fraction_bits = generator.choice([0, word_length - 1, word_length // 2, word_length // 2, anywhere])
            wild = FixedFormat(generator.random() < 0.7, word_length, fraction_bits)
            return Quantizer(wild, generator.choice(list(Rounding)), generator.choice(list(Overflow)))
        word_length = generator.choice([4, 6, 8, 10])
        tame = FixedFormat(True, word_length, generator.randint(0, word_length))
        return Quantizer(tame, generator.choice(list(Rounding)), generator.choice(list(Overflow)))

    def by_channel(channels: int) -> tuple[Quantizer, ...]:
        own = quantizer()
        formats = [
            FixedFormat(own.format.signed, own.format.word_length, own.format.fraction_bits + generator.randint(-3, 3))
            for _ in range(channels)
        ]
        return tuple(Quantizer(each, own.rounding, own.overflow) for each in formats)

    def spec(site: Site) -> Spec:
        if site.role == "accumulator":
            return Word.EXACT if generator.random() < 0.6 else quantizer()
        if site.channels is not None and generator.random() < 0.5:
            return by_channel(site.channels)
        if site.finite and generator.random() < 0.15:
            return Word.EXACT
        return Guard(quantizer()) if generator.random() < 0.1 else quantizer()

    found = sites_of(case.network, options)
    return Plan(case.network.hash, options, {name: spec(site) for name, site in found.items()})


@pytest.mark.parametrize("seed", range(250))
def test_random_plans_have_the_bits_of_the_definition_or_are_refused(seed: int) -> None:
    generator = random.Random(seed)
    case = generator.choice(CASES)
    plan = random_plan(case, generator)
    try:
        found = check(lower_network(case.network, plan), inputs_of(case, fraction_bits=generator.randint(0, 5)))
    except BittrueError as error:
        found = next((None for refusal in REFUSALS if refusal in str(error)), str(error))
    assert found is None, (case, plan.to_json())


def test_few_random_plans_are_refused() -> None:
    refused = 0
    for seed in range(250):
        generator = random.Random(seed)
        case = generator.choice(CASES)
        try:
            lower_network(case.network, random_plan(case, generator))
        except BittrueError:
            refused += 1
    assert refused <= 20
