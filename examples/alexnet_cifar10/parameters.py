"""How much of each parameter is left after rounding to k fraction bits: which weights and variances become 0.

python examples/alexnet_cifar10/parameters.py alexnet.keras
"""

import sys

import numpy as np

import bittrue

BITS = range(3, 9)


def main() -> None:
    network = bittrue.load(sys.argv[1])
    print(f"{'rounds to 0 at k =':<18}{'count':>12}" + "".join(f"{k:>9}" for k in BITS))
    for name, parameter in network.parameters.items():
        if name.endswith((".weight", ".variance")):
            zero = [np.mean(np.rint(parameter.value * 2.0**k) == 0) for k in BITS]
            print(f"{name:<18}{parameter.value.size:>12,}" + "".join(f"{100 * share:>8.2f}%" for share in zero))


if __name__ == "__main__":
    main()
