"""``contextcore attest``: a statement that in-toto's own package reads, and what verification refuses."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.proof.statement import Named, statement
from pytest_contextcore.trace.evidence import Evidence
from pytest_contextcore.trace.file import load_evidence

from .conftest import Project

Captured = pytest.CaptureFixture[str]
STALE = "0" * 63 + "1"
ARTIFACT = "out/workspace/project/prometheus/rules/orders-api-prometheus-rules.yaml"


@pytest.fixture(autouse=True)
def _in_the_project(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """PEM files: ``private`` and ``public`` of one pair, the ``other`` one's public key, and keys of other kinds."""
    pytest.importorskip("securesystemslib")
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

    folder, found = tmp_path_factory.mktemp("keys"), {}
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    plain, locked = serialization.NoEncryption(), serialization.BestAvailableEncryption(b"secret")
    for name, key, how in (
        ("", ed25519.Ed25519PrivateKey.generate(), plain),
        ("other", ed25519.Ed25519PrivateKey.generate(), plain),
        ("ecdsa", ec.generate_private_key(ec.SECP256R1()), plain),
        ("rsa", rsa.generate_private_key(65537, 2048), plain),
        ("locked", ed25519.Ed25519PrivateKey.generate(), locked),
        ("dsa", dsa.generate_private_key(1024), plain),
    ):
        found[f"{name}private"] = folder / f"{name}private.pem"
        found[f"{name}private"].write_bytes(key.private_bytes(pem, pkcs8, how))
        found[f"{name}public"] = folder / f"{name}public.pem"
        subject = serialization.PublicFormat.SubjectPublicKeyInfo
        found[f"{name}public"].write_bytes(key.public_key().public_bytes(pem, subject))
    return found


def attested(capsys: Captured, *more: str) -> tuple[int, dict[str, Any]]:
    code = main(["attest", *more])
    return code, json.loads(capsys.readouterr().out)


