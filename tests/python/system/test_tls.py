"""Mutual TLS between nodes: the right certificate gets in, a wrong one and none do not."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import numpy as np
import pytest
from certificates import Authority, Identity
from node_process import NodeProcess
from setting import VAE, ClusterFile, Start
from test_cluster import LATENTS, TEXT_HERE_VAE_THERE, decode, until_served

from luna_client import UnavailableError


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "studio")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "stranger")


class Studio:
    """alpha with the studio's certificate; beta with whatever a test gives it."""

    def __init__(self, start_node: Start, files: ClusterFile, ours: Authority) -> None:
        self._start = start_node
        self._files = files
        self.port = 0
        self.alpha = self._node("alpha", ours.issue("alpha").as_config())
        self.port = files.ports["alpha"]

    def beta(self, identity: Identity | None, ready: bool = True) -> NodeProcess:
        return self._node("beta", identity.as_config() if identity else {}, ready)

    def _node(self, name: str, tls: dict[str, Path], ready: bool = True) -> NodeProcess:
        config = self._files.write(
            "alpha", "beta", name=f"{name}.conf", pools=TEXT_HERE_VAE_THERE, tls=tls
        )
        return self._start(config=config, node=name, ready=ready)


@pytest.fixture
def studio(start_node: Start, cluster_file: ClusterFile, ours: Authority) -> Studio:
    return Studio(start_node, cluster_file, ours)


def test_nodes_of_one_authority_work_together(studio: Studio, ours: Authority) -> None:
    studio.beta(ours.issue("beta"))
    with studio.alpha.client() as luna:
        until_served(luna, lambda: decode(luna))
        latents = np.zeros((1, 4, 64, 64), np.float32)
        assert luna.vae_decode(latents, VAE).images.shape == (1, 512, 512, 3)


def refused(studio: Studio, identity: Identity | None) -> tuple[str, str]:
    """beta tries to come in with this certificate. -> what alpha says of it, and what beta says."""
    beta = studio.beta(identity)
    said = (
        studio.alpha.wait_for_log("a connection from 127.0.0.1 was refused"),
        beta.wait_for_log("no connection to node alpha"),
    )
    with studio.alpha.client() as luna, pytest.raises(UnavailableError):
        luna.vae_decode(LATENTS, VAE)
    return said


def test_a_node_of_another_authority_is_refused_and_both_say_so(
    studio: Studio, ours: Authority, theirs: Authority
) -> None:
    stranger = theirs.issue("beta")
    # it even trusts our authority: what it lacks is a certificate of ours
    here, there = refused(studio, Identity(ours.certificate, stranger.certificate, stranger.key))
    assert "CN=beta, issued by CN=stranger CA, valid from" in here
    assert "is not of an authority in this node's cluster.tls.ca" in here
    assert "refuses this node's certificate" in there
    assert "the other node does not know its issuer" in there


def test_a_node_does_not_trust_an_alpha_of_another_authority_and_both_say_so(
    studio: Studio, theirs: Authority
) -> None:
    here, there = refused(studio, theirs.issue("beta"))
    assert "CN=alpha, issued by CN=studio CA" in there
    assert "is not of an authority in this node's cluster.tls.ca" in there
    assert "refuses this node's certificate" in here


def test_an_expired_certificate_is_said_at_start_and_on_both_sides(
    studio: Studio, ours: Authority
) -> None:
    here, there = refused(studio, ours.issue("beta", days=(-9, -2)))
    for line in (here, there):
        assert "has expired; this machine's clock says 20" in line
        assert "CN=beta, issued by CN=studio CA, valid from 20" in line


def test_a_certificate_that_is_not_valid_yet_is_told_apart(studio: Studio, ours: Authority) -> None:
    here, there = refused(studio, ours.issue("beta", days=(2, 9)))
    for line in (here, there):
        assert "is not valid yet; this machine's clock says 20" in line


def test_a_node_needs_the_certificate_of_its_own_name(studio: Studio, ours: Authority) -> None:
    # ours, and for alpha: what a node of the cluster could do to pass as another
    beta = studio.beta(ours.issue("beta", names=["beta", "alpha"]))
    beta.wait_for_log("beta met node alpha")
    beta.kill()
    beta = studio.beta(ours.issue("beta", names=["alpha"]), ready=False)
    assert beta.wait_end() == 78
    assert any("does not carry this node's name" in line for line in beta.log)


