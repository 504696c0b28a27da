"""Subcommands that work on a chain without running a node, with Substrate's prompts and output."""

from __future__ import annotations

import click


@click.command("build-spec")
def build_spec() -> None:
    """x"""


@click.command("purge-chain")
def purge_chain() -> None:
    """x"""


@click.command("export-blocks")
def export_blocks() -> None:
    """x"""


@click.command("import-blocks")
def import_blocks() -> None:
    """x"""


@click.command("check-block")
def check_block() -> None:
    """x"""


@click.command("revert")
def revert() -> None:
    """x"""


@click.command("chain-info")
def chain_info() -> None:
    """x"""