def verified(capsys: Captured, attestation: Path, public: Path) -> tuple[int, str]:
    code = main(["verify", "--attestation", str(attestation), "--pub", str(public)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_statement_names_outputs_gates_and_plan(project: Project, capsys: Captured) -> None:
    code, made = attested(capsys)
    assert code == 0
    evidence = json.loads(project.evidence.read_bytes())
    subjects = {subject["name"]: subject["digest"] for subject in made["subject"]}
    assert subjects["PI-101-002.json"] == {"sha256": sha256(project.evidence)}
    assert subjects[ARTIFACT] == {"sha256": sha256(project.root / ARTIFACT)}
    assert len(subjects) == 4
    predicate = made["predicate"]
    assert predicate["result"] == "PASSED"
    assert predicate["configuration"] == [
        {"name": "PI-101-002", "digest": {"sha256": evidence["plan_digest"]}},
        {"name": "pilot_tests/plan.toml", "digest": {"sha256": sha256(project.root / "pilot_tests/plan.toml")}},
    ]
    gates = [gate["gate_id"] for span in evidence["spans"] for gate in span["gates"]]
    assert (predicate["passedTests"], predicate["warnedTests"], predicate["failedTests"]) == (gates, [], [])


def test_in_totos_own_package_reads_it(project: Project, capsys: Captured, keys: dict[str, Path]) -> None:
    statements = pytest.importorskip("in_toto_attestation.v1.statement")
    test_results = pytest.importorskip("in_toto_attestation.predicates.test_result.v0.test_result_pb2")
    from google.protobuf import json_format

    _, envelope = attested(capsys, "--key", str(keys["private"]))
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    payload = base64.b64decode(envelope["payload"])
    assert json.loads(payload) == attested(capsys)[1]
    read = json_format.Parse(payload, statements.spb.Statement())
    statements.Statement.copy_from_pb(read).validate()
    assert read.predicate_type == "https://in-toto.io/attestation/test-result/v0.1"
    result = json_format.ParseDict(json_format.MessageToDict(read.predicate), test_results.TestResult())
    assert (result.result, len(result.passed_tests), len(result.configuration)) == ("PASSED", 33, 2)


@pytest.mark.parametrize("kind", ["", "ecdsa", "rsa"])
def test_a_signed_attestation_is_accepted_with_its_key_only(
    project: Project, capsys: Captured, keys: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "a.intoto.jsonl"
    assert main(["attest", "--key", str(keys[f"{kind}private"]), "--output", str(path)]) == 0
    assert path.read_bytes().count(b"\n") == 1
    code, told = verified(capsys, path, keys[f"{kind}public"])
    assert (code, told.endswith(f"and {path} fits it\n")) == (0, True), told
    code, told = verified(capsys, path, keys["otherpublic"])
    assert (code, "no signature that fits" in told) == (1, True)


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("locked", "as PEM without a password"),
        ("dsa", "give an Ed25519, ECDSA or RSA key"),
        ("public", "no private key"),
        ("absent", "the private key cannot be read: No such file"),
    ],
)
def test_a_key_that_cannot_sign_is_refused(
    project: Project, capsys: Captured, keys: dict[str, Path], tmp_path: Path, which: str, said: str
) -> None:
    given = keys.get(which, keys.get(f"{which}private", tmp_path / "no.pem"))
    assert main(["attest", "--key", str(given)]) == 1
    captured = capsys.readouterr()
    assert (captured.out, said in captured.err, captured.err.count("\n")) == ("", True, 1), captured.err


def test_without_the_library_it_says_what_to_install(
    project: Project, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "securesystemslib", None)
    assert main(["attest", "--key", str(tmp_path)]) == 1
    assert "pip install '.[attest]'" in capsys.readouterr().err
    assert attested(capsys)[0] == 0


Edit = Callable[[dict[str, Any]], object]
FORGED: list[tuple[Edit, str]] = [
    (lambda made: made["predicate"]["passedTests"].pop(7), "predicate.passedTests\n  observed: lacks PI-101-002-S3-C1"),
    (lambda made: made["predicate"]["passedTests"].append("PI-101-002-S3-C9"), "has PI-101-002-S3-C9"),
    (lambda made: made["predicate"]["passedTests"].reverse(), "another order"),
    (lambda made: made["predicate"]["passedTests"].append("PI-101-002-S3-C1"), "an entry twice"),
    (lambda made: made["predicate"].update(result="WARNED"), "predicate.result\n  observed: WARNED"),
    (lambda made: made["predicate"].update(url="https://example.org"), "predicate.url"),
    (lambda made: made["predicate"]["configuration"][0]["digest"].update(sha256=STALE), "predicate.configuration"),
    (lambda made: made["predicate"]["configuration"].pop(), "predicate.configuration"),
    (lambda made: made["predicate"].pop("warnedTests"), "predicate.warnedTests"),
    (lambda made: made["subject"][0]["digest"].update(sha256=STALE), "the attestation: subject"),
    (lambda made: made["subject"][2].update(name="other.yaml"), "the attestation: subject\n  observed: lacks"),
    (lambda made: made["subject"].pop(), "the attestation: subject\n  observed: lacks"),
    (lambda made: made["subject"].append({"name": "x", "digest": {"sha256": STALE}}), "subject\n  observed: has"),
    (lambda made: made.update(predicateType="https://in-toto.io/attestation/other/v1"), "predicateType"),
    (lambda made: made.update(_type="https://in-toto.io/Statement/v0.1"), "_type"),
    (lambda made: made.update(predicate=[]), "no statement with a predicate"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "said"), FORGED, ids=range(len(FORGED)))
def test_a_statement_that_does_not_fit_is_refused_whoever_signed_it(
    project: Project, capsys: Captured, keys: dict[str, Path], tmp_path: Path, edit: Edit, said: str
) -> None:
    from pytest_contextcore.proof.envelope import canonical, sign

    _, made = attested(capsys)
    edit(made)
    path = tmp_path / "a.jsonl"
    path.write_bytes(sign(canonical(made), keys["private"]))
    code, told = verified(capsys, path, keys["public"])
    assert (code, said in told) == (1, True), told


def test_a_statement_that_readers_may_read_in_two_ways_is_refused(
    project: Project, capsys: Captured, keys: dict[str, Path], tmp_path: Path
) -> None:
    from pytest_contextcore.proof.envelope import canonical, sign

    path = tmp_path / "a.jsonl"
    payload = canonical(attested(capsys)[1])
    path.write_bytes(sign(b'{"predicate":{"result":"FAILED"},' + payload[1:], keys["private"]))
    code, told = verified(capsys, path, keys["public"])
    assert (code, "its payload is no JSON" in told) == (1, True), told


def test_an_attestation_in_which_a_byte_changed_is_refused(
    project: Project, capsys: Captured, keys: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    main(["attest", "--key", str(keys["private"]), "-o", str(path)])
    envelope = json.loads(path.read_bytes())
    payload = base64.b64decode(envelope["payload"]).replace(b"PI-101-002-S3-C1", b"PI-101-002-S3-C0")
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    wrong = base64.b64encode(bytes([signature[0] ^ 1]) + signature[1:]).decode()
    for changed, said in (
        ({**envelope, "payload": base64.b64encode(payload).decode()}, "no signature that fits"),
        ({**envelope, "signatures": [{**envelope["signatures"][0], "sig": wrong}]}, "no signature that fits"),
        ({**envelope, "signatures": []}, "no signature that fits"),
        ({**envelope, "payloadType": "text/plain"}, "its payload is 'text/plain'"),
        (attested(capsys)[1], "no signed attestation"),
        ([], "no signed attestation"),
        ({**envelope, "signatures": [1]}, "no signed attestation"),
        ('{"payload": "", ' + json.dumps(envelope)[1:], "no signed attestation"),
    ):
        path.write_text(changed if isinstance(changed, str) else json.dumps(changed), encoding="utf-8")
        code, told = verified(capsys, path, keys["public"])
        assert (code, said in told, told.count("\n")) == (1, True, 1), told


WORLD: list[tuple[str, Callable[[bytes], bytes], str]] = [
    (ARTIFACT, lambda data: data + b" ", "output of PI-101-002-S7"),
    ("pilot_tests/plan.toml", lambda data: data.replace(b'kind = "integrity"', b'kind = "advisory"'), "the plan"),
    ("pilot_tests/plan.toml", lambda data: data + b"# a remark\n", "predicate.configuration"),
    ("out/PI-101-002.json", lambda data: data.replace(b'"pass"', b'"fail"', 1), "its seal does not fit"),
]


@pytest.mark.parametrize(("name", "change", "said"), WORLD, ids=["output", "weaker plan", "remark", "evidence"])
def test_an_attestation_holds_for_what_it_was_made_of_only(
    project: Project,
    capsys: Captured,
    keys: dict[str, Path],
    tmp_path: Path,
    name: str,
    change: Callable[[bytes], bytes],
    said: str,
) -> None:
    path = tmp_path / "a.jsonl"
    assert main(["attest", "--key", str(keys["private"]), "-o", str(path)]) == 0
    with project.changed(name, change):
        code, told = verified(capsys, path, keys["public"])
        assert (code, said in told) == (1, True), told
        if "configuration" not in said:
            assert main(["attest"]) == 1
            captured = capsys.readouterr()
            assert (captured.out, "does not hold, so that nothing is attested" in captured.err) == ("", True)


def _made(evidence: Evidence) -> dict[str, Any]:
    return statement(evidence, Named("e.json", STALE), Named("plan.toml", STALE), lambda path: path != "folder")


def _edited(project: Project, edit: Edit) -> dict[str, Any]:
    document = load_evidence(project.evidence).model_dump(mode="json")
    edit(document)
    return _made(Evidence.model_validate(document))


RESULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"result": "not_checked"}, "FAILED", "failedTests"),
    ({"result": "fail"}, "FAILED", "failedTests"),
    ({"result": "fail", "kind": "advisory"}, "WARNED", "warnedTests"),
    ({"result": "waived"}, "WARNED", "warnedTests"),
    ({"result": "not_applicable"}, "PASSED", "passedTests"),
]


