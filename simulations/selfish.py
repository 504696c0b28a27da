"""What a selfish miner publishes when: algorithm 1 of Eyal and Sirer, without any chain.

Terms:
    lead: own secret chain's length less that of the public one, before the news.

Source: Eyal, Sirer, Majority is not Enough, arXiv:1311.0243.
"""

from __future__ import annotations


class SelfishPlan:
    """Keep what is found, and publish just enough to make others' work worthless."""

    def __init__(self) -> None:
        """Begin with nothing in hand."""
        self.hidden = 0
        self._branch = 0  # own blocks since the fork, published or not

    @property
    def is_idle(self) -> bool:
        """Whether nothing is hidden and nothing in dispute."""
        return self.hidden == 0 and self._branch == 0

    def on_mined(self, lead: int) -> int:
        """Return how many hidden blocks to publish, oldest first, after finding one."""
        self.hidden += 1
        self._branch += 1
        return self._publish_all() if lead == 0 and self._branch == 2 else 0

    def on_heard(self, lead: int) -> int:
        """Return how many hidden blocks to publish, oldest first, after others found one."""
        if lead <= 0:
            self.forget()
            return 0
        if lead == 2:
            return self._publish_all()
        self.hidden -= 1
        return 1

    def forget(self) -> None:
        """Give up what is hidden: the public chain has won."""
        self.hidden = self._branch = 0

    def _publish_all(self) -> int:
        count, self.hidden, self._branch = self.hidden, 0, 0
        return count
