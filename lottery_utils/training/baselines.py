"""Simple baselines: the majority class, and a linear model over bags of words."""

from __future__ import annotations

import numpy as np


def majority(data) -> np.ndarray:
    """Predictions (N,) for dev: dev's most frequent class (protocol, section 1); for regression dev's mean."""
    labels = data.dev.labels
    if data.task.regression:
        return np.full(len(labels), labels.mean(), np.float32)
    return np.full(len(labels), np.bincount(labels).argmax(), np.int64)


def bag_of_words(data) -> np.ndarray:
    """Predictions (N,) for dev of logistic regression (ridge for STS-B) on word counts.

    A pair contributes the counts of each side and of the words both sides share. Where train has one class only, that
    is the prediction.
    """
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge

    labels = data.train.labels
    if not data.task.regression and np.ptp(labels) == 0:
        return np.full(len(data.dev), labels[0])
    count = CountVectorizer(token_pattern=r"(?u)\b\w+\b|[^\w\s]")
    count.fit([text for row in data.train.texts for text in row])

    def features(split):
        sides = [count.transform(column) for column in zip(*split.texts)]
        return hstack(sides + [sides[0].minimum(sides[1])]).tocsr() if len(sides) == 2 else sides[0]

    model = Ridge(alpha=10.0) if data.task.regression else LogisticRegression(max_iter=2000)
    model.fit(features(data.train), labels)
    return model.predict(features(data.dev))
