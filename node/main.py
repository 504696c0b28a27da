"""`matchstrike-node`: run a node, or one of its subcommands, as Substrate's nodes do."""

from __future__ import annotations

import sys

import click

from node.chain_commands import (
    build_spec,
    chain_info,
    check_block,
    export_blocks,
    export_finality_proof,
    import_blocks,
    purge_chain,
    revert,
)
from node.failures import explain_failures
from node.keys_command import key
from node.log_format import parse_log_filters, set_up_logs
from node.ports import check_ports
from node.run_config import make_run_config
from node.run_options import add_run_options, add_shared_options
from workers.process_setup import set_up_process


@click.group(
    invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="matchstrike", prog_name="matchstrike-node")
@add_shared_options
@add_run_options
@click.pass_context
def main(context: click.Context, /, **options: object) -> None:
    """Run a Matchstrike node. Without a subcommand, and with --dev, it mines a development chain of its own."""
    set_up_process()
    if context.invoked_subcommand is not None:
        return
    with explain_failures():
        config = make_run_config(options)
        set_up_logs(parse_log_filters(config.shared.log), is_detailed=config.shared.detailed_log_output)
        check_ports(config)
        # imported here because it loads the whole node, which no subcommand's help needs
        from node.app import run

        run(config)


for _command in (
    build_spec,
    purge_chain,
    export_blocks,
    export_finality_proof,
    import_blocks,
    check_block,
    revert,
    chain_info,
    key,
):
    main.add_command(_command)

if __name__ == "__main__":
    sys.exit(main())
