"""A linear probe in closed form: discriminant analysis with one, shrunk covariance. Nothing is tuned."""

from __future__ import annotations

import numpy as np

from .sentences import Questions

SHRINK = 0.01  # added to the diagonal of the covariance of standardised features


def standardised(features: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Features (T, d), centred and scaled: those of `train` (T,) have mean 0 and deviation 1, or are all 0."""
    features = features.astype(np.float64)
    scale = features[train].std(axis=0)
    return (features - features[train].mean(axis=0)) / np.where(scale > 1e-8, scale, 1.0)


def fit(z: np.ndarray, products: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (d, C) and biases (C,) of a probe for standardised features `z` (T, d) and `labels` (T,) below `classes`.

    `products` are z.T @ z, the same for all labels. A class that does not occur has a bias of minus infinity.
    """
    counts = np.bincount(labels, minlength=classes)
    means = (np.eye(classes)[labels].T @ z) / np.maximum(counts, 1)[:, None]
    within = (products - (means.T * counts) @ means) / len(z)
    weights = np.linalg.solve(within + SHRINK * np.eye(z.shape[1]), means.T)
    prior = np.where(counts > 0, np.log(np.maximum(counts, 1) / len(z)), -np.inf)
    return weights, prior - 0.5 * (means.T * weights).sum(axis=0)


def accuracies(states: np.ndarray, asked: Questions) -> tuple[np.ndarray, np.ndarray]:
    """Test accuracy by layer: linguistic and control (2, layers), and linguistic on hard words (layers,).

    `states` (layers, words, d). Without hard words theirs is an empty array.
    """
    found, hard, train = np.empty((2, len(states))), [], ~asked.test
    difficult = asked.hard[asked.test].astype(bool)
    for layer, state in enumerate(states):
        z = standardised(state[asked.places], train)
        products = z[train].T @ z[train]
        for k, labels in enumerate((asked.labels, asked.control)):
            weights, bias = fit(z[train], products, labels[train], len(asked.names))
            right = (z[asked.test] @ weights + bias).argmax(axis=1) == labels[asked.test]
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
