"""
Communities and modularity of weighted graphs by NetworkX (Louvain's method, Blondel et al. 2008): test/fixtures/communities.json.

    pip install networkx
    python scripts/reference/communities.py
"""

import json
import random
from pathlib import Path

import networkx
from networkx.algorithms import community

PATH = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "communities.json"


def planted(sizes, inside, between, seed):
    """Edges within groups are frequent and heavy, others rare and light."""
    draw = random.Random(seed)
    group = [index for index, size in enumerate(sizes) for _ in range(size)]
    graph = networkx.Graph()
    for a in range(len(group)):
        for b in range(a + 1, len(group)):
            same = group[a] == group[b]
            if draw.random() < (inside if same else between):
                graph.add_edge(a, b, weight=draw.randint(3, 9) if same else 1)
    return graph, group


def describe(graph, seed):
    found = {}
    for resolution in (0.5, 1.0, 2.0):
        # The best of several random orders, as the method depends on the order of nodes.
        best = max(
            (
                community.louvain_communities(graph, weight="weight", resolution=resolution, seed=seed + i)
                for i in range(10)
            ),
            key=lambda groups: community.modularity(graph, groups, weight="weight", resolution=resolution),
        )
        found[str(resolution)] = {
            "communities": sorted(sorted(group) for group in best),
            "modularity": community.modularity(graph, best, weight="weight", resolution=resolution),
        }
    return {"edges": [[a, b, data["weight"]] for a, b, data in graph.edges(data=True)], "found": found}


def main():
    clear, group = planted([8, 12, 10, 6], 0.8, 0.05, 3)
    mixed, _ = planted([20, 20, 20], 0.3, 0.15, 4)
    figures = {
        "clear": {**describe(clear, 0), "planted": group},
        "mixed": describe(mixed, 0),
    }
    PATH.write_text(json.dumps(figures) + "\n")
    for name in figures:
        print(name, {key: (len(each["communities"]), each["modularity"]) for key, each in figures[name]["found"].items()})


main()
