"""The activations as people write them: in textbooks, libraries and kernels, forward and backward."""

import reference

from .form import BY_TANH, SPECIAL, form, moderate

LEAST = "np.minimum(z, 0)"
POSITIVE = "np.maximum(z, 0)"
CDF = "(0.5 * (1 + special.erf(z * 0.7071067811865476)))"
DENSITY = "(exp(-0.5 * z * z) * 0.3989422804014327)"
T = "tanh(0.7978845608028654 * (z + 0.044715 * z ** 3))"
SCALES = "1.0507009873554805", "1.6732632423543772"

ACTIVATIONS = (
    # --- sigmoid and tanh
    form(
        reference.Sigmoid, "by branches, as SciPy and PyTorch's kernels",
        A2="np.where(z >= 0, 1 / (1 + exp(-abs(z))), exp(-abs(z)) / (1 + exp(-abs(z))))",
        D2="(1 - a) * a * g",
    ),
    form(
        reference.Sigmoid, "e^z / (1 + e^z), slope anew",
        A2="exp(z) / (1 + exp(z))",
        D2="g * exp(-z) / (1 + exp(-z)) ** 2",
        criterion=moderate,
    ),
    form(reference.Sigmoid, "by tanh, as XLA", A2=BY_TANH.format("z"), D2="g * (a - a ** 2)"),
    form(reference.Sigmoid, "by logaddexp", A2="exp(-np.logaddexp(0 * z, -z))", D2="g * (0.25 - (a - 0.5) ** 2)"),
    form(
        reference.Tanh, "by four exponentials",
        A3="(exp(z) - exp(-z)) / (exp(z) + exp(-z))",
        D3="g * (1 - tanh(z) ** 2)",
        criterion=moderate,
    ),
    form(
        reference.Tanh, "by e^2z, slope by exponentials",
        A3="(exp(2 * z) - 1) / (exp(2 * z) + 1)",
        D3="g * 4 / (exp(z) + exp(-z)) ** 2",
        criterion=moderate,
    ),
    form(reference.Tanh, "sinh / cosh", A3="np.sinh(z) / np.cosh(z)", D3="g / np.cosh(z) ** 2", criterion=moderate),
    form(
        reference.Tanh, "1 - 2 / (e^2z + 1)", A3="1 - 2 / (exp(2 * np.minimum(z, 40)) + 1)", D3="(1 + a) * (1 - a) * g"
    ),
    # --- relu and its kin
    form(reference.ReLU, "by maximum, slope by a", A4=POSITIVE, D4="g * (a > 0)"),
    form(reference.ReLU, "the mean of z and |z|", A4="(z + abs(z)) / 2", D4="g * ((1 + np.sign(z)) / 2)"),
    form(reference.ReLU, "z times its mask", A4="z * (z > 0)", D4="np.where(z < 0, 0, g)"),
    form(
        reference.LeakyReLU, "as a mean: (1 + s) / 2 z + (1 - s) / 2 |z|",
        A5="(1 + self.negative_slope) / 2 * z + (1 - self.negative_slope) / 2 * abs(z)",
        D5="g * ((1 + self.negative_slope) / 2 + (1 - self.negative_slope) / 2 * np.sign(z))",
    ),
    form(
        reference.LeakyReLU, "as a mean, multiplied out, its constants rounded twice",
        A5="(z.dtype.type(1) + z.dtype.type(self.negative_slope)) / 2 * z"
        " + (z.dtype.type(1) - z.dtype.type(self.negative_slope)) / 2 * abs(z)",
        D5="(z.dtype.type(1) + z.dtype.type(self.negative_slope)) / 2 * g"
        " + (z.dtype.type(1) - z.dtype.type(self.negative_slope)) / 2 * (np.sign(z) * g)",
    ),
    form(
        reference.LeakyReLU, "max(z, s z)",
        lambda sigma: sigma.negative_slope <= 1,
        A5="np.maximum(z, self.negative_slope * z)",
        D5="np.where(z >= 0, g, self.negative_slope * g)",
    ),
    form(
        reference.LeakyReLU, "both parts apart",
        A5=f"{POSITIVE} + self.negative_slope * {LEAST}",
        D5="np.where(a > 0, g, self.negative_slope * g)",
    ),
    form(
        reference.LeakyReLU, "s z and what relu adds",
        A5=f"self.negative_slope * z + (1 - self.negative_slope) * {POSITIVE}",
        D5="self.negative_slope * g + (1 - self.negative_slope) * (g * (z > 0))",
    ),
    form(
        reference.LeakyReLU, "a difference of two relus",
        A5=f"{POSITIVE} - self.negative_slope * np.maximum(-z, 0)",
        D5="g * (z > 0) + self.negative_slope * g * (z <= 0)",
    ),
    # --- exponential units
    form(
        reference.ELU, "PyTorch's formula, slope by a",
        A6=f"{POSITIVE} + np.minimum(0, self.alpha * (exp(z) - 1))",
        D6="np.where(z > 0, g, g * (a + self.alpha))",
        criterion=moderate,
    ),
    form(
        reference.ELU, "both parts apart, slope by exp",
        A6=f"{POSITIVE} + self.alpha * (exp({LEAST}) - 1)",
        D6=f"np.where(z >= 0, g, g * self.alpha * exp({LEAST}))",
    ),
    form(
        reference.SELU, "PyTorch's formula, slope by a",
        A9=f"{SCALES[0]} * ({POSITIVE} + np.minimum(0, {SCALES[1]} * (exp(z) - 1)))",
        D9=f"np.where(z > 0, {SCALES[0]} * g, g * (a + {SCALES[0]} * {SCALES[1]}))",
        criterion=moderate,
    ),
    form(
        reference.SELU, "scale times alpha in one constant",
        A9=f"np.where(z > 0, {SCALES[0]} * z, 1.7580993408473766 * expm1({LEAST}))",
        D9=f"g * np.where(z > 0, {SCALES[0]}, 1.7580993408473766 * exp({LEAST}))",
    ),
    form(
        reference.CELU, "PyTorch's formula, slope by a",
        lambda sigma: sigma.alpha >= 0.125,
        A10=f"{POSITIVE} + np.minimum(0, self.alpha * (exp({LEAST} / self.alpha) - 1))",
        D10="np.where(z > 0, g, g * (1 + a / self.alpha))",
        criterion=moderate,
    ),
    form(
        reference.CELU, "by expm1 of a product with 1 / alpha",
        A10=f"np.where(z > 0, z, self.alpha * expm1({LEAST} * (1 / self.alpha)))",
        D10=f"np.where(z > 0, g, g * exp({LEAST} * (1 / self.alpha)))",
    ),
    # --- softplus and logsigmoid
    form(
        reference.Softplus, "max(t, 0) + log1p(e^-|t|)",
        A7="where(t > self.threshold, z, (np.maximum(t, 0) + log1p(exp(-abs(t)))) / self.beta)",
        D7="g * np.where(t > self.threshold, 1, 1 / (1 + exp(-np.minimum(t, self.threshold))))",
    ),
    form(
        reference.Softplus, "log(1 + e^t)",
        A7="np.where(t > self.threshold, z, log(1 + exp(np.minimum(t, self.threshold))) / self.beta)",
        D7="g * np.where(t > self.threshold, 1, 1 - 1 / (1 + exp(np.minimum(t, self.threshold))))",
        criterion=moderate,
    ),
    form(
        reference.Softplus, "by logaddexp, slope by a",
        A7="where(t > self.threshold, z, np.logaddexp(t, 0 * t) / self.beta)",
        D7="g * where(t > self.threshold, 1 + 0 * t, 1 - exp(-self.beta * a))",
    ),
    form(
        reference.LogSigmoid, "- log(1 + e^-z)",
        A20="-log(1 + exp(-z))",
        D20="g * (1 - 1 / (1 + exp(-z)))",
        criterion=moderate,
    ),
    form(
        reference.LogSigmoid, "log(sigmoid(z))",
        A20="log(1 / (1 + exp(-z)))",
        D20="g / (1 / (1 + exp(-z))) * (exp(-z) / (1 + exp(-z)) ** 2)",
        criterion=moderate,
    ),
    form(
        reference.LogSigmoid, "min(z, 0) - log1p(e^-|z|)",
        A20="np.minimum(z, 0) - log1p(exp(-abs(z)))",
        D20="g * np.where(z >= 0, exp(-abs(z)), 1) / (1 + exp(-abs(z)))",
    ),
    form(reference.LogSigmoid, "by logaddexp", A20="-np.logaddexp(0 * z, -z)", D20="g - g * exp(a)"),
    # --- products with z
    form(
        reference.GELU, "by erf, as PyTorch's kernel",
        imports=SPECIAL,
        A11=f"z * {CDF}",
        D11=f"g * ({CDF} + z * {DENSITY})",
    ),
    form(
        reference.GELU, "by SciPy's normal distribution",
        imports=SPECIAL,
        A11="z * special.ndtr(z)",
        D11="g * special.ndtr(z) + g * z * (exp(-z ** 2 / 2) / float(np.sqrt(2 * np.pi)))",
    ),
    form(
        reference.GELU, "z / 2 and what erf adds",
        imports=SPECIAL,
        A11="0.5 * z + 0.5 * z * special.erf(z / 1.4142135623730951)",
        D11=f"g * (0.5 + 0.5 * special.erf(z / 1.4142135623730951)) + g * ({DENSITY} * z)",
    ),
    form(
        reference.GELUTanh, "by tanh, as PyTorch's kernel",
        A12=f"0.5 * z * (1 + {T})",
        D12=f"g * (0.5 * (1 + {T}) + 0.5 * z * ((1 - {T} * {T}) * (0.7978845608028654 * (1 + 3 * 0.044715 * z * z))))",
    ),
    form(
        reference.GELUTanh, "by tanh and cosh, as llm.c",
        A12="0.5 * z * (1 + tanh(0.7978845608028654 * (z + 0.044715 * z * z * z)))",
        D12=f"(0.5 * (1 + {T}) + z * 0.5 * (1 / np.cosh(0.7978845608028654 * (z + 0.044715 * z ** 3)) ** 2)"
        " * 0.7978845608028654 * (1 + 3 * 0.044715 * z * z)) * g",
        criterion=moderate,
    ),
    form(
        reference.GELUTanh, "factored, with sigmoid(2 u)",
        A12="z * sigmoid(1.5957691216057308 * z * (1 + 0.044715 * z * z))",
        D12="g * (sigmoid(1.5957691216057308 * z * (1 + 0.044715 * z * z)) * (1 + z"
        " * (1 - sigmoid(1.5957691216057308 * z * (1 + 0.044715 * z * z)))"
        " * (1.5957691216057308 + 1.5957691216057308 * 3 * 0.044715 * z * z)))",
    ),
    form(
        reference.SiLU, "z / (1 + e^-z), slope by a",
        A13="z / (1 + exp(-z))",
        D13="g * (a + sigmoid(z) * (1 - a))",
        criterion=moderate,
    ),
    form(
        reference.SiLU, "sigmoid by tanh, PyTorch's slope",
        A13=f"z * {BY_TANH.format('z')}",
        D13="g * sigmoid(z) * (1 + z * (1 - sigmoid(z)))",
    ),
    form(
        reference.SiLU, "rule of products",
        A13="sigmoid(z) * z",
        D13="g * sigmoid(z) + g * z * (sigmoid(z) * (1 - sigmoid(z)))",
    ),
    form(
        reference.SiLU, "rule of quotients",
        A13="z / (1 + exp(-z))",
        D13="g * ((1 + exp(-z)) + z * exp(-z)) / (1 + exp(-z)) ** 2",
        criterion=moderate,
    ),
    form(
        reference.Mish, "z tanh(log(1 + e^z))",
        A14="z * tanh(log(1 + exp(z)))",
        D14="g * (tanh(log(1 + exp(z))) + z * sigmoid(z) * (1 - tanh(log(1 + exp(z))) ** 2))",
        criterion=moderate,
    ),
    form(
        reference.Mish, "e^2z + 2 e^z over itself and 2, as Darknet's kernels",
        A14="z * ((exp(z) ** 2 + 2 * exp(z)) / (exp(z) ** 2 + 2 * exp(z) + 2))",
        D14="g * (exp(z) * (4 * (z + 1) + 4 * exp(2 * z) + exp(3 * z) + exp(z) * (4 * z + 6))"
        " / (2 * exp(z) + exp(2 * z) + 2) ** 2)",
        criterion=moderate,
    ),
    form(
        reference.Mish, "((1 + e^z)^2 - 1) / ((1 + e^z)^2 + 1)",
        A14="z * (((1 + exp(z)) ** 2 - 1) / ((1 + exp(z)) ** 2 + 1))",
        D14="g * (tanh(np.logaddexp(0 * z, z)) + z * (sigmoid(z) - sigmoid(z) * tanh(np.logaddexp(0 * z, z)) ** 2))",
        criterion=moderate,
    ),
    form(
        reference.Mish, "by a stable softplus",
        A14=f"z * tanh({POSITIVE} + log1p(exp(-abs(z))))",
        D14="g * tanh(np.logaddexp(0 * z, z)) + g * z * sigmoid(z)"
        " * (1 / np.cosh(np.minimum(np.logaddexp(0 * z, z), 40)) ** 2)",
    ),
    # --- soft and hard
    form(reference.Softsign, "slope by a", A15="z / (abs(z) + 1)", D15="g * (1 - abs(a)) ** 2", criterion=moderate),
    form(
        reference.Softsign, "slope by the rule of quotients",
        A15="z / (1 + abs(z))",
        D15="g * ((1 + abs(z) - z * np.sign(z)) / (1 + abs(z)) ** 2)",
        criterion=moderate,
    ),
    form(
        reference.Softsign, "slope by quotients apart",
        A15="z * (1 / (1 + abs(z)))",
        D15="g / (1 + abs(z)) - g * z * np.sign(z) / (1 + abs(z)) ** 2",
        criterion=moderate,
    ),
    form(
        reference.Hardtanh, "by maximum and minimum",
        A16="np.maximum(np.minimum(z, self.max_val), self.min_val)",
        D16="g * ((a > self.min_val) & (a < self.max_val))",
    ),
    form(
        reference.Hardtanh, "by branches",
        A16="np.where(z < self.min_val, self.min_val, np.where(z > self.max_val, self.max_val, z))",
        D16="np.where((z < self.min_val) | (z > self.max_val), 0, g)",
    ),
    form(
        reference.Hardtanh, "(|z - min| - |z - max| + min + max) / 2",
        A16="(abs(z - self.min_val) - abs(z - self.max_val) + (self.min_val + self.max_val)) / 2",
        D16="g * (np.sign(z - self.min_val) - np.sign(z - self.max_val)) / 2",
        criterion=moderate,
    ),
    form(
        reference.ReLU6, "by minimum and maximum, slope by a",
        A17=f"np.minimum({POSITIVE}, 6)",
        D17="g * ((a > 0) & (a < 6))",
    ),
    form(
        reference.ReLU6, "a difference of two relus",
        A17=f"{POSITIVE} - np.maximum(z - 6, 0)",
        D17="g * (z > 0) - g * (z - 6 > 0)",
        criterion=moderate,
    ),
    form(
        reference.Hardsigmoid, "relu6(z + 3) / 6, as PyTorch",
        A18="np.minimum(np.maximum(z + 3, 0), 6) / 6",
        D18="g * ((z + 3 > 0) & (z + 3 < 6)) / 6",
    ),
    form(
        reference.Hardsigmoid, "z / 6 + 1/2, cut off",
        A18="np.clip(z / 6 + 0.5, 0, 1)",
        D18="np.where((a > 0) & (a < 1), g / 6, 0)",
    ),
    form(
        reference.Hardsigmoid, "z times 1/6, and 1/2, cut off",
        A18="np.maximum(0, np.minimum(1, 0.16666666666666666 * z + 0.5))",
        D18="g * 0.16666666666666666 * ((0.16666666666666666 * z + 0.5 >= 0) & (0.16666666666666666 * z + 0.5 <= 1))",
    ),
    form(
        reference.Hardsigmoid, "relu6(z + 3) times 1/6",
        A18="np.minimum(np.maximum(z + 3, 0), 6) * 0.16666666666666666",
        D18="np.where((z > -3) & (z < 3), g * 0.16666666666666666, 0)",
    ),
    form(
        reference.Hardswish, "z relu6(z + 3) / 6, as JAX",
        A19="z * np.minimum(np.maximum(z + 3, 0), 6) / 6",
        D19="g * np.minimum(np.maximum(z + 3, 0), 6) / 6 + g * z * ((z + 3 > 0) & (z + 3 < 6)) / 6",
    ),
    form(
        reference.Hardswish, "by branches, as PyTorch's kernel",
        A19="np.where(z <= -3, 0, np.where(z >= 3, z, z * (z + 3) / 6))",
        D19="np.where(z < -3, 0, np.where(z <= 3, g * (z / 3 + 0.5), g))",
    ),
    form(
        reference.Hardswish, "z times z / 6 + 1/2, cut off",
        A19="z * np.clip(z * 0.16666666666666666 + 0.5, 0, 1)",
        D19="g * np.clip(z * 0.16666666666666666 + 0.5, 0, 1)"
        " + g * z * ((z / 6 + 0.5 > 0) & (z / 6 + 0.5 < 1)) * 0.16666666666666666",
    ),
    form(reference.Tanhshrink, "slope as (z - a)^2", A21="z - tanh(z)", D21="g * (z - a) ** 2"),
    form(
        reference.Tanhshrink, "slope as 1 - (1 - tanh^2), as autograd",
        A21="z - (exp(2 * z) - 1) / (exp(2 * z) + 1)",
        D21="g - g * (1 - tanh(z) ** 2)",
        criterion=moderate,
    ),
    form(
        reference.Tanhshrink, "slope as 1 - 1 / cosh^2",
        A21="-tanh(z) + z",
        D21="g * (1 - 1 / np.cosh(z) ** 2)",
        criterion=moderate,
    ),
    form(
        reference.Softshrink, "sign(z) max(|z| - lambd, 0)",
        A22="np.sign(z) * np.maximum(abs(z) - self.lambd, 0)",
        D22="g * (abs(z) > self.lambd)",
    ),
    form(
        reference.Softshrink, "z less its clipped self",
        A22="z - np.clip(z, -self.lambd, self.lambd)",
        D22="g * (a != 0)",
    ),
    form(
        reference.Softshrink, "a difference of two relus",
        A22="np.maximum(z - self.lambd, 0) - np.maximum(-z - self.lambd, 0)",
        D22="np.where((z >= self.lambd) | (z <= -self.lambd), g, 0)",
    ),
    form(reference.Hardshrink, "z times its mask", A23="z * (abs(z) > self.lambd)", D23="g * (abs(z) > self.lambd)"),
    form(
        reference.Hardshrink, "by the band within, slope by a",
        A23="np.where((z >= -self.lambd) & (z <= self.lambd), 0, z)",
        D23="np.where(a == 0, 0, g)",
    ),
    # --- softmax
    form(
        reference.Softmax, "unshifted, slope multiplied out",
        A8="exp(z) / exp(z).sum(axis=1, keepdims=True)",
        D8="a * g - a * (a * g).sum(axis=1, keepdims=True)",
        criterion=moderate,
    ),
    form(
        reference.Softmax, "e^(z - log sum exp), slope by its Jacobian",
        imports=SPECIAL,
        A8="exp(z - special.logsumexp(z, axis=1, keepdims=True))",
        D8="np.stack([(np.diag(p) - np.outer(p, p)) @ q for p, q in zip(a, g)])",
    ),
    form(
        reference.LogSoftmax, "log of a softmax, and the chain through it",
        A24="log(exp(z) / exp(z).sum(axis=1, keepdims=True))",
        D24="Softmax().pullback(Softmax().apply(z), Softmax().apply(z), g / Softmax().apply(z))",
        criterion=moderate,
    ),
    form(
        reference.LogSoftmax, "z - log sum exp, slope by its Jacobian",
        imports=SPECIAL,
        A24="z - special.logsumexp(z, axis=1, keepdims=True)",
        D24="np.stack([(np.eye(len(p), dtype=p.dtype) - p[:, None]) @ q for p, q in zip(exp(a), g)])",
    ),
    form(
        reference.LogSoftmax, "z - log(sum e^z)",
        A24="z - log(exp(z).sum(axis=1, keepdims=True))",
        D24="g - exp(a) * g.sum(axis=1, keepdims=True)",
        criterion=moderate,
    ),
)
"""The activations."""
