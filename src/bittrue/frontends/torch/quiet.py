"""PyTorch's loader and exporter without their talk, and what went wrong in them in one line."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The exporter warns and logs of its own inner workings; what concerns the user comes as an exception."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def innermost(error: BaseException) -> BaseException:
    """What an exception was raised from, at the beginning of the chain."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def reason(error: BaseException) -> str:
    """The innermost cause in one line."""
    error = innermost(error)
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
