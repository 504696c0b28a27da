"""Networks of nodes on this machine: described by a file, started, watched, broken on purpose, and asserted on."""
