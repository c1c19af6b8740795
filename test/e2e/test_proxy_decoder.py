"""Check the PROXY decoder of the other tests with vectors derived from the standard."""

import re
import struct


import proxy_v2_decoder
from harness import load_vectors


def end_text(end):
    if end is None:
        return None
    host, port = end
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def unmapped(text):
    """Convert "[::ffff:a.b.c.d]:port" of a vector to an IPv4 address."""
    return text and re.sub(r"^\[::ffff:([0-9.]+)\]", r"\1", text)


def verdict(data):
    try:
        return "more" if proxy_v2_decoder.decode(data) is None else "accept"
    except proxy_v2_decoder.Malformed:
        return "reject"


def test_the_decoder_agrees_with_the_vectors():
    judged = 0
    for vector in load_vectors("proxy.jsonl"):
        data = bytes.fromhex(vector["hex"])
        if vector["expect"] == "reject":
            # A truncated header is an error only at the end of the stream, which the caller
            # detects.
            assert verdict(data) in ("reject", "more"), vector["name"]
            assert verdict(data) == "reject" or "cut" in vector["reason"], vector["name"]
        elif vector["expect"] == "accept":
            assert verdict(data) == "accept", vector["name"]
            facts, _ = proxy_v2_decoder.decode(data)
            assert facts["version"] == vector["ver"], vector["name"]
            assert end_text(facts["source"]) == unmapped(vector["src"]), vector["name"]
            assert end_text(facts["destination"]) == unmapped(vector["dst"]), vector["name"]
            for kind, value in dict(vector["tlvs"]).items():
                assert value in ("*", facts["tlvs"][kind].hex()), vector["name"]
        judged += 1
    assert judged > 50


def test_the_decoder_reads_what_a_sender_must_produce():
    for vector in load_vectors("proxy_send.jsonl"):
        facts, rest = proxy_v2_decoder.decode(bytes.fromhex(vector["hex"]) + b"\x10rest")
        assert rest == b"\x10rest"
        assert facts["source"] == (vector["src"].removeprefix("::ffff:"), vector["src_port"])
        assert facts["destination"] == (vector["dst"].removeprefix("::ffff:"), vector["dst_port"])


def test_the_decoder_waits_for_every_byte():
    for vector in load_vectors("proxy_send.jsonl"):
        data = bytes.fromhex(vector["hex"])
        assert {verdict(data[:n]) for n in range(len(data))} == {"more"}


def test_the_decoder_rejects_a_wrong_checksum():
    vector = next(v for v in load_vectors("proxy_send.jsonl") if "crc32c" in v["name"])
    data = bytearray.fromhex(vector["hex"])
    addresses, checksum = range(16, 28), range(len(data) - 4, len(data))
    for at in (*addresses, *checksum):
        data[at] ^= 0x10
        assert verdict(data) == "reject"
        data[at] ^= 0x10


def with_tlvs(tlvs):
    body = bytes.fromhex("c6336407cb0071099c4022b3") + tlvs
    return proxy_v2_decoder.SIGNATURE + b"\x21\x11" + len(body).to_bytes(2, "big") + body


def ssl_tlv(client, verify, subs):
    return struct.pack(">BHBI", proxy_v2_decoder.SSL, 5 + len(subs), client, verify) + subs


def test_the_decoder_uses_a_certificate_name_only_if_verified():
    name = b"\x22\0\x08" + "gerät-7".encode()
    for client, verify, cn in ((3, 0, "gerät-7"), (5, 0, "gerät-7"), (1, 0, None), (3, 1, None)):
        facts, _ = proxy_v2_decoder.decode(with_tlvs(ssl_tlv(client, verify, name)))
        assert (facts["client"], facts["verify"], facts["verified_cn"]) == (client, verify, cn)
        assert facts["ssl"] == {proxy_v2_decoder.SSL_CN: "gerät-7".encode()}


def test_the_decoder_reads_every_form_of_a_tcp6_line():
    for source, destination, expected in (
            ("::ffff:203.0.113.9", "::ffff:10.0.0.1", ("203.0.113.9", "10.0.0.1")),
            ("::FFFF:cb00:7109", "2001:DB8::1", ("203.0.113.9", "2001:db8::1")),
            ("2001:db8::7", "127.0.0.1", ("2001:db8::7", "127.0.0.1")),
            ("127.0.0.1", "::1.2.3.4", ("127.0.0.1", "::102:304"))):
        facts, rest = proxy_v2_decoder.decode(f"PROXY TCP6 {source} {destination} 1 2\r\n".encode())
        assert (facts["source"], facts["destination"]) == ((expected[0], 1), (expected[1], 2))
        assert facts["family"] == "TCP6" and rest == b""
    for words in ("TCP6 1.2.3.4 5.6.7.8", "TCP4 ::ffff:1.2.3.4 1.2.3.4", "TCP6 ::ffff:1.2.3 ::",
                  "TCP6 ::ffff:01.2.3.4 ::", "TCP6 1.2.3.4.5 ::"):
        assert verdict(f"PROXY {words} 1 2\r\n".encode()) == "reject", words


def test_the_decoder_takes_the_last_tlv_of_a_type_and_one_checksum_only():
    facts, _ = proxy_v2_decoder.decode(with_tlvs(
        b"\x01\0\x01a\x01\0\x01b" + ssl_tlv(3, 0, b"\x22\0\x01a\x22\0\x01b") + ssl_tlv(1, 0, b"")))
    assert facts["tlvs"][proxy_v2_decoder.ALPN] == b"b"
    assert (facts["client"], facts["ssl"], facts["verified_cn"]) == (1, {}, None)
    assert verdict(with_tlvs(b"\x03\0\x04abcd\x03\0\x04abcd")) == "reject"


def test_the_decoder_rejects_names_that_are_not_text_and_long_unique_ids():
    for tlvs in (b"\x05\0\x81" + bytes(129), ssl_tlv(3, 0, b"\x22\0\x01\xe4")):
        assert verdict(with_tlvs(tlvs)) == "reject"
    facts, _ = proxy_v2_decoder.decode(with_tlvs(b"\x05\0\x80" + bytes(128)))
    assert facts["tlvs"][proxy_v2_decoder.UNIQUE_ID] == bytes(128)
