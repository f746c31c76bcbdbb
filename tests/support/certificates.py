"""A certificate made on the spot, and what a server needs to show it."""

from __future__ import annotations

import ssl
import subprocess
import warnings
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

NAME = "api.example.test"


class Certificate(NamedTuple):
    """Files of a certificate that vouches for itself, for loopback and for `NAME`."""

    chain: Path
    key: Path
    folder: Path

    def context(self, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> ssl.SSLContext:
        """What a server serves with that has it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of versions that nobody speaks
            context.maximum_version = newest
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context


def make_certificate(folder: Path) -> Certificate:
    """Make one; `folder` in it is a directory of certificates as OpenSSL looks them up."""
    made = Certificate(folder / "cert.pem", folder / "key.pem", folder / "trusted")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = f"subjectAltName=IP:127.0.0.1,DNS:{NAME}"
    files = ["-keyout", str(made.key), "-out", str(made.chain)]
    subprocess.run(
        [*command.split(), "-subj", "/CN=made up", "-addext", names, *files],
        check=True,
        capture_output=True,
    )
    hashed = subprocess.run(
        ["openssl", "x509", "-noout", "-subject_hash", "-in", str(made.chain)],
        check=True,
        capture_output=True,
        encoding="ascii",
    ).stdout.strip()
    made.folder.mkdir()
    (made.folder / f"{hashed}.0").write_bytes(made.chain.read_bytes())
    return made