def test_a_plain_node_is_refused_and_both_say_so(studio: Studio) -> None:
    here, there = refused(studio, None)
    assert "it does not speak TLS" in here
    assert "it may expect TLS, and cluster.tls is not set here" in there


def test_the_dates_of_its_own_certificate_are_said_at_start(
    start_node: Start, cluster_file: ClusterFile, ours: Authority
) -> None:
    for days, said in (
        ((-9, -2), "has expired; no other node will accept it"),
        ((2, 9), "is not valid yet; no other node will accept it"),
        ((-1, 20), "expires in 19 days"),
    ):
        tls = ours.issue("alpha", days=days).as_config()
        node = start_node(config=cluster_file.write("alpha", "beta", tls=tls), node="alpha")
        assert str(tls["certificate"]) in node.wait_for_log(said)
        node.kill()


def test_nodes_whose_configurations_differ_say_in_what(
    start_node: Start, cluster_file: ClusterFile
) -> None:
    nodes = {}
    for name, order in (("alpha", ("alpha", "beta")), ("beta", ("beta", "alpha"))):
        config = cluster_file.write(
            *order, name=f"{name}.conf", more=f'saving {{ node = "{name}" }}'
        )
        nodes[name] = start_node(config=config, node=name)
    for node in nodes.values():
        for event in ("refused a node", "has no connection to node"):
            line = node.wait_for_log(event)
            for part in ("nodes: ", "alpha has 'alpha, beta'", "beta has 'beta, alpha'"):
                assert part in line
            assert "saving.node: " in line


def handshake(port: int, ca: Path, identity: Identity | None) -> bytes:
    """What the port says first to a TLS client. Raises OSError when it hangs up on us."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(ca)
    if identity is not None:
        context.load_cert_chain(identity.certificate, identity.key)
    with (
        socket.create_connection(("127.0.0.1", port), 30) as plain,
        context.wrap_socket(plain) as sock,
    ):
        data = sock.recv(4)
        if not data:
            raise ConnectionResetError("closed without a word")
        return data


def test_the_port_talks_to_the_certificate_of_a_node_alone(
    studio: Studio, ours: Authority, theirs: Authority
) -> None:
    assert handshake(studio.port, ours.certificate, ours.issue("beta"))
    for identity in (theirs.issue("beta"), ours.issue("gamma"), None):
        with pytest.raises(OSError):
            handshake(studio.port, ours.certificate, identity)
    with pytest.raises(
        ssl.SSLCertVerificationError
    ):  # and it shows a certificate of its own authority
        handshake(studio.port, theirs.certificate, theirs.issue("beta"))


def test_the_port_says_nothing_to_plain_tcp(studio: Studio) -> None:
    with socket.create_connection(("127.0.0.1", studio.port), 30) as plain:
        plain.sendall(b"\0" * 64)
        try:
            answer = plain.recv(64)
        except ConnectionResetError:
            answer = b""
    assert not answer or answer[0] == 0x15, "that is no TLS alert"


def test_a_missing_certificate_is_named_at_the_start(
    start_node: Start, cluster_file: ClusterFile, tmp_path: Path, ours: Authority
) -> None:
    identity = ours.issue("alpha")
    tls = {"ca": identity.ca, "certificate": tmp_path / "nowhere.pem", "key": identity.key}
    node = start_node(
        config=cluster_file.write("alpha", "beta", tls=tls), node="alpha", ready=False
    )
    assert node.wait_end() != 0
    assert any("cluster.tls.certificate" in line and "nowhere.pem" in line for line in node.log)


def test_files_that_are_not_what_they_should_be_are_named_at_the_start(
    start_node: Start, cluster_file: ClusterFile, tmp_path: Path, ours: Authority
) -> None:
    identity = ours.issue("alpha")
    text = tmp_path / "text.pem"
    text.write_text("not a certificate")
    other = ours.issue("beta")
    right = identity.as_config()
    for key, wrong in (("ca", text), ("certificate", text), ("key", text), ("key", other.key)):
        config = cluster_file.write("alpha", "beta", tls=right | {key: wrong})
        node = start_node(config=config, node="alpha", ready=False)
        assert node.wait_end() == 78
        assert any(f"cluster.tls.{key}" in line and str(wrong) in line for line in node.log)
