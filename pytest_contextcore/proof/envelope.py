"""A statement, signed: a DSSE envelope, made and checked by securesystemslib (the extra ``attest``)."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from ..checks.parsing import parse_json
from ..errors import AttestationRefused, Malformed

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_MAX_BYTES = 64 * 1024 * 1024
_MAX_KEY_BYTES = 64 * 1024
_INSTALL = "install the plugin with its extra [attest], from a clone: pip install '.[attest]'"


def canonical(statement: dict[str, Any]) -> bytes:
    """A statement as JSON on one line, in ASCII."""
    return json.dumps(statement, separators=(",", ":")).encode()


def sign(payload: bytes, key: Path) -> bytes:
    """The envelope around a payload, as JSON on one line, signed by the private key in a PEM file.

    Raises:
        AttestationRefused: the key cannot be used.
    """
    _require()
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415  (only to sign)
    from securesystemslib.dsse import Envelope  # noqa: PLC0415
    from securesystemslib.signer import CryptoSigner  # noqa: PLC0415

    data = _read(key, _MAX_KEY_BYTES, "the private key")
    try:
        private = load_pem_private_key(data, password=None)
        signer = CryptoSigner(private, _public(private.public_key()))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise AttestationRefused(f"{key}: no private key that signs ({_line(error)}); {_KEYS}") from None
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return json.dumps(envelope.to_dict(), separators=(",", ":")).encode()


def opened(path: Path, key: Path) -> Any:
    """The statement in an envelope whose signature is by the private key of this public one (PEM).

    Raises:
        AttestationRefused: the signature does not fit, or there is no envelope or key that can be used.
    """
    _require()
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415  (only to check)
    from securesystemslib.dsse import Envelope  # noqa: PLC0415
    from securesystemslib.exceptions import FormatError, VerificationError  # noqa: PLC0415

    data = _read(key, _MAX_KEY_BYTES, "the public key")
    try:
        public = _public(load_pem_public_key(data))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise AttestationRefused(f"{key}: no public key that is known ({_line(error)}); {_KEYS}") from None
    try:
        envelope = Envelope.from_dict(parse_json(_read(path, _MAX_BYTES, "the attestation")))
    except (KeyError, TypeError, ValueError, AttributeError, FormatError) as error:
        raise AttestationRefused(f"{path}: no signed attestation ({_line(error)}); sign with --key") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise AttestationRefused(f"{path}: its payload is {envelope.payload_type!r:.80}, expected {PAYLOAD_TYPE}")
    try:
        envelope.verify([public], 1)
    except VerificationError:
        raise AttestationRefused(f"{path}: it has no signature that fits it and the key {key}; do not use it") from None
    try:
        return parse_json(envelope.payload)
    except Malformed as error:
        raise AttestationRefused(f"{path}: its payload is no JSON ({_line(error)})") from None


_KEYS = "give an Ed25519, ECDSA or RSA key as PEM without a password"


def _public(key: Any) -> Any:
    """A public key of cryptography as one of securesystemslib; both say what they are only at run time."""
    from securesystemslib.signer import SSlibKey  # noqa: PLC0415  (only with a key)

    return SSlibKey.from_crypto(key)


def _require() -> None:
    try:
        import cryptography  # noqa: F401, PLC0415  (only with a key)
        import securesystemslib  # noqa: F401, PLC0415
    except ImportError as error:
        raise AttestationRefused(f"a signature needs {error.name}; {_INSTALL}") from None


def _read(path: Path, most: int, what: str) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise AttestationRefused(f"{path}: no regular file; put {what} itself there")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise AttestationRefused(f"{path}: {what} cannot be read: {error.strerror or error}") from None
    if len(data) > most:
        raise AttestationRefused(f"{path}: larger than {most} bytes, too large for {what}")
    return data


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]:.200}"
