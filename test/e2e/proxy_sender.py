"""Make PROXY headers like those of a proxy in front of the router."""

import socket
import struct

from proxy_v2_decoder import SIGNATURE, SSL, SSL_CIPHER, SSL_CN, SSL_VERSION


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def v2(source="198.51.100.7:40000", destination="203.0.113.9:8883", tlvs=b"", command=0x21):
    body = b"".join(socket.inet_aton(a.split(":")[0]) for a in (source, destination))
    body += b"".join(struct.pack(">H", int(a.split(":")[1])) for a in (source, destination))
    return SIGNATURE + struct.pack(">BBH", command, 0x11, len(body + tlvs)) + body + tlvs


def ssl_tlv(name, verify=0, client=7):
    value = struct.pack(">BI", client, verify) + tlv(SSL_VERSION, b"TLSv1.3")
    return tlv(SSL, value + tlv(SSL_CN, name) + tlv(SSL_CIPHER, b"TLS_AES_128_GCM_SHA256"))
