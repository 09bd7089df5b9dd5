"""What texts are about, coarsely: clusters of their words, named by the words that tell each from the others.

For comparing the traffic on two sides of a change when nobody has labelled it. TF-IDF of words and pairs, a few principal
components, k-means (scikit-learn): a few hundred texts take a tenth of a second. A word must occur in several texts, so that no
name quotes anybody.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

TEXTS_A_TOPIC = 30
MOST_TOPICS = 12
LEAST_TEXTS_A_WORD = 5
COMMON = 0.3
"""A word in more texts than that is left out: it tells no topics apart, unless one is as common as that itself."""
MOST_WORDS, COMPONENTS, NAMED_BY = 5_000, 32, 3
SEED = 0


def topics(texts: Sequence[str]) -> list[str] | None:
    """The topic of each text, a name such as "refund, order, money back"; deterministic.

    Returns
    -------
    None where there are too few texts, or no words that several of them share.
    """
    k = min(MOST_TOPICS, len(texts) // TEXTS_A_TOPIC)
    found = _weighed(texts) if k >= 2 else None
    if found is None:
        return None
    weights, words = found
    own = _clusters(weights, k)
    overall = np.asarray(weights.mean(axis=0)).ravel()
    names = {c: _name(np.asarray(weights[own == c].mean(axis=0)).ravel() - overall, words) for c in set(own.tolist())}
    return [names[c] for c in own.tolist()]


def _weighed(texts: Sequence[str]) -> tuple[Any, NDArray[Any]] | None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    weigher = TfidfVectorizer(
        sublinear_tf=True, ngram_range=(1, 2), min_df=LEAST_TEXTS_A_WORD, max_df=COMMON, max_features=MOST_WORDS
    )
    try:
        return weigher.fit_transform(texts), weigher.get_feature_names_out()
    except ValueError:  # no word is in enough of them
        return None


def _clusters(weights: Any, k: int) -> NDArray[np.intp]:
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.preprocessing import normalize
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct texts than topics
        wide = min(COMPONENTS, weights.shape[1] - 1, weights.shape[0] - 1)
        x = normalize(TruncatedSVD(wide, random_state=SEED).fit_transform(weights)) if wide >= 1 else weights.toarray()
        own: NDArray[np.intp] = KMeans(k, n_init=4, random_state=SEED).fit_predict(x)
    return own


def _name(above: NDArray[np.float64], words: NDArray[Any]) -> str:
    """By its most telling words; "other" for what has none."""
    best = np.argsort(-above, kind="stable")[:NAMED_BY]
    return ", ".join(str(words[i]) for i in best if above[i] > 0) or "other"
