"""One message to a webhook; whatever comes of it, the work goes on."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request

from pydantic import SecretStr

TIMEOUT_S = 5.0


def send(url: SecretStr, text: str) -> str | None:
    """Post `{"text": text}`; None when it was taken, else why not, without the address: it is a secret.

    Waits a few seconds at most, however slowly the other side answers.
    """
    came: list[str | None] = []
    sender = threading.Thread(target=lambda: came.append(_post(url.get_secret_value(), text)), daemon=True)
    sender.start()
    sender.join(TIMEOUT_S)
    return came[0] if came else f"no answer within {TIMEOUT_S:.0f} s"


def _post(url: str, text: str) -> str | None:
    body = json.dumps({"text": text}).encode("utf-8")
    headers = {"Content-Type": "application/json", "User-Agent": "ad-events-lakehouse"}
    try:
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - settings take http and https alone
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
            return None
    except urllib.error.HTTPError as refused:
        return f"it answered {refused.code}"
    except Exception as failed:  # noqa: BLE001 - a message that fails never fails the run
        # The text of the exception may hold the address.
        reason = getattr(failed, "reason", None) or failed
        if isinstance(reason, TimeoutError):
            return f"no answer within {TIMEOUT_S:.0f} s"
        return f"it could not be reached ({type(reason).__name__})"
