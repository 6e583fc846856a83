"""Sealed bytes: AES-256-GCM, bound to what they belong to."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.history.errors import Unreadable

KEY_BYTES = 32
_NONCE_BYTES = 12
"""NIST SP 800-38D, 5.2.1.1: 96 bits; random nonces are safe for 2**32 messages under one key (8.3)."""


def seal(key: bytes, text: bytes, bound_to: bytes) -> bytes:
    """Encrypts with AES-256-GCM; a fresh nonce stands in front."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text, bound_to)


def unseal(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    """Decrypts what :func:`seal` made.

    Raises:
        Unreadable: another key, another binding, or altered bytes.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError) as error:
        raise Unreadable("sealed bytes do not open with their key") from error
