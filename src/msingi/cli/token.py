"""`msingi token`: an access token for a program of the sample, so that the API can be tried with curl."""

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import click
from joserfc import jwt
from joserfc.jwk import ECKey

from msingi.cli import sample
from msingi.cli.running import home_option

BY_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@click.command()
@home_option
@click.argument("client_id")
def token(home: Path, client_id: str) -> None:
    """Print an access token of the program CLIENT_ID, one of those in HOME/sample.json, such as cases-app.

    \b
    curl -H "Authorization: Bearer $(msingi token cases-app)" http://127.0.0.1:8080/v1/...

    The stack must be running. The token says which institution calls and with which scopes, which are the roles in
    the policies; it lives for a few minutes.
    """
    known = sample.load(home)
    client = next((c for c in known["clients"] if c["client_id"] == client_id), None)
    if client is None:
        listed = ", ".join(c["client_id"] for c in known["clients"])
        raise click.ClickException(f"The sample has no program {client_id}; it has {listed}.")
    form = {"grant_type": "client_credentials", "client_assertion_type": BY_ASSERTION}
    form["client_assertion"] = _assertion(client, known["issuer"])
    asked = Request(f"{known['base_url']}/oauth/token", urlencode(form | {"client_id": client_id}).encode())
    try:
        with build_opener(ProxyHandler({})).open(asked, timeout=30) as answer:
            click.echo(json.load(answer)["access_token"])
    except HTTPError as refused:
        raise click.ClickException(f"The stack refused: {refused.read().decode(errors='replace')[:300]}") from None
    except URLError as lost:
        raise click.ClickException(f"{known['base_url']} does not answer ({lost.reason}). Is the stack up?") from None


def _assertion(client: dict[str, Any], issuer: str) -> str:
    """The program's proof of who it is, signed with its key (RFC 7523, section 3)."""
    now, name = int(datetime.now(UTC).timestamp()), client["client_id"]
    claims = {"iss": name, "sub": name, "aud": issuer, "iat": now, "exp": now + 60, "jti": secrets.token_hex(12)}
    head = {"alg": "ES256", "kid": client["jwk"]["kid"], "typ": "JWT"}
    return jwt.encode(head, claims, ECKey.import_key(client["jwk"]))
