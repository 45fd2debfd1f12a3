"""TLS by the standard variables, over gRPC and HTTP, with certificates that are made here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from pytest_contextcore.export.send import Outcome, send
from pytest_contextcore.export.settings import Settings

from ..support.otlp_receiver import Receiver
from ..support.spools import filled, spans

PROTOCOLS = ["grpc", "http/protobuf", "http/json"]


@dataclass(frozen=True)
class Files:
    """PEM files: the authority, the server's pair, a client's pair."""

    authority: Path
    server: tuple[Path, Path]
    client: tuple[Path, Path]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")

    def pair(name: str, made: trustme.LeafCert) -> tuple[Path, Path]:
        made.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        made.private_key_pem.write_to_path(folder / f"{name}.key")
        return folder / f"{name}.pem", folder / f"{name}.key"

    return Files(
        folder / "authority.pem",
        pair("server", authority.issue_cert("127.0.0.1", "localhost")),
        pair("client", authority.issue_cert("client")),
    )


Sending = Callable[..., Outcome]


@pytest.fixture
def sent(files: Files, tmp_path: Path) -> Sending:
    """Sends a span to a receiver, whose authority is trusted if nothing else is said."""
    spool = filled(tmp_path / "spool" / "run.otlp", spans(1))

    def sent(receiver: Receiver, protocol: str, **more: str) -> Outcome:
        environ = {**receiver.environ(protocol), "OTEL_EXPORTER_OTLP_CERTIFICATE": str(files.authority), **more}
        return send(Settings.from_environ(environ), [spool], seconds=10.0)

    return sent


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_servers_certificate_is_verified_with_the_named_one(files: Files, sent: Sending, protocol: str) -> None:
    with Receiver(tls=files.server) as receiver:
        refused = sent(receiver, protocol, OTEL_EXPORTER_OTLP_CERTIFICATE="")
        assert (refused.left, receiver.spans) == (1, [])
        assert "CERTIFICATE_VERIFY_FAILED" in str(refused.problem)
        missing = sent(receiver, protocol, OTEL_EXPORTER_OTLP_CERTIFICATE="/nowhere.pem")
        assert missing.left == 1
        assert "No such file or directory" in str(missing.problem)
        assert sent(receiver, protocol).sent == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_certificate_for_another_host_is_refused(files: Files, sent: Sending, protocol: str) -> None:
    with Receiver(tls=files.client) as receiver:
        assert sent(receiver, protocol).left == 1
        assert receiver.spans == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_shows_its_own_certificate_where_the_server_asks(files: Files, sent: Sending, protocol: str) -> None:
    own = {
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(files.client[0]),
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY": str(files.client[1]),
    }
    with Receiver(tls=files.server, client_authority=files.authority) as receiver:
        assert sent(receiver, protocol).left == 1
        assert receiver.spans == []
        assert sent(receiver, protocol, **own).sent == 1


@pytest.mark.parametrize(("insecure", "count"), [("true", 0), ("false", 1)])
def test_insecure_decides_for_grpc_where_the_endpoint_has_no_scheme(
    files: Files, sent: Sending, insecure: str, count: int
) -> None:
    with Receiver(tls=files.server) as receiver:
        bare = receiver.grpc_endpoint.removeprefix("https://")
        more = {"OTEL_EXPORTER_OTLP_ENDPOINT": bare, "OTEL_EXPORTER_OTLP_INSECURE": insecure}
        assert sent(receiver, "grpc", **more).sent == count


def test_a_run_with_a_certificate_that_is_not_trusted_says_one_line_and_nothing_else(
    files: Files, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("def test_a(): pass")
    with Receiver(tls=files.server) as receiver:
        for name, setting in receiver.environ("grpc").items():
            monkeypatch.setenv(name, setting)
        result = pytester.runpytest_subprocess()
    assert result.errlines == []
    (line,) = [line for line in result.outlines if "not sent" in line]
    assert "CERTIFICATE_VERIFY_FAILED" in line
