"""Keras: cross-entropy of a softmax clips probabilities at 1e-7; beyond it the gradient is 0 (keras#9664)."""

import os

os.environ["KERAS_BACKEND"] = "jax"
import jax
import keras
import numpy as np

loss = keras.losses.CategoricalCrossentropy()
y, z = np.array([[0.0, 1.0]], "float32"), np.array([[20.0, 0.0]], "float32")
value, gradient = jax.value_and_grad(lambda z: loss(y, keras.activations.softmax(z)))(z)
print(f"loss {float(value):.2f}, the truth is 20.00; gradient {np.asarray(gradient)[0]}, the truth is [1, -1]")
