"""What a number that stands for many cannot do: the errors of balls, dual numbers and `Rounded`.

A ball or a `Rounded` stands for every number within its radius.  Asked for what does not hold for all of them alike
it raises; it never picks a side, and never returns what encloses too little.
"""


class Undecided(ValueError):
    """An order, an equality or a branch that differs within the radius."""


class Unbounded(ValueError):
    """A division by what holds zero, a logarithm of what holds a negative number, a root of one."""
