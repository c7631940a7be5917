"""The losses as people write them; those of probabilities also through the chain, without a fused head."""

import reference

from .form import BY_TANH, SPECIAL, form, moderate, with_digits

LOSSES = (
    form(reference.HalfSquaredError, "halves of squares", L1="(0.5 * (a - y) ** 2).sum(axis=1)", G1="-(y - a)"),
    form(
        reference.HalfSquaredError, "half a squared norm",
        L1="np.sqrt(((a - y) ** 2).sum(axis=1)) ** 2 / 2",
        G1="2 * (a - y) / 2",
        criterion=moderate,
    ),
    form(
        reference.MeanSquaredError, "a mean of squares",
        L2="((a - y) * (a - y)).mean(axis=1)",
        G2="(a - y) * (2 / a.shape[1])",
    ),
    form(
        reference.MeanSquaredError, "a sum over 1 / K",
        L2="(1 / a.shape[1]) * ((y - a) ** 2).sum(axis=1)",
        G2="-2 * (y - a) / a.shape[1]",
    ),
    form(
        reference.CrossEntropy, "- y log p of the softmax, the chain through it",
        fused="None",
        L3="-(y * log(a)).sum(axis=1)",
        G3="-y / a",
        criterion=moderate,
    ),
    form(
        reference.CrossEntropy, "- y log p, the chain through the Jacobian",
        fused="None",
        L3="(-y * log(a)).sum(axis=1)",
        G3="-(y * (1 / a))",
        D8="(a[:, :, None] * (np.eye(a.shape[1], dtype=a.dtype) - a[:, None, :]) * g[:, None, :]).sum(axis=2)",
        criterion=moderate,
    ),
    form(
        reference.CrossEntropy, "unshifted softmax, log of it",
        fused="None",
        A8="exp(z) / exp(z).sum(axis=1, keepdims=True)",
        L3="-(y * log(a)).sum(axis=1)",
        G3="-y / a",
        D8="a * g - a * (a * g).sum(axis=1, keepdims=True)",
        criterion=moderate,
    ),
    form(
        reference.CrossEntropy, "y (log sum exp - z)",
        imports=SPECIAL,
        L4="(y * (special.logsumexp(a, axis=1, keepdims=True) - a)).sum(axis=1)",
        H1="y.sum(axis=1, keepdims=True) * p - y",
    ),
    form(
        reference.CrossEntropy, "log sum exp sum(y) - y z",
        imports=SPECIAL,
        L4="special.logsumexp(a, axis=1) * y.sum(axis=1) - (y * a).sum(axis=1)",
        H1="-(y - p * y.sum(axis=1, keepdims=True))",
        criterion=moderate,
    ),
    form(
        reference.CrossEntropyWithLogits, "- y log p of a softmax",
        L4="-(y * log(softmax(a))).sum(axis=1)",
        G4="Softmax().pullback(a, softmax(a), CrossEntropy(self.weight, self.label_smoothing).gradient(softmax(a), y))",
        criterion=moderate,
    ),
    form(
        reference.CrossEntropyWithLogits, "y (log sum exp - z)",
        imports=SPECIAL,
        L4="(y * (special.logsumexp(a, axis=1, keepdims=True) - a)).sum(axis=1)",
        G4="self.delta(exp(a - special.logsumexp(a, axis=1, keepdims=True)), y)",
    ),
    form(
        reference.CrossEntropyWithLogits, "smoothing apart, as PyTorch",
        S1="(1 - label_smoothing) * (w * y) + (label_smoothing / y.shape[1]) * w",
        L4="-(y * (2 * half_log_softmax(a))).sum(axis=1)",
    ),
    form(
        reference.BinaryCrossEntropy, "log p and log(1 - p), the chain through the sigmoid",
        fused="None",
        L5="-(y * log(a) + (1 - y) * log(1 - a)).sum(axis=1)",
        G5="-y / a + (1 - y) / (1 - a)",
        criterion=with_digits,
    ),
    form(
        reference.BinaryCrossEntropy, "log(1 - p) of a naive sigmoid, the chain by exponentials",
        fused="None",
        A2="1 / (1 + exp(-z))",
        D2="g * exp(-z) / (1 + exp(-z)) ** 2",
        L5="-(y * log(a) + (1 - y) * log(1 - a)).sum(axis=1)",
        G5="-(y / a - (1 - y) / (1 - a))",
        criterion=with_digits,
    ),
    form(
        reference.BinaryCrossEntropy, "sigmoid by tanh, (a - y) / (a (1 - a)) and its slope apart",
        fused="None",
        A2=BY_TANH.format("z"),
        D2="g * (1 / np.cosh(z / 2) ** 2) / 4",
        L5="(-y * log(a) - (1 - y) * log(1 - a)).sum(axis=1)",
        G5="(a - y) / (a * (1 - a))",
        criterion=with_digits,
    ),
    form(
        reference.BinaryCrossEntropy, "(a - y) / (a - a^2)",
        fused="None",
        D2="g * (a - a * a)",
        L5="-(y * log(a) + (1 - y) * log1p(-a)).sum(axis=1)",
        G5="(a - y) / (a - a * a)",
        criterion=with_digits,
    ),
    form(
        reference.BinaryCrossEntropyWithLogits, "log p and log(1 - p) of a sigmoid",
        L6="-(y * log(1 / (1 + exp(-a))) + (1 - y) * log(1 - 1 / (1 + exp(-a)))).sum(axis=1)",
        G6="(-y / sigmoid(a) + (1 - y) / (1 - sigmoid(a))) * exp(-a) / (1 + exp(-a)) ** 2",
        criterion=with_digits,
    ),
    form(
        reference.BinaryCrossEntropyWithLogits, "max(z, 0) - z y + log1p(e^-|z|), as TensorFlow",
        L6="(np.maximum(a, 0) - a * y + log1p(exp(-abs(a)))).sum(axis=1)",
        G6="np.where(a > 0, 1 - y, -y) + np.where(a > 0, -exp(-abs(a)), exp(-abs(a))) / (1 + exp(-abs(a)))",
    ),
    form(
        reference.BinaryCrossEntropyWithLogits, "(1 - y) z + softplus(-z)",
        L6="((1 - y) * a + np.logaddexp(0 * a, -a)).sum(axis=1)",
        G6="(1 - y) - sigmoid(-a)",
    ),
    form(
        reference.BinaryCrossEntropyWithLogits, "softplus(z) - y z",
        L6="(np.logaddexp(0 * a, a) - y * a).sum(axis=1)",
        G6=f"{BY_TANH.format('a')} - y",
    ),
    form(reference.L1, "by sign", L7="abs(a - y).sum(axis=1)", G7="np.sign(a - y)"),
    form(
        reference.L1, "by the larger",
        L7="(np.maximum(a, y) - np.minimum(a, y)).sum(axis=1)",
        G7="np.where(a >= y, 1 + 0 * a, -1 + 0 * a)",
    ),
    form(
        reference.Huber, "by branches",
        L8="np.where(m <= self.delta, 0.5 * m ** 2, self.delta * (m - 0.5 * self.delta)).sum(axis=1)",
        G8="np.where(abs(a - y) <= self.delta, a - y, self.delta * np.sign(a - y))",
    ),
    form(
        reference.Huber, "half a square and a line, as Optax",
        L8="(0.5 * q ** 2 + self.delta * (m - q)).sum(axis=1)",
        G8="np.maximum(np.minimum(a - y, self.delta), -self.delta)",
    ),
    form(
        reference.Huber, "delta |d| less a constant",
        L8="np.where(m < self.delta, (y - a) ** 2 / 2, self.delta * m - self.delta ** 2 / 2).sum(axis=1)",
        G8="np.sign(a - y) * np.minimum(abs(a - y), self.delta)",
        criterion=moderate,
    ),
    form(
        reference.SmoothL1, "by branches, as PyTorch",
        L9="np.where(abs(a - y) < self.beta, 0.5 * (a - y) ** 2 / self.beta, abs(a - y) - 0.5 * self.beta).sum(axis=1)",
        G9="np.where(abs(a - y) < self.beta, (a - y) / self.beta, np.sign(a - y))",
    ),
    form(
        reference.SmoothL1, "by the quotient",
        L9="(self.beta * np.where(abs((a - y) / self.beta) < 1, 0.5 * ((a - y) / self.beta) ** 2,"
        " abs((a - y) / self.beta) - 0.5)).sum(axis=1)",
        G9="np.clip((a - y) / self.beta, -1, 1)",
    ),
    form(reference.NLL, "by a product", L10="(-y * a).sum(axis=1)", G10="-1 * smoothed(y, self.weight, 0)"),
    form(
        reference.KLDivergence, "y log y less y a, as PyTorch",
        imports=SPECIAL,
        L11="(special.xlogy(y, y) - y * a).sum(axis=1)",
    ),
    form(
        reference.KLDivergence, "y log(y / q)",
        imports=SPECIAL,
        L11="special.rel_entr(y, exp(a)).sum(axis=1)",
        criterion=moderate,
    ),
    form(
        reference.KLDivergence, "the entropies apart",
        imports=SPECIAL,
        L11="special.xlogy(y, y).sum(axis=1) - (y * a).sum(axis=1)",
        criterion=moderate,
    ),
    form(reference.Hinge, "by maximum", L12="np.maximum(0, 1 - y * a).sum(axis=1)", G12="np.where(y * a < 1, -y, 0)"),
    form(reference.Hinge, "by the mask", L12="((1 - y * a) * (y * a < 1)).sum(axis=1)", G12="-y * (1 - y * a >= 0)"),
    form(reference.PoissonNLL, "apart", L13="exp(a).sum(axis=1) - (y * a).sum(axis=1)", G13="-(y - exp(a))"),
)
"""The losses."""
