"""House rules (DESIGN §1, Standards): a rule that is not tested here is not a rule."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Collection
from functools import cache
from pathlib import Path

import pytest

from tests.support.rooms import room_of

ROOT = Path(__file__).parents[2]
PRODUCT = ("ingestion", "reverse_etl", "orchestration", "sandbox", "dashboard")
CLOCK_EDGES = {"ingestion/common/clock.py", "sandbox/core/clock.py"}


@cache
def _listed() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [ROOT / name for name in listing]


def tracked(*suffixes: str) -> list[Path]:
    """Every file that git tracks or would track, with one of the suffixes (all when none)."""
    return [p for p in _listed() if p.is_file() and (not suffixes or p.suffix in suffixes)]


@cache
def product_modules() -> list[tuple[str, ast.Module]]:
    """Every module of the product with its syntax tree, read once."""
    names = [(path.relative_to(ROOT).as_posix(), path) for path in tracked(".py")]
    return [
        (name, ast.parse(path.read_text(encoding="utf-8")))
        for name, path in names
        if name.split("/")[0] in PRODUCT
    ]


@cache
def imports_of(tree: ast.Module) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def starts_with(names: Collection[str], *prefixes: str) -> list[str]:
    return sorted(n for n in names for p in prefixes if n == p or n.startswith(p + "."))


def test_imports_go_one_way() -> None:
    wrong = []
    for name, tree in product_modules():
        names = imports_of(tree)
        folder = name.split("/")[0]
        banned: tuple[str, ...] = ()
        if folder == "ingestion":
            banned = ("reverse_etl", "orchestration", "sandbox")
        elif folder == "reverse_etl":
            banned = ("orchestration", "sandbox")
        elif folder == "orchestration" and name != "orchestration/cli.py":
            banned = ("sandbox",)
        wrong += [f"{name} imports {n}" for n in starts_with(names, *banned)]
    assert wrong == []


def test_reverse_etl_uses_only_clients_and_common_parts_of_ingestion() -> None:
    allowed = re.compile(r"ingestion(\.common(\..+)?|\.\w+\.(client|settings)(\..+)?)?$")
    wrong = [
        f"{name} imports {imported}"
        for name, tree in product_modules()
        if name.startswith("reverse_etl/")
        for imported in starts_with(imports_of(tree), "ingestion")
        if not allowed.match(imported) and not re.match(r"ingestion\.\w+$", imported)
    ]
    assert wrong == []


def test_a_sender_process_stays_small() -> None:
    heavy = ("polars", "pyarrow", "dlt", "dbt", "pandas", "great_expectations")
    wrong = [
        f"{name} imports {imported}"
        for name, tree in product_modules()
        if name.startswith(("reverse_etl/ledger/", "reverse_etl/delivery/"))
        for imported in starts_with(imports_of(tree), *heavy)
    ]
    assert wrong == []


def test_product_code_never_reads_the_machine_clock() -> None:
    pattern = re.compile(
        r"\b(datetime\.now\(|datetime\.utcnow\(|date\.today\(|time\.time\(\)|datetime\.today\()"
    )
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked(".py")
        if (name := path.relative_to(ROOT).as_posix()).split("/")[0] in PRODUCT
        and name not in CLOCK_EDGES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert wrong == []


def test_orchestration_holds_no_sql() -> None:
    pattern = re.compile(
        r"\b(select\s.+\sfrom|insert\s+into|create\s+(table|view)|update\s+\w+\s+set)\b",
        re.IGNORECASE,
    )
    wrong = []
    for name, tree in product_modules():
        if name.startswith("orchestration/"):
            wrong += [
                f"{name}:{node.lineno}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and pattern.search(" ".join(node.value.split()))
            ]
    assert wrong == []


def test_money_is_never_a_float() -> None:
    money = re.compile(r"amount|money|balance|price|limit_amount|exposure")
    wrong = []
    for name, tree in product_modules():
        for node in ast.walk(tree):
            annotated = ""
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                annotated, annotation = node.target.id, node.annotation
            elif isinstance(node, ast.arg) and node.annotation is not None:
                annotated, annotation = node.arg, node.annotation
            if money.search(annotated) and "float" in ast.unparse(annotation):
                wrong.append(f"{name}:{node.lineno} {annotated}")
    assert wrong == []


def test_functions_and_files_stay_small_enough_to_see_whole() -> None:
    wrong = []
    for name, tree in product_modules():
        lines = len((ROOT / name).read_text(encoding="utf-8").splitlines())
        if lines > 500:
            wrong.append(f"{name}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 80:
                    wrong.append(f"{name}:{node.lineno} {node.name} has {length} lines")
    assert wrong == []


def test_nothing_is_left_unfinished() -> None:
    pattern = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked(".py", ".sql", ".yml", ".toml", ".md")
        if path.name != Path(__file__).name
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert wrong == []


def test_no_file_names_an_index_host_or_a_path_of_this_machine() -> None:
    hosts = r"files\.python" + r"hosted|py" + r"pi\.org|registry\.npm" + r"js|deb\.deb" + r"ian"
    paths = r"(?<![\w.])/(?:wo" + r"rk|fa" + r"rm|ro" + r"ot)/"
    pattern = re.compile(f"{hosts}|{paths}")
    wrong = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if pattern.search(text):
            wrong.append(path.relative_to(ROOT).as_posix())
    assert wrong == []


def test_stories_are_told_in_one_room() -> None:
    """A worker that runs one test of a stage tells all its stories: they must not be told twice."""
    names = [path.relative_to(ROOT).as_posix() for path in tracked(".py")]
    tellers = [
        name
        for name in names
        if name.startswith("tests/")
        and "tests.flow.stage" in imports_of(ast.parse((ROOT / name).read_text(encoding="utf-8")))
    ]
    assert tellers
    assert {room_of(f"{name}::test") for name in tellers} == {"tests/flow/"}


def test_every_pin_of_the_lock_has_a_hash() -> None:
    blocks = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text(encoding="utf-8"))
    pins = [b for b in blocks if "==" in b]
    assert len(pins) > 50
    assert [b.split()[0] for b in pins if "--hash=sha256:" not in b] == []


def test_every_command_of_the_readme_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", readme))
    assert named - targets == set()


DOCUMENT_PATHS = re.compile(
    r"`((?:ingestion|reverse_etl|orchestration|sandbox|dbt_project|tests|bench|data)/[\w./-]*)`"
)


@pytest.mark.parametrize("document", [p.relative_to(ROOT).as_posix() for p in tracked(".md")])
def test_documents_name_only_paths_that_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = {n for n in DOCUMENT_PATHS.findall(text) if not n.startswith("data/home")}
    assert sorted(n for n in named if not (ROOT / n).exists()) == []


def test_tool_settings_stand_in_pyproject_alone() -> None:
    tree = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert {"ruff", "mypy", "pytest"} <= set(tree["tool"])
    others = {"setup.cfg", "tox.ini", "mypy.ini", "pytest.ini", ".ruff.toml", ".sqlfluff"}
    assert sorted(p.name for p in tracked() if p.name in others) == []
