"""NumPy's arrays, and what the reference makes of them, by short names."""

from typing import Any, TypeAlias

from numpy.typing import NDArray

from reference.backpropagation import Gradients as GradientsOf
from reference.backpropagation import Network as NetworkOf

Array: TypeAlias = NDArray[Any]
Network: TypeAlias = NetworkOf[Array]
Gradients: TypeAlias = GradientsOf[Array]
