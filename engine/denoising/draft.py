"""A draft: what is proposed behind the settled tokens, with a branch wherever several tokens are likely.

A tree of tokens, its likeliest run first. The base verifies all of it in one pass, each branch unseen by the
others, and follows the branch that it agrees with (the idea is that of arXiv 2305.09781). Pure data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

ROOT = -1
"""The parent of a node that follows the settled tokens."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Nodes, each after its parent; the first ones are a run.

    Attributes:
        tokens: of each node ``[n]``.
        parents: the node that each follows, or ``ROOT`` ``[n]``.
        chances: how likely the base is to agree with each, if it did so with its parent ``[n]``.
    """

    tokens: tuple[int, ...] = ()
    parents: tuple[int, ...] = ()
    chances: tuple[float, ...] = ()

    @classmethod
    def run(cls, tokens: Iterable[int], chances: Iterable[float]) -> Draft:
        """A draft without branches, from lists or arrays."""
        ids = tuple(map(int, tokens))
        return cls(ids, tuple(range(-1, len(ids) - 1)), tuple(map(float, chances)))

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def n_run(self) -> int:
        """How many nodes the run at the start has."""
        return next((i for i, parent in enumerate(self.parents) if parent != i - 1), len(self))

    @property
    def reached(self) -> list[float]:
        """How likely each node is to stand, with all before it ``[n]``."""
        reached: list[float] = []
        for parent, chance in zip(self.parents, self.chances, strict=True):
            reached.append((1.0 if parent == ROOT else reached[parent]) * chance)
        return reached

    @property
    def depths(self) -> list[int]:
        """How many nodes stand before each ``[n]``."""
        depths: list[int] = []
        for parent in self.parents:
            depths.append(0 if parent == ROOT else depths[parent] + 1)
        return depths

    def children(self, node: int) -> list[int]:
        """The nodes that follow one, or ``ROOT``."""
        return [child for child, parent in enumerate(self.parents) if parent == node]

    def path(self, node: int) -> list[int]:
        """The places from ``ROOT`` to a node, both counted in, numbered from 0."""
        path = [node - ROOT]
        while node != ROOT:
            node = self.parents[node]
            path.append(node - ROOT)
        return path[::-1]

    def joined(self, other: Draft) -> Draft:
        """Both in one tree, this one's nodes first; what both propose has the higher of the two chances."""
        tokens, parents, chances = list(self.tokens), list(self.parents), list(self.chances)
        places = {place: node for node, place in enumerate(zip(parents, tokens, strict=True))}
        number = {ROOT: ROOT}
        for node, (parent, token) in enumerate(zip(other.parents, other.tokens, strict=True)):
            place = (number[parent], token)
            if place not in places:
                places[place] = len(tokens)
                tokens.append(token)
                parents.append(place[0])
                chances.append(0.0)
            number[node] = places[place]
            chances[number[node]] = max(chances[number[node]], other.chances[node])
        return Draft(tuple(tokens), tuple(parents), tuple(chances))

    def where(self, kept: Callable[[int], bool]) -> Draft:
        """The draft without the nodes that a rule does not keep, and without what follows them."""
        number = {ROOT: ROOT}
        for node, parent in enumerate(self.parents):
            if parent in number and kept(node):
                number[node] = len(number) - 1
        nodes = list(number)[1:]
        return Draft(
            tuple(self.tokens[node] for node in nodes),
            tuple(number[self.parents[node]] for node in nodes),
            tuple(self.chances[node] for node in nodes),
        )


NO_DRAFT = Draft()
