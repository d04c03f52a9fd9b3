"""The way to OpenSearch: hosts, TLS, credentials, signatures, and what is said where it fails."""

from __future__ import annotations

import base64
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trustme
from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from opensearchpy import OpenSearch

from scenestore.errors import StoreError, UnavailableError
from scenestore.opensearch.connection import Options, connect
from scenestore.opensearch.ledger import OpenSearchLedger
from scenestore.opensearch.refusals import address
from tests.scenestore.proxy import Answer, Request, proxy
from tests.shards import lose_shards

# --- which hosts


def test_a_closed_port_is_named_with_what_to_do() -> None:
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9 cannot be reached.*start it"):
        connect(Options(("http://127.0.0.1:9",), retries=0))


def test_a_node_that_does_not_answer_in_time_is_named(opensearch: str) -> None:
    def dawdle(request: Request) -> Answer | None:
        time.sleep(1)
        return None

    with (
        proxy(opensearch, dawdle) as url,
        pytest.raises(UnavailableError, match="did not answer in time"),
    ):
        connect(Options((url,), timeout=0.2, retries=0))


def test_hosts_that_are_down_or_swallow_connections_are_passed_over(
    opensearch: str, prefix: str
) -> None:
    """One refuses, one is a machine that went dark: its queue of connections is full."""
    with socket.socket() as dark:
        dark.bind(("127.0.0.1", 0))
        dark.listen(0)
        host, port = dark.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex((host, port))
        hosts = (f"http://{host}:{port}", "http://127.0.0.1:9", opensearch)
        for _ in range(3):  # begins with another host each time
            client = connect(Options(hosts, connect_timeout=0.3))
            ledger = OpenSearchLedger(client, prefix)
            for number in range(3):
                ledger.write(f"n{number}", {}, getattr(ledger.read(f"n{number}"), "version", None))
            client.close()
        for each in waiting:
            each.close()


class SilentHost:
    """A host that takes every connection and never answers."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.taken: list[socket.socket] = []
        """Its connections."""
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                self.taken.append(self._listening.accept()[0])

    def __enter__(self) -> SilentHost:
        return self

    def __exit__(self, *ignored: object) -> None:
        self._listening.close()
        for connection in self.taken:
            connection.close()


def test_a_silent_host_costs_one_request_its_bound_and_none_its_answer(
    opensearch: str, prefix: str
) -> None:
    for _ in range(3):  # begins with another host each time
        with SilentHost() as silent:
            client = connect(Options((silent.url, opensearch), search_timeout=0.5))
            ledger = OpenSearchLedger(client, prefix)
            assert ledger.read("nothing") is None
            for _ in range(20):
                assert client.search(index=f"{prefix}-*", body={"size": 0})["hits"]["hits"] == []
            assert len(silent.taken) == 1
            client.close()


def test_where_every_host_is_silent_that_is_said() -> None:
    with (
        SilentHost() as one,
        SilentHost() as other,
        pytest.raises(UnavailableError, match="did not answer in time"),
    ):
        connect(Options((one.url, other.url), search_timeout=0.2))


def test_a_write_is_not_sent_twice_as_its_answer_is_late(opensearch: str, prefix: str) -> None:
    written: list[str] = []

    def dawdle(request: Request) -> Answer | None:
        if request.method == "PUT":
            written.append(request.path)
            time.sleep(0.6)
        return None

    with proxy(opensearch, dawdle) as url:
        client = connect(Options((url, url), search_timeout=0.2))
        client.index(index=f"{prefix}-late", id="1", body={"a": 1})
        client.indices.delete(index=f"{prefix}-late")
    assert len(written) == 1


def test_all_hosts_are_named_when_none_answers() -> None:
    hosts = ("http://127.0.0.1:9", "http://127.0.0.1:10")
    with pytest.raises(UnavailableError, match="cannot be reached") as refused:
        connect(Options(hosts))
    assert all(host in str(refused.value) for host in hosts)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ({"number": "1.3.20", "distribution": "opensearch"}, "version 1.3.20; upgrade it to 2.19"),
        ({"number": "2.18.0", "distribution": "opensearch"}, "version 2.18.0; upgrade it to 2.19"),
        ({"number": "8.15.0", "build_flavor": "default"}, "is not OpenSearch"),
    ],
)
def test_a_server_we_do_not_know_is_refused(
    opensearch: str, version: dict[str, str], said: str
) -> None:
    with (
        proxy(opensearch, lambda request: (200, {"version": version})) as url,
        pytest.raises(StoreError, match=said),
    ):
        connect(Options((url,)))


# --- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_side(authority: trustme.CA, *, wants_certificate: bool = False) -> ssl.SSLContext:
    """What a node needs to speak TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if wants_certificate:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def file_of(*parts: trustme.Blob, path: Path) -> str:
    for part in parts:
        part.write_to_path(str(path), append=True)
    return str(path)


def test_a_certificate_is_trusted_when_its_authority_is_given(
    opensearch: str, authority: trustme.CA, tmp_path: Path
) -> None:
    trusted = file_of(authority.cert_pem, path=tmp_path / "ca.pem")
    with proxy(opensearch, tls=server_side(authority)) as url:
        assert url.startswith("https:")
        assert connect(Options((url,), ca_certs=trusted)).info()["version"]
        assert connect(Options((url,), verify_certs=False)).info()["version"]


def test_a_certificate_that_is_not_trusted_is_refused(
    opensearch: str, authority: trustme.CA, tmp_path: Path
) -> None:
    other = file_of(trustme.CA().cert_pem, path=tmp_path / "other.pem")
    with proxy(opensearch, tls=server_side(authority)) as url:
        for options in (Options((url,)), Options((url,), ca_certs=other)):
            with pytest.raises(StoreError, match=r"no trusted TLS.*certificates to trust"):
                connect(options)


