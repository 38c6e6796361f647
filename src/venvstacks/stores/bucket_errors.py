"""What a bucket answers in place of what was asked, in words, and without anything that is secret."""

import re

from venvstacks.errors import NotInStoreError, StoreError

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,300})")
_CAUSE = re.compile(r" - (?:HTTP error: )?([^-]{1,200})$")
_CREDENTIAL_SERVICES = ("169.254.169.254", "169.254.170.2", "metadata.google.internal", "token request")
_CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (from a profile: aws configure export-credentials"
    " --format env); AWS_ENDPOINT_URL for other servers than Amazon's",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account, or run"
    " gcloud auth application-default login",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or what a"
    " service principal needs",
}
_FORBIDDEN = {"401", "403"}


def explain(error: Exception, doing: str, name: str, address: str) -> StoreError:
    """Return the error for people.

    Args:
        error: What the client raised; only what is known to be harmless is taken from its text.
        doing: ``read``, ``write``, ``list`` or ``delete``.
        name: The file.
        address: The address of the store.
    """
    text = str(error).split("\n\nDebug source", 1)[0]
    status, code = _find(_STATUS, text), _find(_CODE, text)
    what = f"Cannot {doing} {name!r} of {address}" if name else f"Cannot {doing} {address}"
    scheme = address.partition(":")[0]
    if code in ("NoSuchBucket", "ContainerNotFound") or (status == "404" and doing == "list"):
        return StoreError(f"{what}: there is no such bucket.", hint="create it, or correct the address")
    if isinstance(error, FileNotFoundError):
        return NotInStoreError(f"{address} has no file {name!r}.")
    if any(service in text for service in _CREDENTIAL_SERVICES):
        return StoreError(f"{what}: no credentials were found.", hint=_CREDENTIALS.get(scheme))
    reason = _reason(text, status, code)
    if status in _FORBIDDEN:
        return StoreError(f"{what}: {reason}", hint=_forbidden_hint(scheme, doing))
    return StoreError(f"{what}: {reason}", hint=_hint(text, status))


def status_of(error: Exception) -> str:
    """Return the HTTP status that an error of the client tells of; empty if there is none."""
    return _find(_STATUS, str(error).split("\n\nDebug source", 1)[0])


def _reason(text: str, status: str, code: str) -> str:
    if status:
        message = _find(_MESSAGE, text).strip().rstrip(".")
        words = f" ({code}: {message})" if code and message else f" ({code})" if code else ""
        return f"the server answered {status}{words}."
    if "error sending request" in text:
        return "there is no connection to the server."
    if "Account must be specified" in text:
        return "the storage account is not known."
    first = re.sub(r"\S+://\S+", "(an address)", text.splitlines()[0] if text else "its answer cannot be used")
    cause = _find(_CAUSE, first) or first
    return f"{cause.strip().rstrip('.')}."


def _hint(text: str, status: str) -> str | None:
    if "error sending request" in text:
        return (
            "check the network, HTTPS_PROXY, SSL_CERT_FILE and, for other servers than Amazon's, AWS_ENDPOINT_URL"
        )
    if "Account must be specified" in text:
        return _CREDENTIALS["az"]
    if status.startswith("5") or "timed out" in text:
        return "run the command again; what was done is not done again"
    return None


def _forbidden_hint(scheme: str, doing: str) -> str:
    rights = "s3:GetObject and s3:ListBucket" if doing in ("read", "list") else "s3:PutObject and s3:DeleteObject"
    allowed = f"; the user needs {rights}" if scheme == "s3" else ""
    return f"{_CREDENTIALS.get(scheme, 'check the credentials')}{allowed}"


def _find(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
