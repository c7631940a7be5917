"""Keras on JAX: a layer in float64 computes tanh in float32, and so does the mean of a loss that is told float64."""

import os

os.environ.update(KERAS_BACKEND="jax", JAX_ENABLE_X64="1")
import keras
import numpy as np

layer = keras.layers.Dense(3, activation="tanh", dtype="float64")
x = np.random.default_rng(0).normal(size=(4, 2))
a = layer(x)
error = np.abs(a - np.tanh(x @ np.asarray(layer.kernel))).max()
loss = keras.losses.MeanSquaredError(dtype="float64")(np.zeros((4, 3)), a)
print(f"{layer.compute_dtype} declared; output {a.dtype}, off by {error:.0e}; loss {loss.dtype}")