@pytest.mark.parametrize(("gate", "result", "where"), RESULTS, ids=[str(list(row[0].values())) for row in RESULTS])
def test_a_gate_is_a_test_that_passed_warned_or_failed(
    project: Project, gate: dict[str, Any], result: str, where: str
) -> None:
    predicate = _edited(project, lambda document: document["spans"][2]["gates"][0].update(gate))["predicate"]
    assert predicate["result"] == result
    assert "PI-101-002-S3-C1" in predicate[where]


def test_a_trace_that_is_not_completed_has_failed(project: Project) -> None:
    assert _edited(project, lambda document: document.update(status="in_progress"))["predicate"]["result"] == "FAILED"


def test_a_phase_without_gates_is_a_test_itself_and_a_folder_has_its_own_kind_of_digest(project: Project) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["spans"][2].update(gates=[], outputs=[{"path": "folder", "sha256": STALE}])

    made = _edited(project, edit)
    assert "PI-101-002-S3" in made["predicate"]["passedTests"]
    assert {"name": "folder", "digest": {"dirHash": STALE}} in made["subject"]


def test_a_failed_result_is_printed_and_is_exit_code_1(project: Project, capsys: Captured) -> None:
    def kill(document: dict[str, Any]) -> None:
        for span in document["spans"][9:]:
            span.update(status="in_progress", ended_at=None)
            for gate in span["gates"]:
                gate.update(result="not_checked", started_at=None, ended_at=None, events=[])
        evidence = Evidence.model_validate(document)
        evidence.recount()
        document.update(
            status="in_progress", ended_at=None, summary=evidence.summary.model_dump(), definition_of_done=done
        )

    from pytest_contextcore import load_plan
    from pytest_contextcore.trace.rules import conditions, last_values

    plan = load_plan(project.root / "pilot_tests" / "plan.toml")
    done: list[dict[str, Any]] = []
    document = json.loads(project.evidence.read_bytes())
    kill(document)
    evidence = Evidence.model_validate(document)
    gates = {gate.gate_id: gate for span in evidence.spans for gate in span.gates}
    done += [each.model_dump() for each in conditions(plan, evidence.spans, gates, last_values(evidence.spans))]
    with project.changed("out/PI-101-002.json", project.resealed(kill)):
        code, made = attested(capsys)
    assert (code, made["predicate"]["result"]) == (1, "FAILED")
    assert "PI-101-002-S10-C1" in made["predicate"]["failedTests"]