def test_our_certificate_is_shown_where_it_is_asked_for(
    opensearch: str, authority: trustme.CA, tmp_path: Path
) -> None:
    ours = authority.issue_cert("client")
    trusted = file_of(authority.cert_pem, path=tmp_path / "ca.pem")
    cert = file_of(*ours.cert_chain_pems, path=tmp_path / "cert.pem")
    key = file_of(ours.private_key_pem, path=tmp_path / "key.pem")
    both = file_of(ours.private_key_and_cert_chain_pem, path=tmp_path / "both.pem")
    with proxy(opensearch, tls=server_side(authority, wants_certificate=True)) as url:
        for mine in ((cert, key), (both, None)):
            shown = Options((url,), ca_certs=trusted, client_cert=mine[0], client_key=mine[1])
            assert connect(shown).info()["version"]
        with pytest.raises(StoreError, match=r"127\.0\.0\.1"):
            connect(Options((url,), ca_certs=trusted, retries=0))


# --- who asks


@pytest.mark.parametrize(
    "options",
    [{"user": "reader", "password": "right"}, {"authorization": "Basic cmVhZGVyOnJpZ2h0"}],
)
def test_the_right_credentials_are_taken_and_wrong_ones_named(
    opensearch: str, options: dict[str, str]
) -> None:
    def guard(request: Request) -> Answer | None:
        wanted = "Basic " + base64.b64encode(b"reader:right").decode()
        return None if request.headers.get("authorization") == wanted else (401, "Unauthorized")

    with proxy(opensearch, guard) as url:
        assert connect(Options((url,), **options)).info()["version"]  # type: ignore[arg-type]
        with pytest.raises(StoreError, match=r"refuses the credentials; correct user and password"):
            connect(Options((url,), user="reader", password="wrong"))


def test_of_several_credentials_one_is_asked_for(opensearch: str) -> None:
    with pytest.raises(StoreError, match="give one of a user"):
        connect(Options((opensearch,), user="reader", authorization="Basic cmVhZGVyOnJpZ2h0"))


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(StoreError, match="user or password in it") as refused:
        connect(Options(("http://reader:hush@127.0.0.1:9",)))
    assert "hush" not in str(refused.value)


KEYS = Credentials("AKIDEXAMPLE", "right", "session")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the secret key that botocore finds."""

    def secret(key: str) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key)
        monkeypatch.setenv("AWS_SESSION_TOKEN", KEYS.token)

    return secret


def signed_by_aws(host: str) -> Callable[[Request], Answer | None]:
    """Refuses what is not signed as a domain of AWS in Frankfurt demands, recomputed here."""

    def guard(request: Request) -> Answer | None:
        given = request.headers.get("authorization", "")
        names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        assert {"host", "x-amz-date", "x-amz-security-token"} <= set(names)
        signed = {name: request.headers[name] for name in names}
        again = AWSRequest(request.method, f"http://{host}{request.path}", signed, request.body)
        again.context["timestamp"] = request.headers["x-amz-date"]
        auth = SigV4Auth(KEYS, "es", "eu-central-1")
        wanted = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
        if given.endswith(f"Signature={wanted}") and "/eu-central-1/es/aws4_request" in given:
            return None
        return 403, {"message": "The request signature we calculated does not match"}

    return guard


def test_requests_are_signed_for_aws(
    opensearch: str, prefix: str, aws: Callable[[str], None]
) -> None:
    aws("right")
    guards: list[Callable[[Request], Answer | None]] = []
    with proxy(opensearch, lambda request: guards[0](request)) as url:
        guards.append(signed_by_aws(url.removeprefix("http://")))
        ledger = OpenSearchLedger(connect(Options((url,), aws_region="eu-central-1")), prefix)
        ledger.write("a name: with, signs", {"ü": 1}, None)
        assert ledger.names("a") == ["a name: with, signs"]
        ledger.delete("a name: with, signs")
        aws("wrong")
        with pytest.raises(StoreError, match=r"does not permit this.*signature.*does not match"):
            connect(Options((url,), aws_region="eu-central-1"))


def test_without_credentials_of_aws_the_way_to_give_them_is_said(
    opensearch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StoreError, match="set AWS_ACCESS_KEY_ID"):
        connect(Options((opensearch,), aws_region="eu-central-1"))


def test_without_botocore_the_extra_to_install_is_named(
    opensearch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(StoreError, match=r"pip install 'scenesift\[aws\]'"):
        connect(Options((opensearch,), aws_region="eu-central-1"))


# --- a cluster that cannot serve


def test_an_index_that_has_lost_its_shard_is_red(client: OpenSearch, prefix: str) -> None:
    ledger = OpenSearchLedger(client, prefix)
    version = ledger.write("n", {}, None)
    lose_shards(client, f"{prefix}-ledger", [0])
    with pytest.raises(UnavailableError, match=r"is red \(.*\); start the nodes that hold"):
        ledger.read("n")
    impatient = OpenSearchLedger(connect(Options((address(client),), timeout=0.5)), prefix)
    with pytest.raises(UnavailableError, match=r"did not answer in time.*red"):
        impatient.write("n", {}, version)


def test_a_cluster_without_a_manager_is_named(opensearch: str) -> None:
    reason = "blocked by: [SERVICE_UNAVAILABLE/2/no cluster manager];"
    error = {"type": "cluster_block_exception", "reason": reason}

    def leaderless(request: Request) -> Answer | None:
        return (503, {"error": error, "status": 503}) if "_doc" in request.path else None

    with proxy(opensearch, leaderless) as url:
        ledger = OpenSearchLedger(connect(Options((url,))), "any")
        with pytest.raises(UnavailableError, match=r"has no cluster manager.*start more"):
            ledger.read("n")
