"""What a machine says about HTTP in its environment: proxies and certificates."""

import ipaddress
import ssl
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from venvstacks.errors import StoreError
from venvstacks.humanize import without_credentials

PORTS = {"http": 80, "https": 443}

# Where distributions keep certificates. A Python that was built elsewhere may look in another place.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def origin(parts: SplitResult) -> tuple[str, str, int]:
    """Return whom an address leads to: scheme, host and port."""
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)


def is_same_server(url: str, other: str) -> bool:
    """Return whether what is for one server may be sent to another: it is the same, or the same with TLS."""
    first, second = origin(urlsplit(url)), origin(urlsplit(other))
    is_upgrade = (first[0], first[2], second[0], second[2]) == ("http", 80, "https", 443)
    return first == second or (is_upgrade and first[1] == second[1])


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return how servers are verified: by SSL_CERT_FILE and SSL_CERT_DIR, or else by the system's certificates.

    SSL_CLIENT_CERT names a certificate with its private key, for servers that ask for one.

    Raises:
        StoreError: One of these files cannot be used.
    """
    file, folder = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    client = environ.get("SSL_CLIENT_CERT")
    try:
        context = ssl.create_default_context(cafile=file or None, capath=folder or None)
        if client:
            context.load_cert_chain(client)
    except (OSError, ValueError) as error:
        names = ", ".join(f"{name}={environ[name]}" for name in sorted(environ) if name.startswith("SSL_C"))
        raise StoreError(f"Certificates cannot be read ({names}): {error}") from None
    if not file and not folder and not context.get_ca_certs():
        for bundle in _BUNDLES:
            with suppress(OSError):
                context.load_verify_locations(bundle)
                break
    return context


def proxy_for(parts: SplitResult, environ: Mapping[str, str]) -> str | None:
    """Return the proxy for an address by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in either case.

    Raises:
        StoreError: It is no proxy for HTTP.
    """
    names = (f"{parts.scheme}_proxy", "all_proxy")
    found = next(filter(None, (_variable(environ, name) for name in names)), "")
    if not found or _goes_direct(parts.hostname or "", origin(parts)[2], _variable(environ, "no_proxy")):
        return None
    proxy = found if "://" in found else f"http://{found}"
    if urlsplit(proxy).scheme not in PORTS or not urlsplit(proxy).hostname:
        raise StoreError(
            f"{without_credentials(proxy)} is no proxy that can be used.", hint="name one that begins with http://"
        )
    return proxy


def _variable(environ: Mapping[str, str], name: str) -> str:
    if name in environ:
        return environ[name]
    # in capitals, that may be the header "Proxy" of a request, in programs that a web server starts
    is_cgi = name == "http_proxy" and "REQUEST_METHOD" in environ
    return "" if is_cgi else environ.get(name.upper(), "")


def _goes_direct(host: str, port: int, exceptions: str) -> bool:
    """Return whether NO_PROXY names a host: itself, a domain above it, a network, with its port or without."""
    for word in filter(None, (word.strip().lower() for word in exceptions.split(","))):
        if word == "*":
            return True
        name, _, wanted = word.rpartition(":")
        if name and wanted.isdecimal() and (name.endswith("]") or ":" not in name):
            if int(wanted) != port:
                continue
            word = name  # noqa: PLW2901 - without its port
        domain = word.lstrip("*").lstrip(".").strip("[]")
        if host == domain or host.endswith(f".{domain}"):
            return True
        with suppress(ValueError):
            if ipaddress.ip_address(host) in ipaddress.ip_network(domain, strict=False):
                return True
    return False
