"""What is being mined: the present template, when the next one is due, and which templates a seal may still fit.

Invariants: generations only grow; a seal is taken for a template on the present head only, and once.
"""

from __future__ import annotations

from chain.block import Block
from chain.header import Header, make_unsealed
from chain.params import Params
from consensus.digest import WorkSeal
from consensus.work import compute_work_key
from node.core.author import Author, Ground, Preparation, Template, seal_template
from node.core.mempool import Mempool
from node.core.sealing import Sealing, Situation, is_template_due

TEMPLATES_KEPT_MAX = 64


class MiningDesk:
    """Templates of this node's author, and those handed out over RPC."""

    def __init__(self, author: Author, params: Params, *, account: bytes | None, sealing: Sealing) -> None:
        """Begin without a template.

        Args:
            account: Who earns the rewards; None mines nothing.
        """
        self.author = author
        self.account = account
        self.sealing = sealing
        self.generation = 0
        self.template: Template | None = None
        self._params = params
        self._templates: dict[bytes, Template] = {}
        self._by_generation: dict[int, bytes] = {}

    def is_due(self, *, head_since_ms: int, has_ready: bool, has_unsettled: bool, now_ms: int) -> bool:
        """Return whether to make a template now."""
        if self.account is None:
            return False
        situation = Situation(
            made_ms=None if self.template is None else self.template.made_ms,
            head_since_ms=head_since_ms,
            has_ready=has_ready,
            has_unsettled=has_unsettled,
        )
        target_ms = self._params.work.block_target_ms
        return is_template_due(self.sealing, situation, now_ms=now_ms, block_target_ms=target_ms)

    def prepare(self, ground: Ground, pool: Mempool, now_ms: int) -> Preparation:
        """Make the next template of this node's author."""
        assert self.account is not None
        preparation = self.author.prepare(ground, pool, self.account, now_ms=now_ms)
        self.generation += 1
        self.template = preparation.template
        self._by_generation[self.generation] = self._keep(preparation.template)
        return preparation

    def prepare_for(self, account: bytes, ground: Ground, pool: Mempool, now_ms: int) -> Template:
        """Make a template for a miner outside the node; its pool's invalid extrinsics stay for the node to remove."""
        template = self.author.prepare(ground, pool, account, now_ms=now_ms).template
        self._keep(template)
        return template

    def take(self, generation: int, seal: WorkSeal) -> Block | None:
        """Return the block of a winning ticket, None if its template is out of date."""
        work_key = self._by_generation.get(generation)
        template = None if work_key is None else self._templates.get(work_key)
        return None if template is None else seal_template(template, seal)

    def find(self, header: Header) -> Template | None:
        """Return the template of a header, sealed or not."""
        return self._templates.get(compute_work_key(make_unsealed(header)))

    def on_head(self) -> None:
        """Drop every template: the head has moved."""
        self.template = None
        self._templates.clear()
        self._by_generation.clear()

    def _keep(self, template: Template) -> bytes:
        work_key = template.job.work_key
        self._templates[work_key] = template
        while len(self._templates) > TEMPLATES_KEPT_MAX:
            del self._templates[next(iter(self._templates))]
        return work_key
