"""A temporary certificate authority, which can issue all kinds of certificates and revoke them."""

import datetime
import pathlib
import subprocess


def openssl(*arguments, text=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=text, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr}"
    return done.stdout


KEYS = {"ec": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        "p384": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"),
        "p521": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp521r1"),
        "brainpool": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"),
        "ed25519": ("-newkey", "ed25519"),
        "ed448": ("-newkey", "ed448"),
        "rsa": ("-newkey", "rsa:2048")}


class Issued:
    """The files of a certificate and its key."""

    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    def conf(self, **more):
        return {"certificate_file": str(self.certificate), "private_key_file": str(self.key), **more}


class Authority:
    """The directory contains NAME.pem and NAME.key, and ca.pem and ca.key of the authority itself."""

    def __init__(self, directory, name="mqtt-router test CA", days=30):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.file = self.directory / "ca.pem"
        self.key = self.directory / "ca.key"
        openssl("req", "-x509", *KEYS["ec"], "-nodes", "-days", days, "-subj", f"/CN={name}",
                "-keyout", self.key, "-out", self.file)

    def issue(self, name, cn=None, sans=(), key="ec", **options):
        """Issue a certificate. sans: in openssl's notation, "DNS:a.example"; options: days, passphrase, usage."""
        request, extensions, certificate, key_file = (
            self.directory / f"{name}.{kind}" for kind in ("csr", "ext", "pem", "key"))
        secret = ("-passout", f"pass:{options['passphrase']}") if "passphrase" in options else ("-nodes",)
        openssl("req", *KEYS[key], *secret, "-utf8", "-subj", f"/CN={cn or name}", "-keyout",
                key_file, "-out", request)
        lines = ["basicConstraints = CA:FALSE",
                 f"extendedKeyUsage = {options.get('usage', 'serverAuth, clientAuth')}"]
        if sans:
            lines.append("subjectAltName = " + ", ".join(sans))
        extensions.write_text("\n".join(lines) + "\n")
        openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key,
                "-CAcreateserial", "-days", options.get("days", 20), "-extfile", extensions,
                "-out", certificate)
        return Issued(certificate, key_file)

    def expire(self):
        """Replace the authority's own certificate by one that has expired."""
        openssl("x509", "-in", self.file, "-signkey", self.key, "-days", "-1", "-out", self.file)

    def index(self, revoked=(), good=()):
        """Write the database of `openssl ca` with these certificates; return its path."""
        index = self.directory / "index.txt"
        rows = [(i, state) for state, some in (("R", revoked), ("V", good)) for i in some]
        index.write_text("".join(
            f"{state}\t400101000000Z\t{'250101000000Z' if state == 'R' else ''}\t"
            f"{serial_of(i.certificate)}\tunknown\t/CN=x\n" for i, state in rows))
        return index

    def crl(self, file, revoked=(), ends=None):
        """ends: nextUpdate, a datetime in UTC; default: 30 days from now."""
        config = self.directory / "ca.cnf"
        span = () if ends is None else (
            "-crl_lastupdate", time_of(ends - datetime.timedelta(days=40)),
            "-crl_nextupdate", time_of(ends))
        config.write_text(f"[ca]\ndefault_ca = d\n[d]\ndatabase = {self.index(revoked)}\n"
                          "default_md = sha256\ndefault_crl_days = 30\n")
        openssl("ca", "-config", config, "-gencrl", *span, "-keyfile", self.key, "-cert",
                self.file, "-out", file)
        return file

    def ocsp_response(self, issued, file, days=10):
        openssl("ocsp", "-index", self.index(good=[issued]), "-rsigner", self.file, "-rkey",
                self.key, "-CA", self.file, "-issuer", self.file, "-cert", issued.certificate,
                "-ndays", days, "-respout", file)
        return file


def time_of(moment):
    return moment.strftime("%Y%m%d%H%M%SZ")


def serial_of(certificate):
    return openssl("x509", "-in", certificate, "-noout", "-serial").strip().split("=")[1]
