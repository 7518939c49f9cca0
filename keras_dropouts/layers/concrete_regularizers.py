"""Computes the two factors of ConcreteDropout from the size of the data set and the prior."""

from __future__ import annotations

from keras_dropouts.arguments import check_choice, check_integer, check_positive


def concrete_regularizers(
    dataset_size: int,
    length_scale: float = 1e-2,
    model_precision: float = 1.0,
    loss: str = "mse",
) -> tuple[float, float]:
    """Return the two factors of `ConcreteDropout`: weight_regularizer and dropout_regularizer.

    They are l**2 / (tau * N) and 2 / (tau * N); the 2 is left out for cross-entropy. The loss is
    meant as a mean over the samples.

    Args:
        dataset_size: N, the number of training samples, an integer above 0.
        length_scale: l, the prior length scale, above 0: the larger, the smoother.
        model_precision: tau, the inverse variance of the observation noise, above 0. Take 1 for
            cross-entropy and for a network that predicts its own variance.
        loss: "mse" for squared errors (also those weighted by a predicted precision), or
            "crossentropy".

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.

    Example:
        >>> import keras_dropouts as kd
        >>> weight, entropy = kd.concrete_regularizers(1_000, length_scale=0.1)
        >>> round(weight, 9), round(entropy, 9)
        (1e-05, 0.002)

    Reference:
        Gal, Hron and Kendall, 2017, "Concrete dropout".
    """
    size = check_integer(dataset_size, "dataset_size", minimum=1)
    scale = check_positive(length_scale, "length_scale")
    precision = check_positive(model_precision, "model_precision")
    factor = {"mse": 2.0, "crossentropy": 1.0}[check_choice(loss, "loss", ("mse", "crossentropy"))]
    return scale**2 / (precision * size), factor / (precision * size)
