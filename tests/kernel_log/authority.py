"""A time-stamping authority for tests: `openssl ts` behind an HTTP door, with a root and a signer of its own."""

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONF = """
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[signer]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = own
[own]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.4146.2.3
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""  # no `certs =`: openssl would add the chain in an order that strict readers refuse


def openssl(folder: Path, *words: str) -> None:
    """Run it in the folder."""
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)


class Authority:
    """`url` answers requests; `root` is the file of its root certificate. `broken` makes it answer nonsense."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.broken, self.asked = folder, False, 0
        (folder / "ts.cnf").write_text(CONF.format(folder=folder))
        (folder / "serial").write_text("01\n")
        new = ("req", "-new", "-newkey", "rsa:2048", "-nodes", "-config", "ts.cnf")
        openssl(folder, *new, "-x509", "-days", "30", "-extensions", "root", "-subj", "/CN=Test root",
                "-keyout", "root.key", "-out", "root.pem")  # fmt: skip
        openssl(folder, *new, "-subj", "/CN=Test authority", "-keyout", "tsa.key", "-out", "tsa.csr")
        openssl(folder, "x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "30",
                "-set_serial", "2", "-extfile", "ts.cnf", "-extensions", "signer", "-out", "tsa.pem")  # fmt: skip
        self.root = folder / "root.pem"
        authority = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """RFC 3161, section 3.4."""
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                answer = b"nonsense" if authority.broken else authority.reply(raw)
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._doors = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self._doors.server_port}"
        threading.Thread(target=self._doors.serve_forever, daemon=True).start()

    def reply(self, query: bytes) -> bytes:
        """The token for a request."""
        self.asked += 1
        (self.folder / "query.tsq").write_bytes(query)
        openssl(self.folder, "ts", "-reply", "-config", "ts.cnf", "-section", "own", "-queryfile", "query.tsq",
                "-out", "reply.tsr")  # fmt: skip
        return (self.folder / "reply.tsr").read_bytes()

    def close(self) -> None:
        """Stop answering."""
        self._doors.shutdown()
        self._doors.server_close()
