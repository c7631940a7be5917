"""A tiny engine for scalars, and a multilayer perceptron of neurons on it, as a well-known lecture has them."""

# mypy: ignore-errors
import math


class Value:
    """A number that remembers what it was made of."""

    def __init__(self, data, children=()):
        self.data, self.grad = data, 0.0
        self._backward, self._prev = lambda: None, children

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other))

        def backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other))

        def backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = backward
        return out

    def tanh(self):
        """The hyperbolic tangent."""
        t = math.tanh(self.data)
        out = Value(t, (self,))

        def backward():
            self.grad += (1 - t**2) * out.grad

        out._backward = backward
        return out

    def backward(self):
        """The chain rule, from the last to the first."""
        order, seen = [], set()

        def visit(value):
            if value not in seen:
                seen.add(value)
                for child in value._prev:
                    visit(child)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            value._backward()


class Neuron:
    """Weights, a bias, tanh."""

    def __init__(self, n):
        self.w, self.b = [Value(0.1) for _ in range(n)], Value(0.0)

    def __call__(self, x):
        """The output, a Value."""
        return sum((w * xi for w, xi in zip(self.w, x, strict=True)), self.b).tanh()


class MLP:
    """Layers of neurons."""

    def __init__(self, n, sizes):
        self.layers = [[Neuron(m) for _ in range(k)] for m, k in zip((n, *sizes), sizes, strict=False)]

    def __call__(self, x):
        """The outputs of the last layer."""
        for layer in self.layers:
            x = [neuron(x) for neuron in layer]
        return x


def squared_error(mlp, xs, ys):
    """The sum of squares, by the engine alone."""
    total = Value(0.0)
    for x, y in zip(xs, ys, strict=True):
        for out, target in zip(mlp(x), y, strict=True):
            off = out + (-target)
            total = total + off * off
    return total
