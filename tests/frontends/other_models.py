"""Models that differ from the small one in one thing, and functions that don't build one."""

import keras
import small_model
from keras import layers


def shorter() -> keras.Model:
    whole = small_model.build()
    return keras.Model(whole.input, whole.get_layer("relu2").output)


def longer() -> keras.Model:
    whole = small_model.build()
    return keras.Model(whole.input, layers.Dense(3, name="more")(whole.output))


def wider() -> keras.Model:
    whole = small_model.build()
    return keras.Model(whole.input, layers.Dense(12, name="dense2")(whole.get_layer("relu2").output))


def renamed() -> keras.Model:
    whole = small_model.build()
    return keras.Model(whole.input, layers.Dense(11, name="another")(whole.get_layer("relu2").output))


def failing() -> keras.Model:
    raise ValueError("no such width\nand more")


def leaving() -> keras.Model:
    raise SystemExit(3)


def talking() -> keras.Model:
    print("building")
    return small_model.build()


def with_arguments(width: int) -> keras.Model:
    raise AssertionError(width)


def nothing() -> None:
    pass


NUMBER = 3
