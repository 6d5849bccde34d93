"""
Out-of-bag R², permutation importances and Spearman's correlations of scikit-learn and SciPy for the settings of made-up
runs: test/fixtures/importance.json.

    pip install scikit-learn
    python scripts/reference/importance.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "importance.json"
FORESTS = 5
REPEATS = 20


def make(seed, rows):
    """Learning rate, width and schedule matter, dropout does not."""
    rng = np.random.default_rng(seed)
    columns = {
        "learning_rate": [float(x) for x in rng.choice([1e-4, 3e-4, 1e-3, 3e-3, 1e-2], rows)],
        "hidden_size": [int(x) for x in rng.choice([64, 128, 256], rows)],
        "dropout": [round(float(x), 4) for x in rng.uniform(0, 0.3, rows)],
        "schedule": [str(x) for x in rng.choice(["cosine", "linear", "constant"], rows)],
    }
    rate = np.log10(columns["learning_rate"]) + 3
    effect = np.array([{"cosine": 0, "linear": 0.05, "constant": 0.2}[x] for x in columns["schedule"]])
    loss = 2 + 0.3 * rate**2 - 0.1 * np.log2(np.array(columns["hidden_size"]) / 64) + effect
    return columns, loss + rng.normal(0, 0.03, rows)


def encode(columns):
    """One column for each number, and for each category one of zeros and ones."""
    parts, groups = [], []
    for values in columns.values():
        if isinstance(values[0], str):
            part = np.array([[float(x == c) for c in sorted(set(values))] for x in values])
        else:
            part = np.array(values, dtype=float)[:, None]
        start = sum(p.shape[1] for p in parts)
        groups.append(list(range(start, start + part.shape[1])))
        parts.append(part)
    return np.hstack(parts), groups


def out_of_bag(forest, table, target, seen):
    sums, votes = np.zeros(len(target)), np.zeros(len(target))
    for tree, mask in zip(forest.estimators_, seen):
        sums[~mask] += tree.predict(table[~mask])
        votes[~mask] += 1
    return r2_score(target[votes > 0], sums[votes > 0] / votes[votes > 0])


def measure(seed, rows):
    columns, target = make(seed, rows)
    table, groups = encode(columns)
    rng = np.random.default_rng(0)
    r2, importances = [], []
    for state in range(FORESTS):
        forest = RandomForestRegressor(n_estimators=200, bootstrap=True, oob_score=True, random_state=state)
        forest.fit(table, target)
        seen = []
        for indices in forest.estimators_samples_:
            mask = np.zeros(rows, dtype=bool)
            mask[indices] = True
            seen.append(mask)
        base = out_of_bag(forest, table, target, seen)
        assert abs(base - forest.oob_score_) < 1e-9
        r2.append(base)
        falls = []
        for group in groups:
            permuted = []
            for _ in range(REPEATS):
                changed = table.copy()
                order = rng.permutation(rows)
                changed[:, group] = table[order][:, group]
                permuted.append(base - out_of_bag(forest, changed, target, seen))
            falls.append(float(np.mean(permuted)))
        importances.append(falls)
    numeric = [name for name, values in columns.items() if not isinstance(values[0], str)]
    return {
        "columns": columns,
        "target": [float(y) for y in target],
        "r2": float(np.mean(r2)),
        "importances": dict(zip(columns, np.mean(importances, axis=0).tolist())),
        "spearman": {name: float(spearmanr(columns[name], target).statistic) for name in numeric},
    }


PATH.write_text(json.dumps([measure(1, 30), measure(2, 200)]) + "\n")
