"""``python -m reference``: the document's XOR example, printed as the document prints it."""

from .xor import predicted

if __name__ == "__main__":
    print("Final Predicted Output:")
    print(predicted())
