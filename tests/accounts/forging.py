"""Tokens as attackers make them: any header, any claims, any key."""

import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from jose.backends.cryptography_backend import CryptographyHMACKey

from domains.accounts import tokens

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ENCODINGS = {
    "der": (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    "pem": (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    "ssh": (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH),
}
PUBLIC_KEYS = {name: RSA_KEY.public_key().public_bytes(*encoding) for name, encoding in ENCODINGS.items()}
HEADER = {"alg": "HS256", "typ": "JWT"}
assert isinstance(tokens.KEY, CryptographyHMACKey)
OUR_KEY: bytes = tokens.KEY.prepared_key


def claims(**changes: object) -> dict[str, object]:
    """Claims as we write them; a change to None leaves one out."""
    now = int(time.time())
    ours: dict[str, object] = {"sub": "1", "name": "ada", "role": "admin", "sid": "a0" * 16, "jti": "x" * 16}
    ours |= {"aud": tokens.AUDIENCE, "iat": now, "exp": now + 600} | changes
    return {name: value for name, value in ours.items() if value is not None}


def encode(part: object) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def unsigned(header: object, body: object, signature: str = "") -> str:
    return f"{encode(header)}.{encode(body)}.{signature}"


def signed(header: object, body: object, key: bytes = OUR_KEY, algorithm: str = "sha256") -> str:
    signing_input = f"{encode(header)}.{encode(body)}"
    return f"{signing_input}.{encode(hmac.digest(key, signing_input.encode(), getattr(hashlib, algorithm)))}"


def signed_with_rsa(header: object, body: object) -> str:
    signing_input = f"{encode(header)}.{encode(body)}"
    return f"{signing_input}.{encode(RSA_KEY.sign(signing_input.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def deep(levels: int) -> bytes:
    return b'{"alg":"HS256","typ":"JWT","x":' + b"[" * levels + b"]" * levels + b"}"


def attacks() -> dict[str, str]:
    """One token per known attack; none may be accepted, not even those signed with our own key."""
    return _algorithms() | _headers() | _bodies() | _spellings()


def _algorithms() -> dict[str, str]:
    genuine_signature = signed(HEADER, claims()).rpartition(".")[2]
    rows = {f"none as {name!r}": unsigned({"alg": name, "typ": "JWT"}, claims()) for name in NONE_SPELLINGS}
    rows |= {f"signed {name!r}": unsigned({"alg": name}, claims(), genuine_signature) for name in NONE_SPELLINGS}
    rows |= {
        f"key confusion {name} {alg}": signed({"alg": alg, "typ": "JWT"}, claims(), key)
        for name, key in PUBLIC_KEYS.items()
        for alg in ("HS256", "RS256")
    }
    strange: list[object] = ["", None, [], ["HS256"], {"HS256": 1}, 256, "hs256", "HS256 ", "RS256", "A256KW", "dir"]
    rows |= {f"alg {alg!r}": signed({"alg": alg, "typ": "JWT"}, claims()) for alg in strange}
    return rows | {
        "HS512": signed({"alg": "HS512", "typ": "JWT"}, claims(), algorithm="sha512"),
        "HS384": signed({"alg": "HS384", "typ": "JWT"}, claims(), algorithm="sha384"),
        "RS256": signed_with_rsa({"alg": "RS256", "typ": "JWT"}, claims()),
        "RSA signature under HS256": signed_with_rsa(HEADER, claims()),
        "no alg": signed({"typ": "JWT"}, claims()),
        "empty key": signed(HEADER, claims(), b""),
        "secret key itself": signed(HEADER, claims(), b"s" * 40),
    }


def _headers() -> dict[str, str]:
    jwk = {"kty": "oct", "k": encode(b"attacker" * 4)}
    injected: dict[str, object] = {
        "crit": ["exp"],
        "jku": "https://evil.example/jwks.json",
        "jwk": jwk,
        "kid": "../../../../dev/null",
        "x5u": "https://evil.example/cert.pem",
        "b64": False,
        "zip": "DEF",
    }
    rows = {f"{name} injected": signed(HEADER | {name: value}, claims()) for name, value in injected.items()}
    rows |= {"jwk, signed by it": signed(HEADER | {"jwk": jwk}, claims(), b"attacker" * 4)}
    rows |= {"kid, empty file": signed(HEADER | {"kid": "/dev/null"}, claims(), b"")}
    rows |= {f"header {levels} deep": signed(deep(levels), claims()) for levels in (500, 1_400, 100_000)}
    return rows | {
        "header is a list": signed([HEADER], claims()),
        "header is empty": signed(b"", claims()),
        "header not utf-8": signed(b"\xff\xfe", claims()),
        "header in another order": signed({"typ": "JWT", "alg": "HS256"}, claims()),
    }


def _bodies() -> dict[str, str]:
    now = int(time.time())
    expiries: dict[str, object] = {"a second ago": now - 1, "in two hours": now + 7200, "as text": str(now + 600)}
    expiries |= {"in a list": [now + 600], "with a fraction": now + 600.5}
    strange: list[object] = [float("inf"), float("-inf"), float("nan"), 0, -1, 10**30, True, {}]
    expiries |= {repr(value): value for value in strange}
    rows = {f"exp {name}": signed(HEADER, claims(exp=value)) for name, value in expiries.items()}
    rows |= {f"no {name}": signed(HEADER, claims(**{name: None})) for name in claims()}
    audiences: list[object] = ["other", "", ["other", tokens.AUDIENCE], [tokens.AUDIENCE], 1, {}, "STOCKROOM:API"]
    rows |= {f"aud {value!r}": signed(HEADER, claims(aud=value)) for value in audiences}
    rows |= {f"role {value!r}": signed(HEADER, claims(role=value)) for value in ("root", "", "Admin", 1)}
    rows |= {f"sub {value!r}": signed(HEADER, claims(sub=value)) for value in (1, "", "one", "1e400", "\u0661" * 5000)}
    rows |= {f"sid {value!r}": signed(HEADER, claims(sid=value)) for value in (1, "", "a0", None, "\0" * 32)}
    bodies: list[object] = [b"", b"null", b"[]", b"{}", b'"x"', b"\xff", b"{", b'{"a":' * 450, b"[" * 2_900, 5]
    rows |= {f"body {body!r:.20}": signed(HEADER, body) for body in bodies}
    return rows | {
        "exp 1e400": signed(HEADER, json.dumps(claims()).replace('"exp": ', '"exp": 1e400, "x": ').encode()),
        "lone surrogate in the body": signed(HEADER, claims(name="\ud800", aud="\udfff")),
        "unknown claim": signed(HEADER, claims(scopes=["users:write"])),
        "nothing signed": unsigned(HEADER, claims(), "A" * 43),
    }


def _spellings() -> dict[str, str]:
    genuine = signed(HEADER, claims())
    header, body, signature = genuine.split(".")
    return {
        "one megabyte": "A" * 1_000_000,
        "one megabyte of dots": "." * 1_000_000,
        "one megabyte, well signed": signed(HEADER, claims(name="x" * 750_000)),
        "just too long": signed(HEADER, claims(name="x" * 3_000)),
        "last letter respelt": genuine[:-1] + chr(ord(genuine[-1]) + 1),
        "padded": f"{genuine}=",
        "line break": f"{genuine}\n",
        "space inside": f"{header}.{body}. {signature}",
        "dash inside the signature": f"{header}.{body}.{signature[:20]}!{signature[20:]}",
        "standard base64": f"{header}.{body}.{signature[:-1]}+",
        "two segments": f"{header}.{body}",
        "four segments": f"{genuine}.{signature}",
        "five segments (JWE)": f"{header}.{body}.{signature}.{body}.{signature}",
        "JSON serialisation": json.dumps({"protected": header, "payload": body, "signature": signature}),
        "no signature": f"{header}.{body}.",
        "empty": "",
        "dots": "..",
        "opaque": "sk_live_0123456789abcdef",
    }


NONE_SPELLINGS = ("none", "None", "NONE", "nOnE", "none ", "\u006eone\u0000")
