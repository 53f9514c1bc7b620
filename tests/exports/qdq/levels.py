"""What onnxruntime's levels of optimization do to a QDQ file.

`python tests/exports/qdq/levels.py MODEL PLAN DATA IMAGES NODE`, where NODE is the last on the device, prints how many
output codes differ from the plan's, by how much at most, and how often another class is the largest.
"""

import sys

import numpy as np

from bittrue.analysis.evaluating.codes import codes_of
from bittrue.data import load_dataset
from bittrue.exports.job import Job, until
from bittrue.exports.qdq.run import AS_DEFINED, BY_DEFAULT, outputs
from bittrue.exports.qdq.target import qdq_graph
from bittrue.frontends import load
from bittrue.lowering import lower_network
from bittrue.plan import Plan


def main() -> None:
    model, plan_file, data, images, node = sys.argv[1:]
    network, plan = load(model), Plan.load(plan_file)
    chosen = load_dataset(data, shape=network.input.shape).take(int(images))
    program = until(lower_network(network, plan), node)
    graph = qdq_graph(Job(network, plan, program, None))
    output = graph.values[program.output]
    expected = codes_of(program, chosen, [program.output])[program.output]
    print(f"{len(graph.unproven)} sums that float32 isn't proven to hold")
    for level in (AS_DEFINED, BY_DEFAULT):
        found = [batch[output.tensor] for batch in outputs(graph, chosen, [output.tensor], level)]
        codes = np.ldexp(np.concatenate(found).astype(np.float64), output.fraction_bits)
        wrong, most = int((codes != expected).sum()), np.abs(codes - expected).max()
        classes = int((codes.argmax(1) != expected.argmax(1)).sum())
        print(f"{level}: {wrong:,} of {expected.size:,} codes differ, by {most:g} at most; {classes} other classes")


if __name__ == "__main__":
    main()
