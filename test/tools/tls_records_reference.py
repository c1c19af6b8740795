#!/usr/bin/env python3
"""Write test/unit/net/tls/records_vectors.jsonl: known answers for TLS keys and records.

The second implementation: key derivation with hmac, encryption with the package `cryptography`.
The vectors of RFC 8448 section 3 are copied from there, and checked here.
"""
import hmac
import json
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

SUITES = {  # name: AEAD, key size, hash, hash size, IV size in the key block of TLS 1.2
    "aes-128-gcm": (AESGCM, 16, "sha256", 32, 4),
    "aes-256-gcm": (AESGCM, 32, "sha384", 48, 4),
    "chacha20-poly1305": (ChaCha20Poly1305, 32, "sha256", 32, 12),
}

DATA, ALERT, HANDSHAKE = 23, 21, 22

RFC_8448 = {  # keys, IVs and records of section 3
    "client": (
        "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
        "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9",
        [(DATA, "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395b"
                "d54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"),
         (ALERT, "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3")]),
    "server": (
        "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
        "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984",
        [(HANDSHAKE, "17030300de3a6b8f90414a97d6959c3487680de5134a2b240e6cffac116e95d41d6af8f6b580"
                     "dcf3d11d63c758db289a015940252f55713e061dc13e078891a38efbcf5753ad8ef170ad3c73"
                     "53d16d9da773b9ca7f2b9fa1b6c0d4a3d03f75e09c30ba1e62972ac46f75f7b981be63439b29"
                     "99ce130646151398 91d5e4c5b406f16e3fc181a77ca475840025db2f0a77f81b5ab05b94c013"
                     "46755f69232c86519d86cbeeac87aac347d143f9605d64f650db4d023e70e952ca49fe513712"
                     "1c74bc2697687e248746d6df353005f3bce18696129c8153556b3b6c6779b37bf15985684f"),
         (DATA, "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc"
                "602dcb501a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d"),
         (ALERT, "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9")]),
}


def digest(key: bytes, data: bytes, hash_name: str) -> bytes:
    return hmac.new(key, data, hash_name).digest()


def expand_label(secret: bytes, label: str, size: int, hash_name: str) -> bytes:
    name = b"tls13 " + label.encode()
    info = size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    out, block, count = b"", b"", 1
    while len(out) < size:
        block = digest(secret, block + info + bytes([count]), hash_name)
        out, count = out + block, count + 1
    return out[:size]


def prf(secret: bytes, label: bytes, seed: bytes, size: int, hash_name: str) -> bytes:
    out, a = b"", label + seed
    while len(out) < size:
        a = digest(secret, a, hash_name)
        out += digest(secret, a + label + seed, hash_name)
    return out[:size]


def pattern(size: int, start: int) -> bytes:
    return bytes((start + i * 37) & 255 for i in range(size))


def xor(iv: bytes, sequence: int) -> bytes:
    return bytes(a ^ b for a, b in zip(iv, sequence.to_bytes(12, "big")))


def seal_13(suite, key, iv, sequence, content, plain) -> bytes:
    header = bytes([DATA, 3, 3]) + (len(plain) + 17).to_bytes(2, "big")
    return header + SUITES[suite][0](key).encrypt(xor(iv, sequence), plain + bytes([content]), header)


def seal_12(suite, key, iv, sequence, content, plain) -> bytes:
    aad = sequence.to_bytes(8, "big") + bytes([content, 3, 3]) + len(plain).to_bytes(2, "big")
    explicit = b"" if suite == "chacha20-poly1305" else iv[4:]
    nonce = iv if explicit else xor(iv, sequence)
    body = explicit + SUITES[suite][0](key).encrypt(nonce, plain, aad)
    return bytes([content, 3, 3]) + len(body).to_bytes(2, "big") + body


def record_row(name, version, suite, key, iv, sequence, content, plain, record):
    return {"kind": "record", "name": name, "version": version, "suite": suite, "key": key.hex(),
            "iv": iv.hex(), "sequence": sequence, "content": content, "plain": plain.hex(),
            "record": record.hex()}


def derive_row(name, suite, secret):
    _, key_n, hash_name, hash_n, _ = SUITES[suite]
    following = expand_label(secret, "traffic upd", hash_n, hash_name)
    row = {"kind": "derive", "name": name, "suite": suite, "secret": secret.hex(),
           "next_secret": following.hex()}
    for prefix, value in (("", secret), ("next_", following)):
        row[prefix + "key"] = expand_label(value, "key", key_n, hash_name).hex()
        row[prefix + "iv"] = expand_label(value, "iv", 12, hash_name).hex()
    return row


def rfc_8448_rows():
    for name, (secret, key, iv, records) in RFC_8448.items():
        row = derive_row(f"RFC 8448 section 3, {name}", "aes-128-gcm", bytes.fromhex(secret))
        assert (row["key"], row["iv"]) == (key, iv)
        yield row
        for sequence, (content, text) in enumerate(records):
            record = bytes.fromhex(text)
            nonce = xor(bytes.fromhex(iv), sequence)
            inner = AESGCM(bytes.fromhex(key)).decrypt(nonce, record[5:], record[:5])
            assert inner[-1] == content
            yield record_row(f"RFC 8448 section 3, {name}, record {sequence}", "1.3", "aes-128-gcm",
                             bytes.fromhex(key), bytes.fromhex(iv), sequence, content, inner[:-1],
                             record)


def expand_row(suite):
    _, key_n, hash_name, _, iv_n = SUITES[suite]
    master, randoms = pattern(48, 5), pattern(64, 11)
    block = prf(master, b"key expansion", randoms, 2 * (key_n + iv_n), hash_name)
    cuts = [0, key_n, 2 * key_n, 2 * key_n + iv_n, 2 * (key_n + iv_n)]
    names = ["client_key", "server_key", "client_iv", "server_iv"]
    row = {"kind": "expand", "name": f"TLS 1.2, {suite}", "suite": suite, "master": master.hex(),
           "randoms": randoms.hex()}
    row.update((n, block[a:b].hex()) for n, a, b in zip(names, cuts, cuts[1:]))
    return row


def rows():
    yield from rfc_8448_rows()
    for suite, (_, key_n, _, hash_n, _) in SUITES.items():
        yield derive_row(f"TLS 1.3, {suite}", suite, pattern(hash_n, 3))
        yield expand_row(suite)
        key, iv = pattern(key_n, 7), pattern(12, 9)
        for sequence, content, size in ((0, DATA, 1), (1, ALERT, 2), (255, DATA, 64),
                                        (2**32 + 5, DATA, 300), (2**62 + 1, HANDSHAKE, 40)):
            plain = b"\1\0" if content == ALERT else pattern(size, 1)
            for version, seal in (("1.2", seal_12), ("1.3", seal_13)):
                yield record_row(f"TLS {version}, {suite}, record {sequence}", version, suite, key,
                                 iv, sequence, content, plain,
                                 seal(suite, key, iv, sequence, content, plain))


def main():
    with open(sys.argv[1], "w", encoding="ascii") as out:
        for row in rows():
            print(json.dumps(row), file=out)


main()
