"""What the operator chose: environment variables and command-line options, in one place, documented by their fields."""

import os
from pathlib import Path
from typing import Any

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one running stack. Each can be set as `MSINGI_<FIELD>`; see docs/how-to/settings.md."""

    home: Path = Path(".msingi")
    """Directory of the embedded database, the keystore and sample files."""
    database_url: str = ""
    """A PostgreSQL >= 18 to use instead of the embedded one; its owner role, for migrations too."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8080
    """TCP port to listen on."""
    base_url: str = ""
    """The address that people and clients use; default http://host:port."""
    country: str = "taifa"
    """A shipped country profile, or the path of a profile folder."""
    key_passphrase: str = ""
    """Passphrase of the keystore; default: the file keystore.secret in home."""
    pkcs11_module: str = ""
    """Path of a PKCS#11 library that holds the signing keys, instead of the software keystore."""
    pkcs11_token: str = ""
    """Label of the PKCS#11 token."""
    pkcs11_pin: str = ""
    """User PIN of the PKCS#11 token."""
    sandbox: bool = False
    """A sample country with simulated messages that can be read back; only on a loopback address."""
    rooms: str = ""
    """The rooms that this machine runs, separated by commas, when others run elsewhere; empty: all of them."""
    peer: str = ""
    """With rooms: the address of the stack that runs the others, as URL#fingerprint; a loopback one needs none."""
    abis_url: str = ""
    """Address of the matcher of biometrics (MOSIP ABIS API over HTTP); empty: records are kept and not compared."""
    abis_key: str = ""
    """Bearer key between this stack and the matcher, shown by each to the other."""
    abis_certificate: str = ""
    """PEM file with the matcher's certificate (RSA), to which the records that it fetches are encrypted."""
    service_hosts: str = ""
    """Hosts (with port) where services that members describe may answer, separated by commas; empty: only the
    governing authority describes services that answer at an address."""
    callback_hosts: str = ""
    """Hosts (with port) to which the exchange may send events of subscribers, separated by commas; empty: none."""
    metrics: bool = False
    """Serve Prometheus metrics at /metrics."""
    otel_endpoint: str = ""
    """OTLP/HTTP address that receives OpenTelemetry traces; empty: none are made."""
    log_level: str = "info"
    """debug, info, warning or error."""
    pool_size: int = 10
    """Database connections of this process."""
    ledger_shards: str = ""
    """Further shards of the ledger: numbers from 1 to 255, commas between, `=URL` for one in another database."""
    sms_url: str = ""
    """Address of the gateway that takes text messages (POST of JSON); empty: in a sandbox they are simulated."""
    sms_key: str = ""
    """Bearer key for the text message gateway."""
    ussd_key: str = ""
    """Bearer key that the USSD gateway shows at /channels/ussd; without it only a sandbox answers there."""
    gateway_url: str = ""
    """Public address of `msingi gateway`, where it is not that of the stack; messages are signed for it."""
    govstack_instances: str = ""
    """Further names by which GovStack's clients may call this instance, separated by commas."""
    g2p_connect_peers: str = ""
    """Systems that are answered under G2P Connect, separated by commas: `sender-id institution callback-url [key]`; the
    key is the sender's Ed25519 public key in base64, and then every message must carry the sender's signature."""
    gateway_mtls: bool = False
    """Ask every message for a client certificate: of its own connection, or in Client-Cert of a trusted proxy."""
    gateway_certificate: str = ""
    """PEM file with the certificate chain of `msingi gateway`, which then ends TLS itself; empty: a proxy does."""
    gateway_certificate_key: str = ""
    """PEM file with the private key of gateway_certificate; empty: it is in the same file."""
    trusted_proxies: str = ""
    """Addresses of proxies that may set Client-Cert, separated by commas; `unix:` is the gateway's own socket."""
    witnesses: str = ""
    """Witnesses to ask for cosignatures: `vkey url` each (or `vkey vkey url`), separated by commas."""
    witness_quorum: int = 0
    """How many witnesses must have cosigned a tree head before it is shown; 0: none, and none is waited for."""
    timestamp_url: str = ""
    """Address of a time-stamping authority (RFC 3161) that stamps the log's heads; empty: none is asked."""
    timestamp_root: str = ""
    """PEM file with the root certificate of the time-stamping authority, and certificates between, if any."""
    timestamp_s: int = 60
    """Seconds between two time stamps."""
    witnessed_logs: str = ""
    """Logs that this stack witnesses: vkeys, separated by commas."""

    @property
    def url(self) -> str:
        """The public address without a slash at its end; also the OpenID issuer and the log's base."""
        return (self.base_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def origin(self) -> str:
        """The log's origin (C2SP tlog-checkpoint): the public address without its scheme."""
        return self.url.partition("://")[2] + "/log"


LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def read(**chosen: Any) -> Settings:
    """The settings from `chosen` options (None: not chosen), the environment, then defaults.

    Raises ValueError, naming the variable, for a value of the wrong type or an unknown `MSINGI_` variable.
    """
    raw: dict[str, Any] = {}
    names = {f.name: f.type for f in msgspec.structs.fields(Settings)}
    for variable, text in os.environ.items():
        name = variable.removeprefix("MSINGI_").lower()
        if variable.startswith("MSINGI_") and not variable.startswith("MSINGI_TEST_"):
            if name not in names:
                raise ValueError(f"{variable} is not a setting; known are {', '.join(sorted(names))}")
            raw[name] = text
    raw |= {name: value for name, value in chosen.items() if value is not None}
    try:
        settings = msgspec.convert(raw, Settings, strict=False, dec_hook=lambda t, v: t(v))
    except msgspec.ValidationError as wrong:
        raise ValueError(f"a setting is wrong: {wrong}") from None
    if settings.sandbox and settings.host not in LOOPBACK:
        raise ValueError("a sandbox listens on a loopback address only: leave out --host, or --sample")
    return settings
