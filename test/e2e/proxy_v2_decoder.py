"""An independent PROXY protocol receiver for both versions, written from the specification.

    decode(data) -> (facts, rest), or None if the header is incomplete

facts: version 1 or 2, command "PROXY" or "LOCAL", family "TCP4" or "TCP6" (None: no address),
source and destination as (text, port; IPv4-mapped as IPv4), tlvs {type: bytes}, and of the SSL TLV
client, verify, ssl {subtype: bytes}, and verified_cn: the common name as text if a certificate was
presented and verified, else None. Raises Malformed where a receiver must abort.
"""

import ipaddress
import re
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL = 0x01, 0x02, 0x03, 0x04, 0x05, 0x20
SSL_VERSION, SSL_CN, SSL_CIPHER, SSL_SIG_ALG, SSL_KEY_ALG = 0x21, 0x22, 0x23, 0x24, 0x25
CLIENT_SSL, CLIENT_CERT_CONN, CLIENT_CERT_SESS = 0x01, 0x02, 0x04
V1_MAX = 107
UNIQUE_ID_MAX = 128

PORT = rb"(0|[1-9][0-9]{0,4})"
V1_LINE = re.compile(rb"PROXY (TCP4|TCP6) ([0-9a-fA-F:.]+) ([0-9a-fA-F:.]+) " + PORT + b" " + PORT)


class Malformed(Exception):
    """The bytes are not a PROXY header. The text contains the reason."""


def demand(condition, why):
    if not condition:
        raise Malformed(why)


def decode(data):
    data = bytes(data)
    for start, decoder in ((SIGNATURE, decode_v2), (b"PROXY ", decode_v1)):
        if data.startswith(start):
            return decoder(data)
        if start.startswith(data):
            return None
    raise Malformed("neither signature")


def facts_of(version, command, family=None, source=None, destination=None):
    return {"version": version, "command": command, "family": family, "source": source,
            "destination": destination, "tlvs": {}, "client": None, "verify": None, "ssl": {},
            "verified_cn": None}


def decode_v1(data):
    """Decode a line of at most 107 bytes (section 2.1)."""
    end = data[:V1_MAX].find(b"\r\n")
    if end < 0:
        demand(len(data) < V1_MAX and b"\n" not in data, "no CR LF within 107 bytes")
        return None
    line, rest = data[:end], data[end + 2:]
    if line == b"PROXY UNKNOWN" or line.startswith(b"PROXY UNKNOWN "):
        return facts_of(1, "PROXY"), rest
    words = V1_LINE.fullmatch(line)
    demand(words, "does not follow the grammar of section 2.1")
    family = words[1].decode()
        # Senders use inet_ntop(), which writes dotted tails. nginx can mix one address of each
        # family.
    demand(family == "TCP4" or b":" in words[2] + words[3], "two IPv4 addresses in a TCP6 line")
    ends = [(v1_ip(family, words[i]), v1_port(words[i + 2])) for i in (2, 3)]
    return facts_of(1, "PROXY", family, *ends), rest


def v1_ip(family, text):
    kind = ipaddress.IPv4Address if family == "TCP4" else ipaddress.ip_address
    try:
        return ip_text(kind(text.decode()))
    except ValueError as fault:
        raise Malformed(str(fault)) from fault


def ip_text(ip):
    """Return the address as text, an IPv4-mapped address as IPv4."""
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def v1_port(text):
    demand(int(text) <= 65535, "port")
    return int(text)


def decode_v2(data):
    """Decode 16 bytes, addresses and TLVs (section 2.2)."""
    if len(data) < 16:
        return None
    version_command, family, length = struct.unpack(">BBH", data[12:16])
    demand(version_command in (0x20, 0x21), "version or command")
    demand(family >> 4 <= 3 and family & 15 <= 2, "family or transport")
    if len(data) < 16 + length:
        return None
    header, rest = data[:16 + length], data[16 + length:]
    if version_command == 0x20:
        return facts_of(2, "LOCAL"), rest
    kind = {0x11: ipaddress.IPv4Address, 0x21: ipaddress.IPv6Address}.get(family)
    if not kind:
        demand(length >= {1: 12, 2: 36, 3: 216}.get(family >> 4, 0), "short address block")
        return facts_of(2, "PROXY"), rest
    n = 4 if family == 0x11 else 16
    demand(length >= 2 * n + 4, "short address block")
    source, destination = (ip_text(kind(header[16 + i * n:16 + (i + 1) * n])) for i in (0, 1))
    ports = struct.unpack(">HH", header[16 + 2 * n:20 + 2 * n])
    facts = facts_of(2, "PROXY", "TCP4" if n == 4 else "TCP6", (source, ports[0]),
                     (destination, ports[1]))
    read_tlvs(header, 20 + 2 * n, facts)
    return facts, rest


def tlvs_of(data, start):
    """Yield (type, value, offset of the value) of each TLV from start to the end."""
    at = start
    while at < len(data):
        demand(len(data) - at >= 3, "TLV head is truncated")
        kind, n = struct.unpack(">BH", data[at:at + 3])
        demand(n <= len(data) - at - 3, "TLV longer than the header")
        yield kind, data[at + 3:at + 3 + n], at + 3
        at += 3 + n


def read_tlvs(header, start, facts):
    for kind, value, at in tlvs_of(header, start):
        demand(kind not in facts["tlvs"] or kind != CRC32C, "CRC32C twice")
        facts["tlvs"][kind] = value  # if any other type is repeated, the last one applies
        if kind == CRC32C:
            demand(len(value) == 4, "CRC32C does not have 4 bytes")
            zeroed = header[:at] + bytes(4) + header[at + 4:]
            demand(crc32c(zeroed) == int.from_bytes(value, "big"), "CRC32C does not match")
        elif kind == UNIQUE_ID:
            demand(len(value) <= UNIQUE_ID_MAX, "unique id is longer than 128 bytes")
        elif kind == SSL:
            read_ssl(value, facts)


def read_ssl(value, facts):
    """Section 2.2.6."""
    demand(len(value) >= 5, "SSL TLV is shorter than 5 bytes")
    facts["client"], facts["verify"] = struct.unpack(">BI", value[:5])
    facts["ssl"] = {kind: text for kind, text, _ in tlvs_of(value, 5)}
    facts["verified_cn"] = None
    presented = facts["client"] & (CLIENT_CERT_CONN | CLIENT_CERT_SESS)
    if presented and facts["verify"] == 0 and SSL_CN in facts["ssl"]:
        try:
            facts["verified_cn"] = facts["ssl"][SSL_CN].decode()
        except UnicodeDecodeError as fault:
            raise Malformed("a CN that is not UTF-8") from fault


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC32C_TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC32C_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
