"""Command line of `crowdtwist-receiver`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import ssl
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import uvloop

from crowdtwist_receiver.addresses import Addresses
from crowdtwist_receiver.app import Receiver
from crowdtwist_receiver.auth import API_KEY, PASSWORD, USER, Credentials
from crowdtwist_receiver.body import BodyReader
from crowdtwist_receiver.disk import prepare_directory
from crowdtwist_receiver.hook import Hook, load_hook
from crowdtwist_receiver.journal import Journal
from crowdtwist_receiver.metrics import Metrics
from crowdtwist_receiver.options import ReceiverOptions
from crowdtwist_receiver.retention import remove_every_hour, remove_old_captures
from crowdtwist_receiver.serving import Server, open_socket
from crowdtwist_receiver.stats import ReceiverStats, log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from socket import socket

    from crowdtwist_receiver.addresses import Network

_LOOPBACK = ("127.", "::1", "localhost")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise, so that the command prints one line instead of usage and error."""
        raise ValueError(f"{message[:1].upper()}{message[1:]}.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="crowdtwist-receiver",
        description="Receive events of CrowdTwist's Live Push; respond when they are on disk."
        " Prints one line of JSON with the URL, then serves until interrupted.",
        epilog=f"Set {USER} and {PASSWORD}, or {API_KEY}, in the environment. Secrets are not"
        " accepted on the command line, which other users can read.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    defaults = ReceiverOptions(Path())

    def add(name: str, kind: Any, help: str, **more: Any) -> None:  # noqa: A002 - the name in argparse
        default = getattr(defaults, name[2:].replace("-", "_"))
        if default in (None, ()):
            default = argparse.SUPPRESS
        parser.add_argument(name, type=kind, default=default, help=help, **more)

    parser.add_argument(
        "--directory",
        type=Path,
        required=True,
        default=argparse.SUPPRESS,
        help="directory of the events, written as JSON lines; created if missing",
    )
    add("--host", str, "address to listen on")
    add("--port", int, "port to listen on; 0 for any free port")
    add("--user-file", Path, f"file with the user, instead of {USER}")
    add("--password-file", Path, f"file with the password, instead of {PASSWORD}")
    add("--api-key-file", Path, f"file with the key, instead of {API_KEY}")
    add("--tls-certificate", Path, "PEM file of the certificate and its chain, to serve https")
    add("--tls-key", Path, "PEM file of its private key, without passphrase")
    add("--max-body", int, "maximum size of a body, in bytes")
    add("--body-timeout", float, "seconds until a body must be complete")
    add("--max-bodies", int, "maximum number of incomplete bodies")
    add("--max-queue", int, "maximum number of bytes that wait to be written")
    add(
        "--third-party-id-hook",
        str,
        "function that returns the third-party id for a profile",
        metavar="MODULE:FUNCTION",
    )
    add("--hook-timeout", float, "time limit of the hook, in seconds")
    networks = {"action": "append", "metavar": "NETWORK"}
    add(
        "--allow",
        _network,
        "network that may post, such as 203.0.113.0/24; repeatable",
        **networks,
    )
    add(
        "--trusted-proxy",
        _network,
        "network of proxies whose X-Forwarded-For is trusted; repeatable",
        **networks,
    )
    add(
        "--metrics-allow",
        _network,
        "network that may read /metrics; repeatable. Without it, nobody may",
        **networks,
    )
    add("--keep-days", int, "remove captures that many days after their hour")
    parser.add_argument(
        "--no-authentication",
        action="store_true",
        help="accept requests without credentials; requires --allow, without loopback"
        " addresses. A proxy that --trusted-proxy does not name counts as the client",
    )
    add("--max-seconds", float, "stop after that many seconds")
    return parser


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        message = "must be a network such as 203.0.113.0/24, or an address"
        raise argparse.ArgumentTypeError(message) from None


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP.

    Returns:
        0 after an orderly stop, 1 if an option, the directory or the port cannot be used.
    """
    try:
        options = ReceiverOptions(**vars(_parser().parse_args(argv)))
        credentials = Credentials.load(options, os.environ)
        _check_certificate(options)
        hook = None
        if options.third_party_id_hook is not None:
            hook = Hook(load_hook(options.third_party_id_hook), options.hook_timeout)
        stats = ReceiverStats()
        # Before the directory is tried: old captures may be what fills the disk.
        if options.keep_days is not None and options.directory.is_dir():
            remove_old_captures(options.directory, options.keep_days, stats)
        prepare_directory(options.directory)
        sock = open_socket(options.host, options.port)
    except ValueError as error:
        log(str(error))
        return 1
    try:
        uvloop.run(_serve(options, credentials, hook, sock, stats))
    finally:
        sock.close()
    return 0


async def _serve(
    options: ReceiverOptions,
    credentials: Credentials | None,
    hook: Hook | None,
    sock: socket,
    stats: ReceiverStats,
) -> None:
    bodies = BodyReader(
        max_bytes=options.max_body,
        timeout=options.body_timeout,
        max_incomplete=options.max_bodies,
    )
    journal = Journal(options.directory, options.max_queue, stats)
    addresses = Addresses(options.allow, options.trusted_proxy)
    metrics = None
    if options.metrics_allow:
        readers = Addresses(options.metrics_allow, options.trusted_proxy)
        metrics = Metrics(readers, journal, stats)
    receiver = Receiver(addresses, credentials, bodies, journal, stats, hook, metrics)
    server = Server(receiver, options, stats.report_if_due, bodies.stop)
    loop = asyncio.get_running_loop()
    stop_signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # ignored under `nohup`
        stop_signals.append(signal.SIGHUP)
    for number in stop_signals:
        loop.add_signal_handler(number, server.stop)
    if options.max_seconds is not None:
        loop.call_later(options.max_seconds, server.stop)
    journal.start()
    tasks = []
    if options.keep_days is not None:
        remover = remove_every_hour(options.directory, options.keep_days, stats)
        tasks.append(loop.create_task(remover))
    # The journal closes after the server, so that requests in flight are still stored.
    try:
        _announce(options, sock)
        await server.serve(sockets=[sock])
    finally:
        for task in tasks:
            task.cancel()
        journal.close()
        stats.report()
        for number in stop_signals:
            loop.remove_signal_handler(number)


def _announce(options: ReceiverOptions, sock: socket) -> None:
    scheme = "https" if options.tls_certificate else "http"
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"{scheme}://{host}:{sock.getsockname()[1]}"
    sys.stdout.write(json.dumps({"url": url, "live_url": f"{url}/live"}) + "\n")
    sys.stdout.flush()
    if options.no_authentication:
        log("authentication is off: every client with an allowed address may post.")
    if scheme == "http" and not options.host.startswith(_LOOPBACK):
        log("serves plain http: make sure that only a TLS proxy can reach it.")


def _check_certificate(options: ReceiverOptions) -> None:
    """Check that the certificate and its key can be used, before the server starts.

    Raises:
        ValueError: with a message that names the options.
    """
    if options.tls_certificate is None:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Without a password, OpenSSL would prompt for one.
        context.load_cert_chain(options.tls_certificate, options.tls_key, password="")
    except (OSError, ValueError):  # an SSLError is an OSError
        raise ValueError(
            "--tls-certificate and --tls-key: must be readable PEM files of a certificate and its"
            " key, without passphrase."
        ) from None
