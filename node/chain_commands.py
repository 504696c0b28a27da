"""Subcommands that work on a chain without running a node, with Substrate's prompts and output."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import click

from node.failures import CommandFailure, explain_failures
from node.log_format import parse_log_filters, set_up_logs
from node.run_config import SharedOptions, make_shared
from node.run_options import add_shared_options

PROGRESS_BLOCKS = 1000


@contextmanager
def _prepare(options: dict[str, object]) -> Iterator[SharedOptions]:
    """Explain failures, set the log up, and return the shared options."""
    with explain_failures():
        shared = make_shared(options)
        set_up_logs(parse_log_filters(shared.log), is_detailed=shared.detailed_log_output)
        yield shared


@click.command("build-spec")
@add_shared_options
@click.option("--raw", is_flag=True, help="The state of block 0 itself instead of the genesis config.")
@click.option("--disable-default-bootnode", is_flag=True, help="Accepted; no bootnode is ever added.")
def build_spec(raw: bool, disable_default_bootnode: bool, **options: object) -> None:
    """Print a chain spec as JSON: a preset, or the file that --chain names."""
    with _prepare(options) as shared:
        from genesis.chain_spec import format_chain_spec, make_raw
        from node.startup import load_spec

        spec = load_spec(shared)
        click.echo(format_chain_spec(make_raw(spec) if raw and not spec.is_raw else spec), nl=False)


@click.command("purge-chain")
@add_shared_options
@click.option("-y", "yes", is_flag=True, help="Do not ask.")
def purge_chain(yes: bool, **options: object) -> None:
    """Remove a chain's database; keys stay."""
    with _prepare(options) as shared:
        from chain.store import StoreError
        from node.leveldb_store import LevelDbStore, StoreLocked
        from node.startup import find_folders, load_spec

        path = find_folders(shared, load_spec(shared)).database
        if not path.exists():
            click.echo(f'"{path}" did not exist.')
            return
        if not yes:
            answer: str = click.prompt(
                f'Are you sure to remove "{path}"? [y/N]', default="", show_default=False, prompt_suffix=": "
            )
            if answer.lower() not in ("y", "yes"):
                click.echo("Aborted")
                return
        try:
            LevelDbStore(path).close()
        except StoreLocked:
            raise
        except StoreError:
            pass  # a damaged database is a good reason to remove it
        shutil.rmtree(path)
        click.echo(f'"{path}" removed.')


@click.command("export-blocks")
@add_shared_options
@click.argument("output", required=False, type=click.File("wb"))
@click.option("--from", "first", type=click.IntRange(0), default=1, show_default=True, help="First block.")
@click.option("--to", "last", type=click.IntRange(0), help="Last block; the best one if absent.")
@click.option("--binary", is_flag=True, help="SCALE instead of JSON.")
def export_blocks(output: BinaryIO | None, first: int, last: int | None, binary: bool, **options: object) -> None:
    """Write blocks of the best chain to a file or stdout."""
    with _prepare(options) as shared:
        from node.block_stream import write_blocks
        from node.offline_chain import iterate_blocks, open_existing

        with open_existing(shared) as chain:
            end = chain.head.number if last is None else last
            if not first <= end <= chain.head.number:
                raise CommandFailure(f"blocks {first} to {end} were asked for; the best block is {chain.head.number}")
            target = output if output is not None else sys.stdout.buffer
            write_blocks(iterate_blocks(chain, first, end), end - first + 1, target, binary=binary)


@click.command("export-finality-proof")
@add_shared_options
@click.argument("output", required=False, type=click.File("wb"))
@click.option("--from", "start", metavar="HASH", help="Begin with this checkpoint instead of block 0.")
def export_finality_proof(output: BinaryIO | None, start: str | None, **options: object) -> None:
    """Write the proof of what is final to a file or stdout; `matchstrike stake verify` checks it."""
    with _prepare(options) as shared:
        from node.finality_proof import encode_proof_file, make_proof
        from node.offline_chain import open_existing
        from node.run_config import parse_checkpoint
        from node.startup import load_spec

        with open_existing(shared) as chain:
            begin = parse_checkpoint(start) or chain.genesis_hash
            proof = make_proof(chain, load_spec(shared).params.finality, begin)
            if proof is None or not proof.steps:
                raise CommandFailure("there is nothing to prove from there: no votes on this chain, or no such block")
            data = encode_proof_file(proof)
            (output if output is not None else sys.stdout.buffer).write(data)
            click.echo(f"{len(proof.steps)} steps, {len(data)} bytes", err=True)


@click.command("import-blocks")
@add_shared_options
@click.argument("source", required=False, type=click.File("rb"))
@click.option("--binary", is_flag=True, help="SCALE instead of JSON.")
def import_blocks(source: BinaryIO | None, binary: bool, **options: object) -> None:
    """Import blocks from a file or stdin, with every check."""
    with _prepare(options) as shared:
        from node.block_stream import read_blocks
        from node.offline_chain import import_all, open_any

        with open_any(shared) as importer:
            bytes_max = importer.params.block.bytes_max
            stream = source if source is not None else sys.stdin.buffer
            imported, known = 0, 0
            for is_new in import_all(importer, read_blocks(stream, binary=binary, block_bytes_max=bytes_max)):
                imported, known = imported + is_new, known + (not is_new)
                if (imported + known) % PROGRESS_BLOCKS == 0:
                    click.echo(f"#{importer.head.number}: {imported} blocks imported", err=True)
            head = importer.head
            click.echo(f"🎉 Imported {imported} blocks, {known} were known. Best: #{head.number} (0x{head.hash.hex()})")


@click.command("check-block")
@add_shared_options
@click.argument("block", metavar="HASH|NUMBER")
def check_block(block: str, **options: object) -> None:
    """Judge and execute a stored block again."""
    with _prepare(options) as shared:
        from node.offline_chain import check_stored_block, open_existing

        with open_existing(shared) as chain:
            click.echo(check_stored_block(chain, shared, block))


@click.command("revert")
@add_shared_options
@click.argument("count", type=click.IntRange(0), default=256, required=False)
def revert(count: int, **options: object) -> None:
    """Take the last blocks back (256 if no number is given), as far as undo records reach."""
    with _prepare(options) as shared:
        from node.offline_chain import open_existing, revert_blocks

        with open_existing(shared) as chain:
            done = revert_blocks(chain, count)
            head = chain.head
            if done == 0:
                click.echo("There aren't any blocks to revert.")
            else:
                click.echo(f"Reverted {done} blocks. Best: #{head.number} (0x{head.hash.hex()})")


@click.command("chain-info")
@add_shared_options
def chain_info(**options: object) -> None:
    """Print the chain's best, final and genesis block as JSON."""
    with _prepare(options) as shared:
        from node.offline_chain import describe_chain, open_existing

        with open_existing(shared) as chain:
            click.echo(describe_chain(chain))
