"""What the RPC server asks of the node (`rpc.api.NodeApi`): one object in front of the services.

Reads run in the event loop's thread, in turn with the core, which pauses only where what they see is whole. What the
core has to do for a caller is awaited.
"""

from __future__ import annotations

from network.service import NetworkService
from node.chain_service import ChainService
from node.driver import Driver
from node.finality_service import FinalityService
from node.peer_service import PeerService
from node.pool_service import PoolService
from node.run_config import RunConfig
from node.startup import Site
from node.system_service import SystemService
from node.work_service import WorkService


class NodeService:
    """The services as one."""

    def __init__(self, driver: Driver, config: RunConfig, site: Site, network: NetworkService | None = None) -> None:
        """Bind the services' methods; `rpc.api` documents each."""
        chain, pool = ChainService(driver), PoolService(driver)
        work, system = WorkService(driver), SystemService(driver, config, site)
        peers = PeerService(network)

        self.get_best_hash = chain.get_best_hash
        self.get_finalized_hash = chain.get_finalized_hash
        self.get_hash = chain.get_hash
        self.get_header = chain.get_header
        self.get_block = chain.get_block
        self.get_state = chain.get_state
        self.prove_state = chain.prove_state
        self.subscribe_heads = chain.subscribe_heads
        self.subscribe_news = chain.subscribe_news
        self.get_metadata = chain.get_metadata
        self.get_runtime_version = chain.get_runtime_version
        self.call_runtime = chain.call_runtime

        self.submit = pool.submit
        self.watch = pool.watch
        self.get_pending = pool.get_pending
        self.remove_extrinsics = pool.remove_extrinsics
        self.get_pool_status = pool.get_pool_status
        self.get_next_index = pool.get_next_index
        self.query_fee = pool.query_fee
        self.dry_run = pool.dry_run
        self.get_transaction = pool.get_transaction

        self.list_problems = work.list_problems
        self.get_problem = work.get_problem
        self.get_solutions = work.get_solutions
        self.list_batches = work.list_batches
        self.list_solvers = work.list_solvers
        self.get_solver = work.get_solver
        self.get_work_status = work.get_work_status
        self.get_mining_status = work.get_mining_status
        self.get_work_template = work.get_work_template
        self.submit_work = work.submit_work
        self.replay_seal = work.replay_seal

        finality = FinalityService(driver)
        self.get_finality_status = finality.get_finality_status
        self.prove_finality = finality.prove_finality
        self.list_offences = finality.list_offences
        self.report_offence = finality.report_offence

        self.get_system_info = system.get_system_info
        self.get_sync_state = system.get_sync_state
        self.add_log_filter = system.add_log_filter
        self.reset_log_filter = system.reset_log_filter
        self.insert_key = system.insert_key
        self.has_key = system.has_key

        self.list_peers = peers.list_peers
        self.list_listen_addresses = peers.list_listen_addresses
        self.list_reserved = peers.list_reserved
        self.add_reserved = peers.add_reserved
        self.remove_reserved = peers.remove_reserved
