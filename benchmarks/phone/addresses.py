"""Where a phone finds the page: on loopback, or in the local network over https."""

import datetime
import hashlib
import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil
import segno
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pocketbert.errors import UserError

LOOPBACK = "127.0.0.1"
VALID = datetime.timedelta(days=2)


@dataclass(frozen=True)
class Certificate:
    """A certificate made on the spot.

    Attributes:
        certificate, key: PEM files.
        fingerprint: SHA-256 of the certificate, as browsers show it.
    """

    certificate: Path
    key: Path
    fingerprint: str


def own_address(wanted: str | None) -> str:
    """Return this machine's IPv4 address in the local network.

    Args:
        wanted: the address to take, where there are several.

    Raises:
        UserError: there is none or several, or the one that is wanted is not this machine's.
    """
    every = [
        (name, each.address)
        for name, addresses in psutil.net_if_addrs().items()
        for each in addresses
        if each.family == socket.AF_INET and not ipaddress.ip_address(each.address).is_loopback
    ]
    found = [address for _, address in every]
    if wanted is not None:
        if wanted not in found:
            raise UserError(f"--host {wanted} is not an address of this machine: it has {', '.join(found) or 'none'}.")
        return wanted
    if len(found) != 1:
        told = ", ".join(f"{address} ({name})" for name, address in every)
        raise UserError(
            f"--lan: this machine has several addresses: {told}; say which with --host." if found
            else "--lan: this machine has no address in a network."
        )  # fmt: skip
    return found[0]


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        UserError: the port is in use, or may not be used.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(64)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--port {port} can't be used on {host} ({reason}): give another, 0 for any.") from None
    return listening


def certificate(host: str, folder: Path) -> Certificate:
    """Make a certificate for an address, and its key, which only this user can read.

    Args:
        host: an IP address.
        folder: to write them to.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"pocketbert on {host}")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private, public = folder / "key.pem", folder / "certificate.pem"
    private.touch(mode=0o600)
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    digest = hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    return Certificate(public, private, ":".join(digest[place : place + 2] for place in range(0, len(digest), 2)))


def qr(address: str) -> str:
    """Return an address as a QR code of text, for a terminal with a dark or a light ground."""
    matrix = [[*row] for row in segno.make(address, error="l", micro=False).matrix_iter(border=2)]
    if len(matrix) % 2:
        matrix.append([0] * len(matrix[0]))
    # Two rows a line; light modules are drawn, so that the ground's colour does not matter to most readers.
    blocks = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    rows = zip(matrix[::2], matrix[1::2], strict=True)
    return "\n".join("".join(blocks[bool(a), bool(b)] for a, b in zip(top, low, strict=True)) for top, low in rows)
