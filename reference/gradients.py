"""The loss of a batch and its gradients: forward, loss, reduction, backward."""

from collections.abc import Sequence
from typing import Any, Generic, Literal, NamedTuple

from numpy.typing import ArrayLike, NDArray

from .activations import Activation, Identity
from .backpropagation import Gradients, Layer, Network, Trace, backward, forward
from .checks import check_batch, check_loss, check_network
from .functions import Array
from .losses import Loss, fused

__all__ = ["Evaluation", "loss_and_gradients", "value_and_gradients"]

Reduction = Literal["sum", "mean"]
"""How the losses of a batch's samples become one number; over the batch alone."""


class Evaluation(NamedTuple, Generic[Array]):
    """All that one forward and backward pass give.

    ``value`` is the reduced loss, a scalar; ``gradients`` one `Gradient` a layer; ``steps`` the trace, whose last
    ``a`` is the network's output.
    """

    value: Array
    gradients: Gradients[Array]
    steps: Trace[Array]


class Cotangent(NamedTuple, Generic[Array]):
    """The loss as the last layer meets it: its ``value``, and ``g`` (B, n_L), which ``sigma`` pulls back to delta^L."""

    value: Array
    sigma: Activation
    g: Array


def reduced_loss(
    sigma: Activation, z: Array, a: Array, y: Array, loss: Loss, reduction: Reduction
) -> Cotangent[Array]:
    """Reduce the loss over the batch, and find the cotangent that `backward` starts from.

    ``sigma`` is the last layer's activation, z and a (B, n_L) are its step's, and y (B, n_L) are the targets.  A loss
    that is fused with ``sigma`` (`reference.losses.fused`) is evaluated from z, and g is delta^L itself, which the
    identity hands on; any other is evaluated from a = sigma(z), and g is dL/da.  N is 1 for the sum, B for the mean.
    """
    head = fused(sigma, loss)
    losses = head.value(z, y) if head else loss.value(a, y)
    g = head.delta(a, y) if head else loss.gradient(a, y)
    N = {"sum": 1, "mean": y.shape[0]}[reduction]
    return Cotangent(
        losses.sum() / N,                                  # (R1)  L = 1/N sum over samples of their losses
        Identity() if head else sigma,
        g / N)                                             # (R2)  dL/da = 1/N d(loss of the sample)/da


def loss_and_gradients(
    network: Network[Array], x: Array, y: Array, loss: Loss, reduction: Reduction
) -> Evaluation[Array]:
    """Evaluate the loss of a batch and its gradients, unchecked and on any kind of number: the document's steps 1 to 3.

    The arguments are those of `value_and_gradients`, as arrays x (B, n_0) and y (B, n_L); the result has their dtype.
    """
    steps = forward(network, x)
    value, sigma, g = reduced_loss(network[-1].sigma, steps[-1].z, steps[-1].a, y, loss, reduction)
    return Evaluation(value, backward((*network[:-1], network[-1]._replace(sigma=sigma)), steps, g), steps)


def value_and_gradients(
    network: Sequence[Layer[NDArray[Any]]], x: ArrayLike, y: ArrayLike, loss: Loss, reduction: Reduction
) -> tuple[NDArray[Any], Gradients[NDArray[Any]]]:
    """The loss of a batch and its gradients, after checking every argument.

    Parameters
    ----------
    network : sequence of Layer
        Layers that fit, all of one inexact dtype.  Layer l has W (n_l, n_{l-1}) and b (n_l,).
    x : array (B, n_0)
        Samples in rows, B at least 1.  Integers and booleans count as numbers of the network's dtype.
    y : array (B, n_L), or integers (B,)
        Targets, in the loss's domain; for cross-entropies and nll also class indices from 0.
    loss : Loss
        One of `reference.losses`.
    reduction : "sum" or "mean"
        Over the batch alone: the samples' losses are added, or added and divided by B.

    Returns
    -------
    value : scalar of the network's dtype
        The reduced loss: (L1) to (L13), (R1).
    gradients : tuple of Gradient
        For each layer ``delta`` (B, n_l), ``W`` (n_l, n_{l-1}) and ``b`` (n_l,): (B1) to (B4), in the
        network's dtype, in memory shared with no argument.

    Raises
    ------
    TypeError
        Something that is not a layer, an activation, a loss or an array of numbers; a dtype that is not
        the network's.
    ValueError
        A shape that does not fit, an empty batch, a number that is not finite, a target outside the
        loss's domain, an unknown reduction, a loss that is not defined for the last activation.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import HalfSquaredError, Layer, Sigmoid, value_and_gradients
    >>> network = (Layer(np.array([[0.5, -0.25]]), np.array([0.125]), Sigmoid()),)
    >>> value, gradients = value_and_gradients(network, [[1, 2]], [[1]], HalfSquaredError(), "sum")
    >>> print(value.round(6), gradients[0].W.round(6), gradients[0].b.round(6))
    0.109882 [[-0.116741 -0.233482]] [-0.116741]
    """
    network, dtype = check_network(network)
    loss = check_loss(network, dtype, loss, reduction)
    x, y = check_batch(network, dtype, x, y, loss)
    evaluation = loss_and_gradients(network, x, y, loss, reduction)
    return evaluation.value, evaluation.gradients
