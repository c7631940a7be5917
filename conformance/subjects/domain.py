"""The twin's domain: where PyTorch itself departs from the truth.

Each row is a place where a comparison with PyTorch would blame the wrong side, with a number that shows it; the
tests reproduce every row.  The twin goes round each (`conformance.subjects.twin`), and nothing is waved through.
"""

from typing import NamedTuple


class Departure(NamedTuple):
    """What departs, where, how far, and what the twin does instead."""

    what: str
    where: str
    shown: str
    instead: str


DEPARTURES = {
    "binary-cross-entropy-clamps": Departure(
        "F.binary_cross_entropy clamps its logarithm at -100, and its gradient's denominator at 1e-12",
        "probabilities within 1e-12 of 0 or 1",
        "y = 0, z = 30, float64: dL/dz is 0.094, the truth is 1",
        "binary_cross_entropy_with_logits for the fused head, xlogy and xlog1py for probabilities",
    ),
    "softmax-chain-is-not-a-number": Departure(
        "the chain -y / p through softmax divides 0 by 0",
        "logits so far apart that a probability is 0",
        "logits 0 and 200, float32: NaN, the truth is -1 and 1",
        "cross_entropy of the logits",
    ),
    "softplus-is-linear": Departure(
        "F.softplus is linear above its threshold of 20",
        "beta z above the threshold",
        "z = 21, float64: off by 7.6e-10 from log(1 + e^z)",
        "nothing: (A7) is written with the threshold",
    ),
    "hardsigmoid-slope-is-float32": Departure(
        "F.hardsigmoid's derivative is 1/6 rounded to float32",
        "float64, between -3 and 3",
        "off by 3.0e-8 of its value, 2^28 units of float64",
        "relu6(z + 3) / 6",
    ),
    "celu-slope-is-float32": Departure(
        "F.celu's derivative takes alpha as a float32",
        "float64, alpha that float32 does not hold",
        "alpha = 0.3, z = -0.7: off by 5.3e-8 of its value; alpha = 1e300: RuntimeError",
        "where(z > 0, z, alpha expm1(z / alpha))",
    ),
    "parameters-are-refused": Departure(
        "torch.nn.Hardtanh takes no min_val from max_val on, and no module a parameter beyond the dtype's largest",
        "hardtanh, leaky_relu, elu, softplus, softshrink, hardshrink",
        "Hardtanh(1, -1): AssertionError; LeakyReLU(1e300), float32: RuntimeError",
        "nothing: the twin refuses the problem by name",
    ),
    "nadam-product-is-float32": Departure(
        "torch.optim.NAdam keeps its product of momenta in the default dtype",
        "float64 parameters while the default dtype is float32",
        "coefficients off by 6e-8",
        "the default dtype set to float64",
    ),
    "no-double-backward": Departure(
        "F.hardsigmoid has no second derivative",
        "Hessian-vector products",
        "RuntimeError: derivative for aten::hardsigmoid_backward is not implemented",
        "relu6(z + 3) / 6",
    ),
}
"""The rows, by name; each name stands in a test."""
