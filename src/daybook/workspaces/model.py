"""The base of what stands in `workspaces.yaml`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Immutable, and strict about unknown fields: a slip of the pen is told, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")
