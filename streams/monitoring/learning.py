"""Learning beside the detectors: what a partition of `measurements` teaches, in the monitor's own transaction."""

from __future__ import annotations

import math

from evaluators.profiles.learning import Learning
from evaluators.run import Suite
from schemas.measurement import MeasurementBatch
from schemas.profile import Feature
from schemas.settings import MonitorSettings


def learning_of(suite: Suite, settings: MonitorSettings, partition_count: int) -> Learning:
    """The learners of one partition; its share of `max_profiles`."""
    return Learning(suite.learners(), math.ceil(settings.max_profiles / partition_count))


def features_past(batch: MeasurementBatch, offset: int) -> list[Feature]:
    """The features of a record that were not learned yet: those past the source position `offset`."""
    return list(batch.features.past(offset)) if batch.features is not None else []
