"""The recipe for certificates in docs/configuration.md, word for word."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from setting import ROOT, ClusterFile, Start


def recipe() -> list[str]:
    page = (ROOT / "docs" / "configuration.md").read_text()
    chapter = page.partition("## Certificates\n")[2].partition("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", chapter, re.DOTALL)


def test_the_recipe_makes_certificates_that_nodes_meet_with(
    start_node: Start, cluster_file: ClusterFile, tmp_path: Path
) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    commands = recipe()
    assert len(commands) == 2
    for block in commands:
        subprocess.run(["bash", "-euc", block], cwd=folder, check=True, capture_output=True)
    nodes = {}
    for node in ("alpha", "beta"):
        place = tmp_path / f"etc-{node}"
        place.mkdir()
        shutil.copy(folder / "ca.pem", place)
        shutil.copy(folder / f"{node}.pem", place / "node.pem")
        shutil.copy(folder / f"{node}.key", place / "node.key")
        tls = {
            key: place / f"{file}"
            for key, file in (("ca", "ca.pem"), ("certificate", "node.pem"), ("key", "node.key"))
        }
        config = cluster_file.write("alpha", "beta", name=f"{node}.conf", tls=tls)
        nodes[node] = start_node(config=config, node=node)
    nodes["alpha"].wait_for_log("alpha met node beta")
    nodes["beta"].wait_for_log("beta met node alpha")
