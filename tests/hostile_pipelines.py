"""Pipelines that do what none should."""

from __future__ import annotations

from pathlib import Path

from fixtures.backends.pipelines.sentence_transformers import SentenceTransformers


class TakesTheFirstToken(SentenceTransformers):
    """Pools by the first token where the model was trained on the mean."""

    name = "takes_the_first_token"

    def load(self, checkpoint: Path, artefact: Path | None) -> None:
        """Another way of pooling."""
        super().load(checkpoint, artefact)
        from sentence_transformers.models import Pooling

        self.model[1] = Pooling(self.model[1].get_sentence_embedding_dimension(), pooling_mode="cls")
