"""The command `crowdtwist-receiver`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import uvloop

from crowdtwist_receiver.addresses import Addresses, network
from crowdtwist_receiver.app import Receiver, receiver_app
from crowdtwist_receiver.auth import API_KEY, PASSWORD, USER, Credentials
from crowdtwist_receiver.body import Bodies
from crowdtwist_receiver.disk import prepare
from crowdtwist_receiver.hook import Hook, load_hook
from crowdtwist_receiver.journal import Journal
from crowdtwist_receiver.options import ReceiverOptions
from crowdtwist_receiver.serving import Server, listen
from crowdtwist_receiver.stats import ReceiverStats, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from socket import socket

    from crowdtwist_receiver.addresses import Network

_LOOPBACK = ("127.", "::1", "localhost")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Leave it to the command to say so, in one line."""
        raise ValueError(f"{message[:1].upper()}{message[1:]}.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="crowdtwist-receiver",
        description="Take what CrowdTwist's Live Push posts, and answer when it is on disk."
        " Prints one line of JSON with the URL, then serves until interrupted.",
        epilog=f"Who may post is told by {USER} and {PASSWORD}, or {API_KEY}, in the environment;"
        " never on the command line, which others can read.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    defaults = ReceiverOptions(Path())

    def add(name: str, kind: Any, help: str, **more: Any) -> None:  # noqa: A002 - argparse's word
        default = getattr(defaults, name[2:].replace("-", "_"))
        if default in (None, ()):
            default = argparse.SUPPRESS
        parser.add_argument(name, type=kind, default=default, help=help, **more)

    parser.add_argument(
        "--directory",
        type=Path,
        required=True,
        default=argparse.SUPPRESS,
        help="where the events go, as JSON lines; made if it is not there",
    )
    add("--host", str, "the address to listen at")
    add("--port", int, "0 for any free one")
    add("--user-file", Path, f"holds the user, instead of {USER}")
    add("--password-file", Path, f"holds the password, instead of {PASSWORD}")
    add("--api-key-file", Path, f"holds the key, instead of {API_KEY}")
    add("--tls-certificate", Path, "PEM file of the certificate and its chain: serve https")
    add("--tls-key", Path, "PEM file of its private key, without passphrase")
    add("--max-body", int, "bytes that a body may have")
    add("--body-timeout", float, "seconds that a body may take")
    add("--max-bodies", int, "bodies that may be incomplete at a time")
    add("--max-queue", int, "bytes that may wait for the disk")
    add("--third-party-id-hook", str, "tells a profile's third-party id", metavar="MODULE:FUNCTION")
    add("--hook-timeout", float, "seconds that the hook may take")
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
        "network of proxies whose X-Forwarded-For tells the client's address; repeatable",
        **networks,
    )
    parser.add_argument(
        "--no-authentication",
        action="store_true",
        help="ask for no secret; needs --allow. Behind a proxy that is not named by"
        " --trusted-proxy, its address stands for the whole world, so loopback is never allowed",
    )
    add("--max-seconds", float, "stop by itself after that long")
    return parser


def _network(text: str) -> Network:
    try:
        return network(text)
    except ValueError:
        message = "must be a network such as 203.0.113.0/24, or an address"
        raise argparse.ArgumentTypeError(message) from None


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP.

    Returns:
        0 after a quiet end, 1 for what cannot be used: an option, a directory, a port.
    """
    try:
        options = ReceiverOptions(**vars(_parser().parse_args(argv)))
        credentials = Credentials.gather(options, os.environ)
        _check_certificate(options)
        hook = None
        if options.third_party_id_hook is not None:
            hook = Hook(load_hook(options.third_party_id_hook), options.hook_timeout)
        prepare(options.directory)
        sock = listen(options.host, options.port)
    except ValueError as error:
        say(str(error))
        return 1
    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(_serve(options, credentials, hook, sock))
    finally:
        loop.close()
        sock.close()
    return 0


async def _serve(
    options: ReceiverOptions, credentials: Credentials | None, hook: Hook | None, sock: socket
) -> None:
    bodies = Bodies(
        largest=options.max_body, seconds=options.body_timeout, at_once=options.max_bodies
    )
    stats = ReceiverStats()
    journal = Journal(options.directory, options.max_queue, stats)
    addresses = Addresses(options.allow, options.trusted_proxy)
    app = receiver_app(Receiver(addresses, credentials, bodies, journal, stats, hook))
    server = Server(app, options, [bodies.sweep, stats.tick], bodies.stop)
    loop = asyncio.get_running_loop()
    stops = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # else `nohup` wants it to go on
        stops.append(signal.SIGHUP)
    for number in stops:
        loop.add_signal_handler(number, server.stop)
    if options.max_seconds is not None:
        loop.call_later(options.max_seconds, server.stop)
    journal.start()
    try:
        _announce(options, sock)
        await server.serve(sockets=[sock])
    finally:
        journal.close()
        stats.report()
        for number in stops:
            loop.remove_signal_handler(number)


def _announce(options: ReceiverOptions, sock: socket) -> None:
    scheme = "https" if options.tls_certificate else "http"
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"{scheme}://{host}:{sock.getsockname()[1]}"
    sys.stdout.write(json.dumps({"url": url, "live_url": f"{url}/live"}) + "\n")
    sys.stdout.flush()
    if options.no_authentication:
        say("asks nobody for a secret: whoever has an allowed address may post.")
    if scheme == "http" and not options.host.startswith(_LOOPBACK):
        say("serves plain http: see that only a proxy which speaks TLS can reach it.")


def _check_certificate(options: ReceiverOptions) -> None:
    """See that the server can use the certificate.

    Raises:
        ValueError: with a sentence.
    """
    if options.tls_certificate is None:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.tls_certificate, options.tls_key, password="")
    except (OSError, ValueError):  # an SSLError is an OSError
        raise ValueError(
            "--tls-certificate and --tls-key: are not a certificate and its key, in PEM files"
            " that can be read, without passphrase."
        ) from None
