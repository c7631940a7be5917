"""scikit-learn: the squared loss averages over the outputs, its gradient adds them (scikit-learn#8349, since 2017)."""

import numpy as np
from sklearn.neural_network import MLPRegressor

K, eta, rng = 5, 1e-6, np.random.default_rng(0)
x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, K))
model = MLPRegressor(
    hidden_layer_sizes=(4,), activation="tanh", solver="sgd", alpha=0, momentum=0, learning_rate_init=eta, batch_size=8
)
model.partial_fit(x, y)
before = [w.copy() for w in model.coefs_ + model.intercepts_]
model.partial_fit(x, y)  # a step, of which `loss_` is the loss before it
promised = sum(((v - w) ** 2).sum() for v, w in zip(before, model.coefs_ + model.intercepts_, strict=True)) / eta
loss = model.loss_
model.partial_fit(x, y)
print(f"{K} outputs: the loss falls by {(loss - model.loss_) / promised:.4f} of what a small step promises")
