"""Every code of the protocol is its own exception."""

import pytest

from luna_client import LunaError, errors
from luna_client.errors import error_from_header

CODES = [
    "bad_frame",
    "duplicate_request_id",
    "protocol_mismatch",
    "unauthenticated",
    "unknown_command",
    "bad_request",
    "unknown_model",
    "unsupported_model",
    "bad_model_file",
    "model_mismatch",
    "unknown_lora",
    "unknown_job",
    "overloaded",
    "out_of_memory",
    "unavailable",
    "timeout",
    "cancelled",
    "shutting_down",
    "not_permitted",
    "internal",
]


@pytest.mark.parametrize("code", CODES)
def test_a_code_becomes_its_own_exception(code: str) -> None:
    error = error_from_header({"code": code, "message": "a sentence", "retryable": False})
    assert isinstance(error, LunaError)
    assert type(error) is not LunaError
    assert error.code == code == type(error).code
    assert error.message == "a sentence"


def test_the_classes_are_as_many_as_the_codes() -> None:
    assert sorted(errors.CLASS_OF_CODE) == sorted(CODES)


def test_a_code_of_the_future_stays_readable() -> None:
    error = error_from_header({"code": "out_of_coffee", "message": "make some", "retryable": True})
    assert type(error) is LunaError
    assert error.code == "out_of_coffee"
    assert error.retryable


def test_hint_and_details_are_kept() -> None:
    header = {
        "code": "overloaded",
        "message": "full",
        "retry_after_ms": 250,
        "details": {"queue": 256},
    }
    error = error_from_header(header)
    assert error.retryable  # the class's own default
    assert error.retry_after_ms == 250
    assert error.details == {"queue": 256}


def test_a_header_of_nonsense_is_still_an_error() -> None:
    error = error_from_header(
        {"code": 7, "retryable": "yes", "retry_after_ms": "soon", "details": []}
    )
    assert error.code == "7"
    assert error.details == {}
    assert error.retry_after_ms is None


def test_timeouts_and_lost_connections_are_also_pythons_own_errors() -> None:
    assert issubclass(errors.RequestTimeoutError, TimeoutError)
    assert issubclass(errors.ConnectionLostError, ConnectionError)
