"""What slots say of the places ahead: kept from pass to pass until text stands there.

Slots are predicted behind a text that was known, or foreseen, at the time. Where it went on otherwise they
know less of what comes than slots predicted anew, and with what is known by now they still say most of it: so
a group of masks need not be computed in every pass. Pure data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.denoising.draft import Draft
from engine.denoising.top import LogitRows, Logits, top_of


@dataclass(frozen=True, slots=True)
class Ahead:
    """Slots at the places right behind the settled tokens.

    Attributes:
        logits: what was said of each slot ``[n]``.
        distances: how many slots of its group stand before each ``[n]``.
    """

    logits: tuple[Logits, ...] = ()
    distances: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.logits)

    @classmethod
    def group(cls, logits: LogitRows) -> Ahead:
        """A group of slots, predicted together ``[n]``."""
        return cls(tuple(logits), tuple(range(len(logits))))

    def beyond(self, n_tokens: int) -> Ahead:
        """What is left when so many more tokens are settled."""
        return Ahead(self.logits[n_tokens:], self.distances[n_tokens:])

    def over(self, older: Ahead) -> Ahead:
        """These slots, and behind them what older ones say of places further on."""
        rest = older.beyond(len(self))
        return Ahead((*self.logits, *rest.logits), (*self.distances, *rest.distances))

    def after(self, n_settled: int, groups: Sequence[LogitRows], path: Sequence[int]) -> Ahead:
        """What is ahead after a pass.

        Args:
            n_settled: tokens that it settled.
            groups: the slots it predicted, by the place that each group follows
                (``engine.denoising.denoiser.Prediction.drafts``).
            path: the places that turned out right, in order; the next token behind the last one stands too.
        """
        ahead = self.beyond(n_settled)
        for depth, place in enumerate(path):  # the last group knows most
            ahead = Ahead.group(groups[place]).beyond(n_settled - 1 - depth).over(ahead)
        return ahead

    def alone(self) -> Draft:
        """The run of every slot's best token, none knowing of the others."""
        tops = [top_of(logits) for logits in self.logits]
        best = [int(top.tokens[0]) for top in tops]
        return Draft.run(best, [top.chance_of(token) for top, token in zip(tops, best, strict=True)])
