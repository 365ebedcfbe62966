"""What importing pulls in, which way imports run, and that nothing opens a socket."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import stance

PACKAGE = Path(stance.__file__).parent
LAYERS = {
    "errors": 0,
    "toml": 0,
    "actors": 0,
    "shipped": 0,
    "codebook": 0,
    "text": 1,
    "corpus": 2,
    "model": 3,
    "analysis": 4,
    "apps": 5,
}
HEAVY = {
    "numpy", "pandas", "sklearn", "scipy", "pyarrow", "trafilatura", "joblib", "sentencex",
    "onnxruntime", "tokenizers", "torch", "transformers", "onnx", "matplotlib",
}  # fmt: skip


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_imports_run_one_way():
    against = []
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] not in LAYERS:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                below = name.split(".")[1:2]
                if name.startswith("stance.") and LAYERS[below[0]] > LAYERS[parts[0]]:
                    against.append(f"{file.name} imports {name}")
    assert against == []


def test_importing_stance_loads_nothing_heavy():
    found = run("import sys, stance; print(sorted(m.split('.')[0] for m in sys.modules))")
    assert found.returncode == 0
    assert not HEAVY & set(ast.literal_eval(found.stdout))


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["train", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    code = (
        "import sys\nfrom stance.apps.cli import stance\n"
        "try: stance(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print('\\n@@', sorted({m.split('.')[0] for m in sys.modules}))"
    )
    found = run(code, *arguments)
    assert not HEAVY & set(ast.literal_eval(found.stdout.split("@@")[1].strip()))


def test_predicting_loads_neither_scikit_learn_nor_pandas(tmp_path):
    (tmp_path / "a.txt").write_text("Moscow hosted the Taliban for talks.")
    code = (
        "import sys\nfrom stance.apps.cli import stance\n"
        "try: stance(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print('@@', sorted({m.split('.')[0] for m in sys.modules}))"
    )
    found = run(code, "predict", str(tmp_path / "a.txt"))
    assert '"label": "engage"' in found.stdout
    assert not {"sklearn", "pandas", "scipy"} & set(ast.literal_eval(found.stdout.split("@@")[1].strip()))


def test_no_command_opens_a_socket(tmp_path):
    rows = "\n".join(f'{{"text": "we {w} them {i}", "label": "{w}"}}' for i in range(6) for w in ("like", "fight"))
    (tmp_path / "c.jsonl").write_text(rows)
    (tmp_path / "a.txt").write_text("They met. They left.")
    code = (
        "import sys, socket\n"
        "def refuse(*a, **k): raise AssertionError('a socket was opened')\n"
        "socket.socket.connect = socket.socket.bind = socket.getaddrinfo = refuse\n"
        "from stance.apps.cli import stance\n"
        "c, a, m = (sys.argv[1] + '/' + n for n in ('c.jsonl', 'a.txt', 'm'))\n"
        "runs = [['train', c, '-o', m, '--jobs', '1'], ['predict', a, '--model', m], ['evaluate', c, '--model', m],\n"
        "        ['check', c, '--jobs', '1'], ['info', '--model', m], ['predict', a]]\n"
        "for command in runs:\n"
        "    try: stance(command)\n"
        "    except SystemExit as end: assert end.code in (0, 3), command\n"
        "print('all ran')"
    )
    found = run(code, str(tmp_path))
    assert found.stdout.rstrip().endswith("all ran"), found.stderr


def test_public_names_resolve():
    for name in stance.__all__:
        assert getattr(stance, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        stance.nothing  # noqa: B018


def test_every_test_module_can_be_imported():
    """The option that passes over modules without torch would pass over broken tests, too, and call them skipped."""
    tests = Path(__file__).parent
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-o",
        "addopts=--import-mode=importlib",
        str(tests),
    ]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tests.parent)
    assert found.returncode == 0, found.stdout[-2000:]
