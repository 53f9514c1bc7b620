"""Keras's poolings."""

from bittrue.frontends.keras.use import LayerUse, Rule
from bittrue.network import Operator
from bittrue.operators import (
    AdaptiveAveragePooling,
    AdaptiveMaxPooling,
    AveragePooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    MaxPooling,
)


def pooling(operator: type[MaxPooling] | type[AveragePooling], rank: int) -> Rule:
    def pooling(use: LayerUse) -> Operator:
        window, strides = use.settings.integers("pool_size", rank), use.settings.integers("strides", rank)
        return operator(window, strides, use.padding(window, strides, (1,) * rank))

    return pooling


def global_pooling(operator: type[GlobalMaxPooling] | type[GlobalAveragePooling], rank: int) -> Rule:
    def pooling(use: LayerUse) -> Operator:
        use.spatial(rank)
        return operator(use.settings.flag("keepdims"))

    return pooling


def adaptive_pooling(operator: type[AdaptiveMaxPooling] | type[AdaptiveAveragePooling], rank: int) -> Rule:
    def pooling(use: LayerUse) -> Operator:
        use.spatial(rank)
        return operator(use.settings.integers("output_size", rank))

    return pooling
