"""All HTTP with the merchant API (orderApi.jsp), and the class of every error.

Errors follow the gateway page, section 12: business errors come with status 200 as a line `resultCode=-1&...&errMsg=...`,
whose text is the only sign of what was wrong. Answers to Query are XML, answers to everything else are such a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlencode

from clients.pesopay.answers import Fields, Unreadable, read_line, read_records, read_text
from clients.pesopay.config import PesoPayConfig
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.http import Http, HttpRequest, HttpResponse, NoAnswer, NotSent

DONE: Final = "0"
REFUSED: Final = "-1"
# Unconfirmed: the texts. "Authentication Failed" is known; matched loosely, without regard to case.
CREDENTIAL_TEXTS: Final = re.compile(r"authenti|log[ _-]?in|password|merchant[ _-]?id", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One action of the merchant API. `is_write`: an unanswered one may have done something."""

    action: str
    is_write: bool = True
    is_auxiliary: bool = False

    def unreadable(self, reason: str, response: HttpResponse | None = None) -> GatewayError:
        """The error of an answer that says nothing."""
        kind = OutcomeUnknown if self.is_write else GatewayUnavailable
        return kind(reason, http_status=None if response is None else response.status)


class PesoPayClient:
    """Every method raises the GatewayErrors and nothing else."""

    def __init__(self, config: PesoPayConfig, *, http: Http) -> None:
        self._config = config
        self._http = http

    def query(self, *, is_auxiliary: bool = False, **names: str) -> list[Fields]:
        """One record for each attempt under `orderRef` or `payRef`; none where nothing ever reached the payment."""
        call = Call(action="Query", is_write=False, is_auxiliary=is_auxiliary)
        response = self._exchange(call, names)
        line = self._line(call, response)
        if line is not None:
            raise call.unreadable("a Query was answered by a line instead of records", response)
        try:
            return read_records(response.body)
        except Unreadable as error:
            raise call.unreadable(str(error), response) from None

    def act(self, action: str, **fields: str) -> Fields:
        """Capture, Void or a refund; the answer's members when it was done. Its orderStatus is not the new state."""
        call = Call(action=action)
        response = self._exchange(call, fields)
        line = self._line(call, response)
        if line is None:
            raise call.unreadable("the answer is not readable", response)
        return line

    # --- one request ---------------------------------------------------------------------------------------------

    def _exchange(self, call: Call, fields: dict[str, str]) -> HttpResponse:
        form = {**self._config.login_fields(), "actionType": call.action, **fields}
        request = HttpRequest(
            method="POST",
            url=self._config.api_url,
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
            is_auxiliary=call.is_auxiliary,
        )
        try:
            response = self._http.send(request)
        except NotSent:
            raise GatewayUnavailable("PesoPay could not be reached") from None
        except NoAnswer:
            raise call.unreadable("PesoPay did not answer") from None
        if response.status != 200:
            raise _error_of_status(call, response)
        return response

    def _line(self, call: Call, response: HttpResponse) -> Fields | None:
        """The pairs of an answer that was done; None for another form. Raises for a refusal."""
        try:
            line = read_line(response.body)
        except Unreadable as error:
            raise call.unreadable(str(error), response) from None
        if line is None:
            return None
        code = line.get("resultcode", line.get("successcode", ""))
        if code == REFUSED:
            raise self._refusal(line, response)
        if code != DONE:
            raise call.unreadable("the answer has a result code that is not known", response)
        return line

    def _refusal(self, line: Fields, response: HttpResponse) -> GatewayError:
        text = self._cleaned(line["errmsg"])
        kind = GatewayMisconfigured if CREDENTIAL_TEXTS.search(text) else RequestRejected
        reason = f"PesoPay refuses: {text}" if text else "PesoPay refuses without saying why"
        return kind(reason, gateway_code=REFUSED, http_status=response.status)

    def _cleaned(self, text: str) -> str:
        """Their text for staff, without a secret that it might repeat."""
        for secret in (self._config.password, *self._config.secrets):
            text = text.replace(secret, "...") if secret else text
        return read_text(text) or ""


def _error_of_status(call: Call, response: HttpResponse) -> GatewayError:
    status = response.status
    reason = f"PesoPay answered {status}"
    if status == 429:
        return GatewayUnavailable(reason, http_status=status, retry_after_seconds=_retry_after(response))
    if status in {401, 403}:
        # Unconfirmed: that this is what a server sees whose address is not whitelisted.
        return GatewayMisconfigured(f"{reason}: is our server's address whitelisted at AsiaPay?", http_status=status)
    if 400 <= status < 500:
        return RequestRejected(reason, http_status=status)
    return call.unreadable(reason, response)


def _retry_after(response: HttpResponse) -> float | None:
    """Seconds of a Retry-After header, given as a number or as a date (then counted from the answer's own Date)."""
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,6}", value, re.ASCII):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        since = parsedate_to_datetime(response.headers.get("date", ""))
        return max(0.0, (until.astimezone(UTC) - since.astimezone(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None
