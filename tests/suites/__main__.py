"""`python -m tests.suites --python PYTHON`: the suites of Starlette and FastAPI, with and without outlast in every app.

Exits with 1 when a test passes without outlast and fails with it, twice, the second time in a run of its own (some give
a process of theirs 15 s, which a busy machine may take), unless `by_design.txt` names it with a reason, and when that
names one which does not fail.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
INSTALLED = "installed_outlast"  # the pytest plugin beside this file


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of a release, as its source distribution has them; `arguments` are for pytest."""

    name: str
    version: str
    arguments: tuple[str, ...]


SUITES = (
    Suite("starlette", "1.10.0", ()),
    Suite("fastapi", "0.165.0", ("--ignore=tests/benchmarks", "--ignore=tests/memory_benchmarks", "-n2")),
)


def main() -> None:
    """Print a line a suite, and one for each test that differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.suites", description=__doc__)
    parser.add_argument("--python", required=True, help="an interpreter with what requirements.txt names, and outlast")
    parser.add_argument("suites", nargs="*", default=[suite.name for suite in SUITES])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="outlast-suites-") as folder:
        wrong = [
            sentence
            for suite in SUITES
            if suite.name in asked.suites
            for sentence in differences(suite, asked.python, Path(folder))
        ]
    print("\n".join(wrong) or "as without outlast")
    sys.exit(bool(wrong))


def differences(suite: Suite, python: str, folder: Path) -> list[str]:
    """One sentence for each test that should not differ, or should."""
    source = fetched(suite, python, folder)
    without = failures(suite, python, source, "no:outlast")
    given = failures(suite, python, source, INSTALLED)
    new, designed = given - without, by_design(suite)
    print(f"{suite.name} {suite.version}: {len(without)} fail without outlast, {len(given)} with it", flush=True)
    surprising = lasting(suite, python, source, {test for test in new if not test.startswith(designed)})
    idle = [one for one in designed if not any(test.startswith(one) for test in new)]
    return [f"{suite.name}: {test} fails with outlast" for test in sorted(surprising)] + [
        f"{suite.name}: {one} is said to fail by design, and does not" for one in idle
    ]


def lasting(suite: Suite, python: str, source: Path, tests: set[str]) -> set[str]:
    """Those of `tests` that fail again with nothing beside them. The others are named."""
    if not tests:
        return tests
    again = tests & failures(suite, python, source, INSTALLED, sorted({_file(test) for test in tests}))
    for test in sorted(tests - again):
        print(f"{suite.name}: {test} has failed with outlast once, and passed when it was run again", flush=True)
    return again


def fetched(suite: Suite, python: str, folder: Path) -> Path:
    """The unpacked source distribution."""
    wanted = f"{suite.name}=={suite.version}"
    download = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
    subprocess.run([*download, wanted], check=True)
    (archive,) = folder.glob(f"{suite.name}-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def failures(suite: Suite, python: str, source: Path, plugin: str, files: Sequence[str] = ()) -> set[str]:
    """The tests that do not pass, as `module::test`: of the whole suite, or of some files, one after another."""
    report = source / "report.xml"
    own = ("-p", "no:cacheprovider", "-p", "no:logfire", "-p", plugin, "--quiet", f"--junitxml={report}")
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    chosen = [*files, "-n0"] if files else ["tests", *suite.arguments]
    command = [python, "-m", "pytest", *chosen, *own]
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    if not report.exists():
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314 - pytest has just written it
    report.unlink()
    assert len(cases) > (0 if files else 1_000), f"only {len(cases)} tests have run"
    return {_name(case) for case in cases if case.find("failure") is not None or case.find("error") is not None}


def by_design(suite: Suite) -> tuple[str, ...]:
    """The tests that `by_design.txt` names for a suite."""
    lines = (HERE / "by_design.txt").read_text().splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    return tuple(test for name, test, *_ in words if name == suite.name)


def _file(test: str) -> str:
    """`tests/folder/test_x.py` of `tests.folder.test_x.TestClass::test`."""
    parts = test.partition("::")[0].split(".")
    last = max(at for at, part in enumerate(parts) if part.startswith("test_"))
    return f"{'/'.join(parts[: last + 1])}.py"


def _name(case: ET.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


if __name__ == "__main__":
    main()
