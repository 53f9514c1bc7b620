"""A small network whose branches meet again, so that its export has weights, roundings and queues."""

import numpy as np

from bittrue.data import Dataset, as_dataset
from bittrue.exports.job import Job
from bittrue.lowering import lower_network
from bittrue.plan import Plan, PlanOptions, uniform_plan
from cases import CASES

NETWORK = next(case for case in CASES if case.name == "residual").network


def plan() -> Plan:
    """Words of 7 bits, which are no bytes."""
    options = PlanOptions(batch_norm="affine", rounding_points="fused")
    return uniform_plan(NETWORK, 7, 4, options=options)


def images(count: int) -> Dataset:
    x = np.random.default_rng(4).uniform(-2, 2, (count, *NETWORK.input.shape))
    return as_dataset(x.astype(np.float32))


def job(count: int) -> Job:
    made = images(count)
    return Job(NETWORK, plan(), lower_network(NETWORK, plan()), made, data=made)
