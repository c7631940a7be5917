"""JSON Schemas of the protocol's messages and of the report, made from the models that read them."""

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from . import messages
from .messages import Message
from .reports import KnownFailures, Report

FOLDER = Path(__file__).parent.parent / "schemas"
"""Where the committed ones are."""

MODELS: dict[str, type[Message]] = {
    "start-request": messages.StartRequest,
    "start-answer": messages.StartAnswer,
    "gradients-request": messages.GradientsRequest,
    "gradients-answer": messages.GradientsAnswer,
    "train-request": messages.TrainRequest,
    "train-answer": messages.TrainAnswer,
    "stop-request": messages.StopRequest,
    "unsupported-answer": messages.Unsupported,
    "error-answer": messages.Error,
    "report": Report,
    "known": KnownFailures,
}
"""The messages, by the names of their files."""


class _Plain(GenerateJsonSchema):
    """Without titles, which would repeat the names, and without defaults: a field that may be left out has no null."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """No."""
        return False

    def default_schema(self, schema: Any) -> dict[str, Any]:
        """The schema of the field alone."""
        return self.generate_inner(schema["schema"])


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of the message of that name."""
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **MODELS[name].model_json_schema(schema_generator=_Plain),
    }


def write(folder: Path) -> None:
    """Write every schema into a folder, a file each."""
    for name in MODELS:
        (folder / f"{name}.json").write_text(json.dumps(schema(name), indent=1) + "\n")
