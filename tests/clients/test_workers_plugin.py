"""The npm package's own tests, and the package as it is packed."""

from __future__ import annotations

import json
import tarfile
import tomllib
from pathlib import Path

from tests.clients.processes import run
from tests.clients.toolchains import PLUGIN, ROOT, environment, node, toolchain


def test_its_own_tests_pass(tmp_path: Path) -> None:
    out = run([node(), "--test", "--test-reporter=tap"], environment(tmp_path), PLUGIN)
    assert "\n# fail 0" in out
    assert "\n# tests 0" not in out


def test_the_packed_package_holds_what_is_needed_and_no_more(tarball: Path) -> None:
    with tarfile.open(tarball) as packed:
        names = {name.removeprefix("package/").split("/")[0] for name in packed.getnames()}
    assert names == {"package.json", "LICENSE", "README.md", "index.d.ts", "bin", "src"}


def test_its_version_is_the_runtimes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    package = json.loads((PLUGIN / "package.json").read_text())
    assert (package["version"], package["license"]) == (project["version"], project["license"])


def test_its_types_describe_what_it_exports(plugin: None, tmp_path: Path) -> None:
    client = toolchain("vitest")
    (tmp_path / "node_modules").symlink_to(client.modules)
    (tmp_path / "use.ts").write_text(
        'import { binding, DEFAULT_URL, plugins, type InflareBinding } from "inflare-workers";\n'
        'const made: InflareBinding = binding("AI", { url: DEFAULT_URL, token: "t" });\n'
        "// @ts-expect-error: an option that does not exist\n"
        'binding("AI", { address: "127.0.0.1" });\n'
        "export { made, plugins };\n"
    )
    command = [client.program("tsc"), "--strict", "--noEmit", "--module", "nodenext", "use.ts"]
    assert run(command, environment(tmp_path), tmp_path) == ""
