"""Access tokens, written independently of the programs under test."""
import base64
import hashlib
import hmac
import json
import time

SECRET = "a secret of the tests, 32 bytes or more"
MACS = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}  # all others are signed as HS256 is
DOOR = {"AUTH_MODE": "jwt", "JWT_SECRET": SECRET}  # environment of a system that asks for tokens


def _text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(tenant="default", subject="tester", scope="admin", secret=SECRET, algorithm="HS256",
          **claims):
    """A token of these claims; one that is None is left out."""
    said = {"tenant": tenant, "sub": subject, "scope": scope, "exp": int(time.time()) + 600, **claims}
    said = {name: value for name, value in said.items() if value is not None}
    parts = [{"alg": algorithm, "typ": "JWT"}, said]
    signed = ".".join(_text(json.dumps(part).encode()) for part in parts)
    mac = hmac.new(secret.encode(), signed.encode(), MACS.get(algorithm, hashlib.sha256)).digest()
    return f"{signed}.{'' if algorithm.lower() == 'none' else _text(mac)}"


def bearer(*args, **claims):
    """The header that brings such a token."""
    return {"Authorization": "Bearer " + token(*args, **claims)}
