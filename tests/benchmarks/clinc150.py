"""CLINC150 (CC-BY-3.0): 23,700 short user texts of 150 intents and out-of-scope ones, with their sentence embeddings.

The vectors are computed once by the model that `embedding` uses (three minutes on two cores) and kept beside
``$EVALSTREAM_BENCH_CACHE``, by default ``~/.cache/evalstream-bench``.
"""

from __future__ import annotations

import csv
import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MODEL = "all-MiniLM-L6-v2"
OUT_OF_SCOPE = "oos"
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "clinc150.csv.gz"
TRAVEL = frozenset(
    [
        "book_flight",
        "flight_status",
        "book_hotel",
        "car_rental",
        "travel_alert",
        "travel_notification",
        "carry_on",
        "timezone",
        "vaccines",
        "translate",
        "international_visa",
        "lost_luggage",
        "plug_type",
        "exchange_rate",
        "travel_suggestion",
    ]
)


@dataclass(frozen=True)
class Texts:
    """`vectors` is float16, (texts, 384), each of length 1."""

    texts: list[str]
    intents: np.ndarray
    vectors: np.ndarray

    def of(self, *intents: str) -> np.ndarray:
        """The indices of these intents."""
        return np.flatnonzero(np.isin(self.intents, intents))

    @property
    def in_scope(self) -> np.ndarray:
        return np.flatnonzero(self.intents != OUT_OF_SCOPE)


def load(data: Path = DATA, *, compute: bool = True) -> Texts:
    """The texts with their vectors; those that are not in the cache are computed, unless that is not wanted.

    Raises
    ------
    FileNotFoundError : there is no `data`, or no vectors.
    ImportError : the extra `embeddings` is not installed.
    """
    with gzip.open(data, "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))
    texts = [row["text"] for row in rows]
    kept = _cache() / f"{data.name.split('.')[0]}-{MODEL}.npy"
    vectors = np.load(kept) if kept.exists() else None
    if vectors is None or len(vectors) != len(texts):
        if not compute:
            raise FileNotFoundError(f"no vectors in {kept}; python -m tests.benchmarks.clinc150 computes them")
        vectors = _encode(texts)
        kept.parent.mkdir(parents=True, exist_ok=True)
        half = kept.with_suffix(".part.npy")
        np.save(half, vectors)
        half.replace(kept)
    return Texts(texts, np.array([row["intent"] for row in rows]), vectors)


def _cache() -> Path:
    return Path(os.environ.get("EVALSTREAM_BENCH_CACHE", "~/.cache/evalstream-bench")).expanduser()


def _encode(texts: list[str]) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    from evaluators.embedding.embedder import model_path

    model = SentenceTransformer(model_path(MODEL), device="cpu")
    return model.encode(texts, batch_size=64, normalize_embeddings=True, show_progress_bar=True).astype(np.float16)


if __name__ == "__main__":
    found = load()
    print(f"{len(found.texts)} texts, vectors {found.vectors.shape}")
