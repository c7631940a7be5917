"""scikit-learn: the loss of a sigmoid clips probabilities at the format's epsilon; its gradient does not."""

import numpy as np
from sklearn.neural_network._base import binary_log_loss

y, z = np.array([[0.0]]), np.array([[50.0]])
with np.errstate(over="ignore"):
    p = 1 / (1 + np.exp(-z))
print(f"loss {binary_log_loss(y, p):.2f}, the truth is {np.logaddexp(0, z[0, 0]):.2f}; gradient {(p - y)[0, 0]:.0f}")
