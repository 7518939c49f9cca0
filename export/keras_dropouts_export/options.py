"""Defines the options of exports and comparisons: frozen objects that check themselves once."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from keras_dropouts.arguments import (
    check_choice,
    check_flag,
    check_integer,
    check_seed,
    invalid,
    is_real,
)

METADATA = "keras_dropouts.monte_carlo"  # the key of `MonteCarlo` in an artifact's metadata


@dataclass(frozen=True)
class Comparison:
    """How an artifact is compared with its model.

    Args:
        atol: Absolute tolerance, a finite number not below 0; None takes the one of the dtype.
        rtol: Relative tolerance, likewise.
        seed: Seed of the inputs that both sides get, an integer in [0, 2**63).
        second_process: Whether the artifact runs in a second process as well where nothing in it
            could depend on the process that it is in. Where something could it runs there anyway.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.
    """

    atol: float | None = None
    rtol: float | None = None
    seed: int = 0
    second_process: bool = False

    def __post_init__(self) -> None:
        for name in ("atol", "rtol"):
            value = getattr(self, name)
            good = is_real(value) and math.isfinite(value) and value >= 0
            if value is not None and not good:
                raise invalid(name, "None or a finite number not below 0", value)
        if check_seed(self.seed) is None:
            raise invalid("seed", "an integer from 0 to 2**63 - 1", self.seed)
        check_flag(self.second_process, "second_process")


@dataclass(frozen=True)
class MonteCarlo:
    """What an artifact does with dropout: the arguments of `export_onnx` of the same names.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range.
    """

    samples: int
    reduce: str | None = "mean_std"
    uncertainty: bool = False
    chunk_size: int | None = None
    rng: str = "philox"
    fixed_masks: bool = False

    def __post_init__(self) -> None:
        check_integer(self.samples, "samples", minimum=1)
        check_choice(self.reduce, "reduce", ("mean_std", None))
        check_flag(self.uncertainty, "uncertainty")
        if self.chunk_size is not None:
            check_integer(self.chunk_size, "chunk_size", minimum=1)
        check_choice(self.rng, "rng", ("philox", "portable", "native"))
        check_flag(self.fixed_masks, "fixed_masks")

    @classmethod
    def asked_for(cls, samples: int | None, **others: Any) -> MonteCarlo | None:
        """Return the options, or None where `samples` is None and nothing else asks for samples.

        Raises:
            ValueError: if one of the others is not at its default while `samples` is None.
        """
        if samples is not None:
            return cls(samples, **others)
        for name, default in vars(cls(1)).items():
            if name in others and others[name] != default:
                raise invalid(name, f"{default!r} where `samples` is None", others[name])
        return None

    @property
    def seeded(self) -> bool:
        """Whether the artifact takes a seed: the runtime's own generator takes none."""
        return self.rng != "native"

    def to_json(self) -> str:
        """Return the options as JSON text, in the form that an artifact's metadata holds."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str, path: str) -> MonteCarlo:
        """Return the options that the metadata of the artifact at `path` holds.

        Raises:
            ValueError: if this version of the package cannot read them.
        """
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            expected = "an artifact whose metadata this version of keras_dropouts can read"
            raise invalid("path", expected, path, f"Its metadata says {text!r}.") from error
