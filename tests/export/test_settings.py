"""What the environment says about sending: settings, resource, sampler."""

from __future__ import annotations

import pytest

from pytest_contextcore.export.provider import sampled
from pytest_contextcore.export.resource import resource
from pytest_contextcore.export.settings import Settings
from pytest_contextcore.ids import Remote
from pytest_contextcore.plan.attributes import registry

SECRET = "s3cr3t-t0ken-value"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class TestSettings:
    def test_nothing_is_exported_where_no_endpoint_is_named(self) -> None:
        assert Settings.from_environ({}) == Settings()
        assert not Settings().exporting

    @pytest.mark.parametrize(
        "environ",
        [
            {"OTEL_SDK_DISABLED": "TRUE"},
            {"OTEL_TRACES_EXPORTER": "none"},
            {"OTEL_TRACES_EXPORTER": "console"},
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon"},
        ],
    )
    def test_an_endpoint_alone_does_not_suffice(self, environ: dict[str, str]) -> None:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}
        assert Settings.from_environ(endpoint).exporting
        assert not Settings.from_environ({**endpoint, **environ}).exporting

    @pytest.mark.parametrize("exporter", ["", "otlp", " OTLP , console"])
    def test_otlp_among_the_exporters_exports(self, exporter: str) -> None:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": exporter}
        assert Settings.from_environ(environ).exporting

    @pytest.mark.parametrize(
        ("endpoint", "protocol", "address"),
        [
            ("http://c:4317", "grpc", "http://c:4317"),
            ("c:4317", "grpc", "c:4317"),
            ("http://c:4318", "http/protobuf", "http://c:4318/v1/traces"),
            ("https://c/otlp/", "http/protobuf", "https://c/otlp/v1/traces"),
        ],
    )
    def test_the_port_tells_the_protocol_and_http_gets_the_path_for_traces(
        self, endpoint: str, protocol: str, address: str
    ) -> None:
        settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
        assert (settings.protocol, settings.endpoint, settings.exporting) == (protocol, address, True)

    def test_variables_for_traces_beat_those_for_all_signals(self) -> None:
        values = {
            "ENDPOINT": ("http://all:4317", "https://traces/exactly/here"),
            "PROTOCOL": ("grpc", "http/json"),
            "TIMEOUT": ("3", "0.5"),
            "HEADERS": ("a=b", "X-Key=v%201, y = z"),
            "COMPRESSION": ("gzip", ""),
        }
        environ = {f"OTEL_EXPORTER_OTLP_{name}": everywhere for name, (everywhere, _) in values.items()}
        environ |= {f"OTEL_EXPORTER_OTLP_TRACES_{name}": traces for name, (_, traces) in values.items()}
        assert Settings.from_environ(environ) == Settings(
            endpoint="https://traces/exactly/here",
            protocol="http/json",
            timeout=0.5,
            headers={"x-key": "v 1", "y": "z"},
            gzip=True,
            insecure=False,
        )

    def test_an_endpoint_that_is_given_beats_them_all(self) -> None:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b"}
        assert Settings.from_environ(environ, "http://c").endpoint == "http://c/v1/traces"

    @pytest.mark.parametrize("endpoint", ["c:4318", "ftp://c", "http://", "http://c:port", "http://[::1", "unix:/x"])
    def test_an_endpoint_that_cannot_be_used_is_a_problem_and_no_crash(self, endpoint: str) -> None:
        settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
        assert not settings.exporting
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in settings.problems[0]
        assert settings.describe() == "no endpoint"

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "smtp"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"),
            ("OTEL_TRACES_SAMPLER", "dice"),
        ],
    )
    def test_an_unsupported_value_is_told_in_one_line(self, variable: str, value: str) -> None:
        (problem,) = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", variable: value}).problems
        assert f"{variable}={value}" in problem
        assert "\n" not in problem

    def test_the_endpoint_is_shown_without_credentials_and_query(self) -> None:
        endpoint = f"https://me:{SECRET}@c:4318/in?key={SECRET}#x"
        settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint})
        assert settings.describe() == "https://c:4318/in"
        assert SECRET not in repr(settings)

    def test_a_header_with_a_line_break_is_refused(self) -> None:
        settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_HEADERS": "x=a%0D%0Ab: c"})
        assert settings.headers == {}
        assert settings.problems == ("OTEL_EXPORTER_OTLP_HEADERS holds a line break; it is not used",)

    def test_a_collectors_text_is_one_short_line_without_control_characters_and_secrets(self) -> None:
        settings = Settings(headers={"authorization": f"Bearer {SECRET}"})
        cleaned = settings.clean(f"no\r\n\x1b[2J\x07{SECRET}\u202e" + "x" * 500)
        assert cleaned.startswith("no [2J *** xxx")
        assert len(cleaned) < 350


