"""Reasons for which S3 and GCS did not give a file, from the errors of s3fs and gcsfs.

Most of these errors have no message, or one that quotes a path or what the server said. The
packages are optional, so their errors are recognized by the names of their classes.
"""

from __future__ import annotations

_NO_CONNECTION = "cannot connect to the server; check the network and, if it is set, the endpoint"
_NO_ANSWER = "no answer in time"

_BY_CLASS = {
    "NoCredentialsError": "no AWS credentials were found; set AWS_PROFILE, or "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "PartialCredentialsError": "the AWS credentials are incomplete; check AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or the profile",
    "ProfileNotFound": "there is no such AWS profile; check AWS_PROFILE and AWS_CONFIG_FILE",
    "ParamValidationError": "the name of its bucket is not valid",
    "ReadTimeoutError": _NO_ANSWER,
    "ConnectTimeoutError": _NO_ANSWER,
    "EndpointConnectionError": _NO_CONNECTION,
    "HTTPClientError": "the connection was lost",
    "ClientConnectorError": _NO_CONNECTION,
}
"""Reasons by the name of a class of botocore or aiohttp."""

_BY_BEGINNING = {
    "Invalid endpoint": "the S3 endpoint is not a URL; check AWS_ENDPOINT_URL",
    "Cannot traverse all of S3": "it names no bucket",
    "Forbidden": "access denied",
}
"""Reasons by how the message of an error of another class begins."""


def cloud_reason(error: Exception) -> str:
    """Return why an object store did not give a file, or "" if the error is not one of these."""
    names = [kind.__name__ for kind in type(error).__mro__]
    by_class = next((_BY_CLASS[name] for name in names if name in _BY_CLASS), "")
    if by_class:
        return by_class
    if isinstance(error, PermissionError) and not error.strerror:
        code = _code(error)
        return f"access denied ({code})" if code else "access denied"
    if isinstance(error, FileNotFoundError) and not error.strerror:
        return "it does not exist"
    if "HttpError" in names:  # gcsfs
        return f"the server answered {getattr(error, 'code', 'an error')}"
    text = str(error)
    return next((reason for part, reason in _BY_BEGINNING.items() if text.startswith(part)), "")


def _code(error: Exception) -> str:
    """Return the code in S3's answer, such as SignatureDoesNotMatch, or "" if it has none.

    The answer to a HEAD request has no body, so its code is only the number of the status.
    """
    response = getattr(error.__cause__, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", ""))
    return code if code.isalpha() else ""
