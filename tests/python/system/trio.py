"""Three nodes with TLS on loopback, and what they say of each other."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from pathlib import Path

from certificates import Authority
from node_process import NodeProcess
from setting import ClusterFile, Start, eventually

NAMES = ("alpha", "beta", "gamma")


class Trio:
    """alpha, beta and gamma; each has a configuration that differs from the others' in its certificate only."""

    def __init__(self, start_node: Start, files: ClusterFile, authority: Authority) -> None:
        self._start = start_node
        self.nodes: dict[str, NodeProcess] = {}
        self.configs: dict[str, Path] = {
            name: files.write(
                *NAMES,
                name=f"{name}.conf",
                gateways={
                    "beta": "",
                    "gamma": "",
                },  # "any" port could be one that is promised above
                tls=authority.issue(name).as_config(),
                pools="pools = []",
            )
            for name in NAMES
        }
        self.ports = files.ports

    def start(self, *names: str) -> Trio:
        for name in names or NAMES:
            self.nodes[name] = self._start(config=self.configs[name], node=name)
        return self

    def wait_for_mesh(self) -> Trio:
        """Waits until each node that was started has met all others."""
        for name, other in permutations(self.nodes, 2):
            self.nodes[name].wait_for_log(rf"{name} met node {other}")
        return self

    def use_links(self) -> None:
        """Sends something over every link of alpha and back; each node answers for itself."""
        with self.nodes["alpha"].client() as luna:
            for mode in ("split", "auto"):
                # a node that has just been met may not have joined the supervisor yet
                eventually(
                    lambda mode=mode: luna.set_attention_mode(mode), lambda result: result.done
                )

    def losses(self, names: Iterable[str] = NAMES) -> list[str]:
        return [line for name in names for line in self.nodes[name].log if "lost node" in line]
