"""The messages of the protocol (PROTOCOL.md) as models: what is asked and answered, as it is read from JSON.

Nothing is coerced: a string or a boolean is no number.  Unknown fields are left alone, since a later version may add
some.  `conformance.problems.schemas` makes the JSON Schemas of these models.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Message(BaseModel):
    """An object of the protocol."""

    model_config = ConfigDict(strict=True, extra="ignore")


Finite = Annotated[float, Field(allow_inf_nan=False)]
Vector = Annotated[list[Finite], Field(fail_fast=True)]
Matrix = Annotated[list[Vector], Field(fail_fast=True)]
Parameter = Annotated[Finite | Literal["Infinity", "-Infinity"] | Vector, Field(union_mode="left_to_right")]
"""A parameter of an activation or a loss."""


class Function(Message):
    """An activation or a loss: its name, and beside it the parameters."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Parameter]
    name: str


class ReducedLoss(Function):
    """A loss, and how it is reduced over the batch."""

    reduction: Literal["sum", "mean"]


class Layer(Message):
    """A layer of the network that is asked about."""

    W: Matrix
    b: Vector
    activation: Function


class Network(Message):
    """What every request about a network holds."""

    dtype: Literal["float32", "float64"]
    layers: Annotated[list[Layer], Field(fail_fast=True)]
    loss: ReducedLoss


class Gradients(Network):
    """The request for gradients, as a file holds it."""

    cmd: Literal["gradients"]
    x: Matrix
    y: Matrix


class GradientsRequest(Gradients):
    """The request for gradients."""

    id: int


Number = Annotated[float | Literal["NaN", "Infinity", "-Infinity"] | None, Field(union_mode="left_to_right")]
"""A number of an answer, which may be anything; null is not-a-number."""
Numbers = Annotated[list[Number], Field(fail_fast=True)]
Rows = Annotated[list[Numbers], Field(fail_fast=True)]


class Parameters(Message):
    """A layer's weights and biases, or their gradients, as they are answered."""

    W: Rows
    b: Numbers


class State(Message):
    """A layer's z, a and delta = dL/dz."""

    z: Rows
    a: Rows
    delta: Rows


class Answer(Message):
    """The answer to `gradients`, as a file holds it."""

    gradients: Annotated[list[Parameters], Field(fail_fast=True)]
    loss: Number = None
    output: Rows | None = None
    input_gradient: Rows | None = None
    trace: Annotated[list[State], Field(fail_fast=True)] | None = None


class GradientsAnswer(Answer):
    """The answer to `gradients`."""

    id: int


class Batch(Message):
    """The samples of one update."""

    x: Matrix
    y: Matrix


class UpdateRule(Message):
    """An update rule: its name, and beside it the parameters, some of which are true or false."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, bool | Finite]
    name: str


class Train(Network):
    """The request for the parameters after one update a batch, in order, as a file holds it."""

    cmd: Literal["train"]
    batches: Annotated[list[Batch], Field(min_length=1)]
    update: UpdateRule


class TrainRequest(Train):
    """The request for the parameters after one update a batch, in order."""

    id: int


class Trained(Message):
    """The parameters after the last update."""

    layers: Annotated[list[Parameters], Field(fail_fast=True)]


class TrainAnswer(Trained):
    """The answer to `train`."""

    id: int


class StartRequest(Message):
    """The first line."""

    cmd: Literal["start"]
    protocol: Literal[1]


Limit = Annotated[list[int], Field(min_length=2, max_length=2)]
"""The smallest and the largest."""


class Limits(Message):
    """Which networks the subject takes, and whether it has one activation in all hidden layers, or in all layers."""

    layers: Limit | None = None
    width: Limit | None = None
    batch: Limit | None = None
    uniform_hidden: bool = False
    uniform: bool = False


class Conventions(Message):
    """The choices of the field that the subject holds to; beside these `relu_derivative_at_zero` and its like."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Finite]
    targets: Literal["any", "distribution", "one-hot"] | None = None
    method: Literal["any", "backpropagation"] = "any"


class StartAnswer(Message):
    """What the subject can do; `heads` are pairs of the last layer's activation and the loss."""

    protocol: Literal[1]
    name: str
    version: str
    language: str
    commands: list[Literal["gradients", "train"]] = []
    dtypes: list[Literal["float32", "float64"]] = []
    activations: list[str] = []
    heads: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = []
    reductions: list[Literal["sum", "mean"]] = []
    updates: list[str] = []
    limits: Limits | None = None
    conventions: Conventions | None = None


class StopRequest(Message):
    """The last line."""

    cmd: Literal["stop"]


class Unsupported(Message):
    """The answer that a problem is outside what the subject can do; `issue` is where that is tracked."""

    id: int
    unsupported: str
    issue: str | None = None


class Error(Message):
    """The answer that the subject failed."""

    id: int
    error: str
