"""A linear probe in closed form: discriminant analysis with one, shrunk covariance. Nothing is tuned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sentences import Questions

SHRINK = 0.01  # added to the diagonal of the covariance of standardised features


@dataclass(frozen=True)
class Probe:
    """Scores of features (T, d), centred and divided by `scale`: their product with `weights` (d, C), plus `bias`."""

    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The class (T,) with the highest score."""
        return (((features - self.centre) / self.scale) @ self.weights + self.bias).argmax(axis=1)


def fit(features: np.ndarray, labels: np.ndarray, classes: int) -> Probe:
    """Fit on `features` (T, d) and `labels` (T,) below `classes`; a class that does not occur is never predicted."""
    return _fit(_standardised(features), labels, classes)


def _standardised(features: np.ndarray) -> tuple[np.ndarray, ...]:
    """Centre, scale, standardised features and the products of their columns: the same for all labels."""
    features = features.astype(np.float64)
    centre, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-8, scale, 1.0)
    z = (features - centre) / scale
    return centre, scale, z, z.T @ z


def _fit(ready: tuple[np.ndarray, ...], labels: np.ndarray, classes: int) -> Probe:
    centre, scale, z, products = ready
    counts = np.bincount(labels, minlength=classes)
    member = np.eye(classes)[labels]
    means = (member.T @ z) / np.maximum(counts, 1)[:, None]
    within = (products - (means.T * counts) @ means) / len(z)
    weights = np.linalg.solve(within + SHRINK * np.eye(z.shape[1]), means.T)
    prior = np.where(counts > 0, np.log(np.maximum(counts, 1) / len(z)), -np.inf)
    return Probe(centre, scale, weights, prior - 0.5 * (means.T * weights).sum(axis=0))


def accuracies(states: np.ndarray, asked: Questions) -> tuple[np.ndarray, np.ndarray]:
    """Test accuracy by layer: linguistic and control (2, layers), and linguistic on hard words (layers,).

    `states` (layers, words, d). Without hard words theirs is an empty array.
    """
    found, hard = np.empty((2, len(states))), []
    difficult = asked.hard[asked.test].astype(bool)
    for layer, state in enumerate(states):
        features = state[asked.places]
        ready = _standardised(features[~asked.test])
        for k, labels in enumerate((asked.labels, asked.control)):
            probe = _fit(ready, labels[~asked.test], len(asked.names))
            right = probe.predict(features[asked.test]) == labels[asked.test]
            found[k, layer] = right.mean()
            if k == 0 and difficult.any():
                hard.append(right[difficult].mean())
    return found, np.array(hard)


def floors(asked: Questions) -> tuple[np.ndarray, np.ndarray]:
    """Test accuracy without any network, linguistic and control (2,): the most frequent label, and that of each word.

    Words that did not occur in train sentences get the most frequent label of all.
    """
    majority, by_word = np.empty(2), np.empty(2)
    for k, labels in enumerate((asked.labels, asked.control)):
        train, test = labels[~asked.test], labels[asked.test]
        common = np.bincount(train).argmax()
        seen: dict[str, list[int]] = {}
        for word, label in zip(asked.words[~asked.test].tolist(), train):
            seen.setdefault(word, []).append(label)
        own = {word: np.bincount(own).argmax() for word, own in seen.items()}
        guess = np.array([own.get(word, common) for word in asked.words[asked.test].tolist()])
        majority[k], by_word[k] = (test == common).mean(), (test == guess).mean()
    return majority, by_word