class TestResource:
    def test_without_anything_said_it_is_contextcore(self) -> None:
        made = resource({})
        assert made["service.name"] == "contextcore"
        assert made["telemetry.sdk.language"] == "python"

    @pytest.mark.parametrize(
        ("environ", "name"),
        [
            ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=shop"}, "shop"),
            ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=shop", "OTEL_SERVICE_NAME": "till"}, "till"),
        ],
    )
    def test_the_service_is_named_by_the_standard_variables(self, environ: dict[str, str], name: str) -> None:
        assert resource(environ)["service.name"] == name

    @pytest.mark.parametrize(
        "text",
        [
            f"GITHUB_ACTIONS=true GITHUB_WORKFLOW=build GITHUB_RUN_ID=7 GITHUB_JOB=test GITHUB_SHA=abc "
            f"GITHUB_SERVER_URL=https://x:{SECRET}@forge GITHUB_REPOSITORY=o/r GITHUB_REF_NAME=main",
            f"GITLAB_CI=true CI_PIPELINE_NAME=build CI_PIPELINE_ID=7 CI_JOB_NAME=test CI_COMMIT_SHA=abc "
            f"CI_PIPELINE_URL=https://forge/o/r/actions/runs/7 CI_COMMIT_REF_NAME=main "
            f"CI_REPOSITORY_URL=https://gitlab-ci-token:{SECRET}@forge/o/r.git",
            f"JENKINS_URL=https://ci JOB_NAME=build BUILD_ID=7 STAGE_NAME=test GIT_COMMIT=abc BRANCH_NAME=main "
            f"BUILD_URL=https://forge/o/r/actions/runs/7 GIT_URL=https://me:{SECRET}@forge/o/r",
        ],
        ids=["github", "gitlab", "jenkins"],
    )
    def test_ci_and_vcs_are_told_by_the_environment_without_credentials(self, text: str) -> None:
        made = resource(dict(pair.split("=") for pair in text.split()))
        assert made.keys() <= registry().keys()
        assert {name: made[name] for name in made if name.startswith(("cicd.", "vcs."))} == {
            "cicd.pipeline.name": "build",
            "cicd.pipeline.run.id": "7",
            "cicd.pipeline.run.url.full": "https://forge/o/r/actions/runs/7",
            "cicd.pipeline.task.name": "test",
            "vcs.repository.url.full": "https://forge/o/r",
            "vcs.ref.head.name": "main",
            "vcs.ref.head.revision": "abc",
        }

    def test_what_the_user_says_beats_what_is_detected(self) -> None:
        environ = {
            "JENKINS_URL": "x",
            "GIT_COMMIT": "abc",
            "OTEL_RESOURCE_ATTRIBUTES": "vcs.ref.head.revision=d%20f,x=1",
        }
        assert resource(environ)["vcs.ref.head.revision"] == "d f"
        assert resource(environ)["x"] == "1"


class TestSampling:
    @pytest.mark.parametrize(
        ("name", "argument", "parent", "taken"),
        [
            ("", "", None, True),
            ("", "", False, False),
            ("", "", True, True),
            ("always_on", "", False, True),
            ("always_off", "", True, False),
            ("parentbased_always_off", "", None, False),
            ("parentbased_always_off", "", True, True),
            ("traceidratio", "0", True, False),
            ("traceidratio", "1", False, True),
            ("parentbased_traceidratio", "0", True, True),
            ("parentbased_traceidratio", "0", None, False),
            ("parentbased_traceidratio", "rubbish", None, True),
            ("dice", "", None, True),
        ],
    )
    def test_the_named_sampler_decides(self, name: str, argument: str, parent: bool | None, taken: bool) -> None:
        remote = None if parent is None else Remote(TRACE, "00f067aa0ba902b7", parent)
        environ = {"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument}
        assert sampled(Settings.from_environ(environ), remote, TRACE) is taken
