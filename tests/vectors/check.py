#!/usr/bin/env python3
"""Computes every vector of token.json, data.json, id.json and sid.json again, from its inputs alone.

Usage: check.py          compares, and fails where one byte differs
       check.py --write  writes the outputs into the files

Tokens, ids, signed data and HKDF need the standard library only. AES-GCM needs the package
`cryptography`; without it sealed data is skipped here, and checked by vectors.test.ts with node:crypto.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import sys

try:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    AESGCM = None

HERE = pathlib.Path(__file__).parent


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hkdf(secret, info, length=32, salt=b""):
    prk = hmac.new(salt or bytes(32), secret, hashlib.sha256).digest()
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha256).digest()
        out, counter = out + block, counter + 1
    return out[:length]


def bind(label, name, *parts):
    encoded = name.encode()
    return label + b"\0" + len(encoded).to_bytes(2, "big") + encoded + b"".join(parts)


def keys_of(secret):
    base = hkdf(secret, b"mongostore/v1/data")
    return {
        "id": hkdf(secret, b"mongostore/v1/key-id", 4),
        "token": hkdf(secret, b"mongostore/v1/token"),
        "signed": hkdf(secret, b"mongostore/v1/signed-data"),
        "epoch": lambda salt: hkdf(base, b"mongostore/v1/data-epoch", 32, salt),
    }


def token(v):
    keys = keys_of(v["key"].encode())
    issued = v["now"] // 1000
    body = b"\x01" + keys["id"] + issued.to_bytes(5, "big") + bytes.fromhex(v["id"])
    mac = hmac.new(keys["token"], bind(b"mongostore/v1/token", v["name"], body), hashlib.sha256)
    return {"keyId": keys["id"].hex(), "token": b64url(body + mac.digest())}


def identity(v):
    session = (v["now"] // 1000).to_bytes(4, "big") + bytes.fromhex(v["random"])
    digest = hashlib.sha256(bind(b"mongostore/v1/id", v["name"], session)).digest()
    return {"id": session.hex(), "recordKey": (session[:4] + digest[:16]).hex()}


def foreign(v):
    digest = hashlib.sha256(bind(b"mongostore/v1/sid", v["name"], v["id"].encode())).digest()
    return {"recordKey": digest[:20].hex()}


def data(v):
    keys = keys_of(v["key"].encode())
    place = bytes.fromhex(v["recordKey"]) + v["created"].to_bytes(8, "big", signed=True)
    text = v["text"].encode()
    message = bind(b"mongostore/v1/signed-data", v["name"], place, text)
    mac = hmac.new(keys["signed"], message, hashlib.sha256).digest()
    out = {"signed": b64url(b"\x01" + keys["id"] + mac) + "." + v["text"]}
    if AESGCM:
        salt, nonce = bytes.fromhex(v["salt"]), bytes.fromhex(v["nonce"])
        aad = bind(b"mongostore/v1/data", v["name"], place)
        sealed = AESGCM(keys["epoch"](salt)).encrypt(nonce, text, aad)
        out["sealed"] = (b"\x01" + keys["id"] + salt + nonce + sealed).hex()
    return out


def main():
    wrong = checked = 0
    files = {"token.json": token, "id.json": identity, "sid.json": foreign, "data.json": data}
    for file, compute in files.items():
        path = HERE / file
        vectors = json.loads(path.read_text())
        for number, vector in enumerate(vectors):
            for field, value in compute(vector).items():
                if "--write" in sys.argv:
                    vector[field] = value
                elif vector.get(field) != value:
                    wrong += 1
                    print(f"{file}[{number}].{field} is {vector.get(field)}, should be {value}")
                checked += 1
        if "--write" in sys.argv:
            path.write_text(json.dumps(vectors, indent=2, ensure_ascii=False) + "\n")
    print(f"{checked} values, {wrong} wrong" + ("" if AESGCM else ", sealed data skipped"))
    return 1 if wrong else 0


sys.exit(main())
