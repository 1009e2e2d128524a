"""Calls that follow a signature, and calls of what another file defines, with the real model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.engine import Engine
from engine.types import EditRequest, FillRequest, Related

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

CLIENT = """def connect(host, port):
    return Socket(host, port)


def ping(host, timeout):
    return connect(host, 7).wait(timeout)


def fetch(url, timeout=5):
    host, path = url.split("/", 1)
    return connect(host, 80).get(path, timeout)
"""
MAIL = Related("mail.py", ("def send_mail(to, *, heading, message, enclosures=()):",))
USER = "from mail import send_mail\n\n\ndef welcome(user):\n    send_mail(user.email, "


def test_a_new_parameter_is_passed_on(real_engine: Engine) -> None:
    text = CLIENT.replace("connect(host, port)", "connect(host, port, timeout)", 1)
    result = real_engine.edit(EditRequest("follow", text, "python", before=CLIENT))
    assert result.text == text.replace("connect(host, 7)", "connect(host, 7, timeout)").replace(
        "connect(host, 80)", "connect(host, 80, timeout)"
    )


def test_a_signature_of_another_file_is_gone_by(real_engine: Engine) -> None:
    request = FillRequest((USER, None, "\n"), "python", single_line=True, max_tokens=48)
    with_signature = replace(request, related=(MAIL,), related_tokens=256)
    assert "enclosures=" in real_engine.fill(with_signature).fills[0]
    assert "enclosures" not in real_engine.fill(request).fills[0]
