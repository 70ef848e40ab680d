"""The commands that hello announces are those of docs/protocol.md, section 5."""

from __future__ import annotations

import re

from node_process import NodeProcess
from raw_peer import RawPeer
from setting import ROOT


def commands_of_the_page() -> dict[str, bool]:
    """Every command and alias of the page, and whether it is there already."""
    text = (ROOT / "docs" / "protocol.md").read_text()
    text = text.partition("\n### Models")[2].partition("\n## 6. ")[0]
    built = {}
    for section in text.split("\n### "):
        for line in re.findall(r"^#### (.*)$", section, re.M):
            for name in re.findall(r"`(\w+)`", line.partition(" (capability")[0]):
                built[name] = "(later)" not in section and "**later**" not in line
    aliases = re.findall(r"`(\w+)`=(\w+)", text.partition("### Aliases")[2])
    return built | {alias: built[name] for alias, name in aliases}


def test_hello_announces_the_commands_of_the_page(node: NodeProcess) -> None:
    page = commands_of_the_page()
    with RawPeer(node.gateway) as peer:
        announced = set(peer.welcome["commands"])
    assert announced == {name for name, is_built in page.items() if is_built}
    assert "vlm_describe" in page
