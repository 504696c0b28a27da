"""What goes wrong with a devnet, as sentences."""

from __future__ import annotations


class DevnetFailed(Exception):
    """A devnet could not do what was asked."""


class DevnetTimeout(DevnetFailed):
    """Something did not happen in time."""


class BadNetworkFile(DevnetFailed):
    """A file that describes no network."""


class BadScript(DevnetFailed):
    """A test file with lines that say nothing a devnet could do; names each of them."""
