"""The report's parts: chapters run and stripped, contents and requirements that agree, one line for what goes wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml

from lottery_book.building import build, chapters, stored
from lottery_utils.errors import UserError
from lottery_utils.presets import PRESETS, Preset

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"


PIXEL = bytes.fromhex(  # a PNG of one
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364f80f00010501012718e366000000"
    "0049454e44ae426082"
)
PARAMETERS = "\n".join(f"{name} = None" for name in ("preset", "tasks", "seeds", "results_dir", "compute_missing"))


def notebook(*sources: str):
    """A notebook with a parameters cell and these code cells."""
    v4 = nbformat.v4
    cells = [v4.new_markdown_cell("# A chapter"), v4.new_code_cell(PARAMETERS)]
    cells[1].metadata["tags"] = ["parameters"]
    cells += [v4.new_code_cell(source) for source in sources]
    return v4.new_notebook(cells=cells, metadata={"kernelspec": dict(chapters.KERNEL)})


# the book's source


def contents() -> list[str]:
    """The pages that the table of contents names."""
    return re.findall(r"(?:root|file): ([\w/]+)", (BOOK / "_toc.yml").read_text(encoding="utf-8"))


def test_every_page_in_the_contents_exists():
    files = contents()
    assert files[0] == "intro" and len(files) == len(set(files))
    there = {path.relative_to(BOOK).with_suffix("").as_posix() for path in BOOK.rglob("*") if path.is_file()}
    assert set(files) - {"api"} <= there  # which is written before the book is read


def test_every_notebook_and_every_page_is_in_the_contents():
    files = contents()
    assert {f"chapters/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")} <= set(files)
    assert {path.stem for path in BOOK.glob("*.md")} <= set(files)


def test_book_configuration_is_linked_not_copied():
    for name in ("_config.yml", "_toc.yml"):
        assert (BOOK / name).is_symlink() and (BOOK / name).resolve() == ROOT / name


def test_preset_table_on_the_page_is_the_presets():
    text = (BOOK / "run.md").read_text(encoding="utf-8")
    shown = text.split(build.BEGIN)[1].split(build.END)[0].strip()
    assert shown == build.preset_table(), "run `lottery report --update-chapters`, or fill_preset_table(run.md)"
    assert all(f"`{field}`" in shown for field in Preset.__dataclass_fields__ if field != "name")
    assert set(build.SHOWN) == set(PRESETS)


def test_a_citation_in_every_page_has_an_entry():
    keys = set(re.findall(r"^@\w+\{(\w+),", (BOOK / "references.bib").read_text(encoding="utf-8"), re.MULTILINE))
    for page in BOOK.glob("*.md"):
        for group in re.findall(r"\{cite(?::t)?\}`([^`]+)`", page.read_text(encoding="utf-8")):
            assert set(group.split(",")) <= keys, page.name


def code_of(notebook):
    """The sources of the code cells, papermill's injected parameters left out."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell.source for cell in cells if stored.INJECTED not in cell.metadata.get("tags", [])]


def test_stored_chapters_have_the_code_of_the_notebooks():
    for path in sorted((BOOK / "chapters").glob("*.ipynb")):
        source = ROOT / "notebooks" / path.name
        assert source.is_file(), f"{path.name} has no notebook"
        ours, theirs = (code_of(nbformat.read(p, as_version=4)) for p in (source, path))
        assert ours == theirs, f"{path.name} is older than its notebook: run `make chapters`"


def test_stored_chapters_hold_no_path_of_a_machine_and_no_error():
    for path in (BOOK / "chapters").glob("*.ipynb"):
        executed = nbformat.read(path, as_version=4)
        assert executed == stored.strip_chapter(executed, "/nowhere"), f"{path.name} is not stripped"
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/(home|root|Users|tmp)/", text), path.name
        assert '"output_type": "error"' not in text, path.name


# requirements


def requirements() -> tuple[dict, list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project, sorted(project["dependencies"] + project["optional-dependencies"]["test"])


def name_of(requirement: str) -> str:
    return re.split(r"[<>=!~\[ ;]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_environment_yml_says_what_pyproject_says():
    _, wanted = requirements()
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert sorted(pip) == wanted


def test_lock_satisfies_pyproject_exactly_pinned():
    from packaging.requirements import Requirement
    from packaging.version import Version

    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and line[0] != "#"]
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[^\s+]+", line) for line in lines), "a pin with a build label or a path"
    pins = {name_of(line): Version(line.split("==")[1]) for line in lines}
    for text in requirements()[1]:
        requirement = Requirement(text)
        assert pins[name_of(text)] in requirement.specifier, text
    # nvidia-ml-py is a few kilobytes of Python that read a GPU's counters; it brings no CUDA
    cuda = [name for name in pins if (name.startswith("nvidia-") and name != "nvidia-ml-py") or name == "triton"]
    assert not cuda, "the lock must not fetch CUDA"


def test_jupyter_book_stays_below_2_wherever_it_is_installed():
    lists = ("pyproject.toml", "environment.yml", "requirements.lock")
    for name in (*lists, ".github/workflows/book.yml", ".ci/run", "Makefile"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            if re.search(r"jupyter-book\s*[<>=~]", line):
                assert "<2" in line or "jupyter-book==1." in line, f"{name}: {line}"
            assert not re.search(r"pip install.*jupyter-book(?!.*<2)", line), f"{name}: {line}"


# chapters


@pytest.mark.parametrize("home", ["/", None, "/home/me"])
def test_no_home_or_the_root_as_home_changes_no_address(home, monkeypatch):
    """Of "https://x" HOME=/ made "https:~/x"."""

    monkeypatch.setattr(os.path, "expanduser", lambda path: path if home is None else f"{home.rstrip('/')}/")
    text = stored._clean("see https://x.org//y and /home/me/a", "/repo")
    assert text == ("see https://x.org//y and ~/a" if home == "/home/me" else "see https://x.org//y and /home/me/a")


def test_kernels_have_sockets_as_files_unless_their_paths_would_be_too_long():
    assert chapters._sockets(Path("/tmp/a")) == {"transport": "ipc", "ip": "/tmp/a"}
    assert chapters._sockets(Path("/tmp", "a" * 99)) == {}, "a socket's path holds 107 bytes, on macOS 103"


def test_strip_removes_what_changes_and_keeps_what_is_shown():
    v4 = nbformat.v4
    executed = notebook("print(1)")
    executed.metadata["papermill"] = {"output_path": "/home/me/out.ipynb", "duration": 1.5}
    executed.metadata["language_info"] = {"name": "python", "version": "3.11.2"}
    injected = v4.new_code_cell('# Parameters\nresults_dir = "/repo/results"')
    injected.metadata["tags"] = ["injected-parameters"]
    executed.cells.insert(2, injected)
    cell = executed.cells[3]
    cell.metadata.update({"papermill": {"start_time": "now"}, "execution": {"iopub.status.busy": "now"}})
    cell.outputs = [
        v4.new_output("stream", name="stderr", text="50%|#####     |"),
        v4.new_output("stream", name="stdout", text="/repo/results/a <object at 0x7f00deadbeef>\n"),
        v4.new_output("display_data", data={"application/vnd.jupyter.widget-view+json": {}, "text/plain": "bar"}),
        v4.new_output("execute_result", data={"text/plain": "0.5", "image/png": "aGk="}, execution_count=1),
    ]
    stripped = stored.strip_chapter(executed, "/repo")
    assert stripped.metadata == {"kernelspec": chapters.KERNEL, "language_info": {"name": "python"}}
    assert stripped.cells[2].id == "injected-parameters" and "/repo" not in stripped.cells[2].source
    assert stripped.cells[3].metadata == {}
    assert [output.output_type for output in stripped.cells[3].outputs] == ["stream", "execute_result"]
    assert stripped.cells[3].outputs[0].text == "results/a <object at 0x0>\n"
    assert stripped.cells[3].outputs[1].data["image/png"] == "aGk="
    assert code_of(stripped) == code_of(notebook("print(1)"))
    assert "papermill" in executed.metadata, "the argument must stay as it is"
    nbformat.validate(stripped)


def test_find_notebooks_by_beginning_and_in_order(tmp_path):
    for name in ("02_b", "01_a"):
        nbformat.write(notebook(), tmp_path / f"{name}.ipynb")
    assert [path.stem for path in chapters.find_notebooks(tmp_path)] == ["01_a", "02_b"]
    assert [path.stem for path in chapters.find_notebooks(tmp_path, ["02"])] == ["02_b"]
    with pytest.raises(UserError, match="unknown chapter '07'; chapters: 01_a, 02_b"):
        chapters.find_notebooks(tmp_path, ["07"])
    with pytest.raises(UserError, match="no notebooks"):
        chapters.find_notebooks(tmp_path / "none")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A book of one page and two chapters, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    source = tmp_path / "book"
    (source / "chapters").mkdir(parents=True)
    (source / "_config.yml").write_text('title: T\nonly_build_toc_files: true\nexecute: {execute_notebooks: "off"}\n')
    toc = "format: jb-book\nroot: intro\nchapters:\n- file: chapters/01_a\n- file: chapters/02_b\n"
    (source / "_toc.yml").write_text(toc)
    (source / "intro.md").write_text("# T\n")
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook("print(preset, results_dir)"), tmp_path / "notebooks" / "01_a.ipynb")
    nbformat.write(notebook('raise ValueError("first line\\nsecond")'), tmp_path / "notebooks" / "02_b.ipynb")
    nbformat.write(notebook(), source / "chapters" / "02_b.ipynb")
    return tmp_path


def test_report_runs_a_chapter_with_parameters_and_builds_strictly(repository, capsys):
    index = build.build_report("demo", results_dir="r", chapters=["01"], update_chapters=True, progress=False)
    assert index.is_file() and index.as_posix() == "out/book/_build/html/index.html"
    page = (index.parent / "chapters" / "01_a.html").read_text(encoding="utf-8")
    assert "demo r" in page
    said = capsys.readouterr().out
    assert f"The report: {index.resolve().as_uri()}" in said
    frozen = nbformat.read(repository / "book" / "chapters" / "01_a.ipynb", as_version=4)
    assert "papermill" not in frozen.metadata and frozen.cells[-1].outputs[0].text == "demo r\n"
    assert not (repository / "book" / "_build").exists()


def test_a_report_of_some_chapters_says_that_the_verdicts_they_cite_are_stored_ones(repository, capsys):
    for folder in ("notebooks", "book/chapters"):
        nbformat.write(notebook(), repository / folder / "scorecard.ipynb")
    build.build_report(chapters=["01"], build=False, progress=False)
    assert "the scorecard was not run" in capsys.readouterr().out
    build.build_report(chapters=["01", "scorecard"], build=False, progress=False)
    assert "the scorecard was not run" not in capsys.readouterr().out


def test_a_chapter_that_stops_is_named_in_one_line_and_kept_and_the_others_run(repository):
    with pytest.raises(UserError) as caught:
        build.build_report(progress=False)
    assert str(caught.value) == "chapter 02_b stopped: ValueError: first line; see out/book/chapters/02_b.ipynb"
    folder = repository / "out" / "book" / "chapters"
    kept = nbformat.read(folder / "02_b.ipynb", as_version=4)
    # Papermill marks the cell's exception from a message that a busy machine loses: only what is ours is asked here.
    assert kept.cells[-1].metadata.papermill.status != "completed"
    assert nbformat.read(folder / "01_a.ipynb", as_version=4).cells[-1].metadata.papermill.status == "completed"


def test_chapters_run_without_the_users_settings_of_matplotlib_and_ipython(repository, monkeypatch, tmp_path):
    """usetex stops a figure where LaTeX is missing, and IPython can be told to show no cell's last value."""
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text('c.InteractiveShell.ast_node_interactivity = "none"\n')
    (tmp_path / "ipython" / "matplotlibrc").write_text("text.usetex: True\nfigure.dpi: 33\n")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path / "ipython" / "matplotlibrc"))
    (tmp_path / "startup.py").write_text("import matplotlib\nmatplotlib.rcParams['figure.dpi'] = 44\n")
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "startup.py"))
    code = "import matplotlib, pathlib\nused = [matplotlib.rcParams[name] for name in ('text.usetex', 'figure.dpi')]\n"
    code += "pathlib.Path('used').write_text(f'{used} {get_ipython().ast_node_interactivity}')"
    nbformat.write(notebook(code), repository / "notebooks" / "01_a.ipynb")
    build.build_report(chapters=["01"], progress=False)
    assert (repository / "used").read_text() == "[False, 100.0] last_expr"


def test_folders_of_a_user_that_does_not_exist_are_refused_before_anything_runs(repository):
    for places in ({"out": "~nosuch/out"}, {"results_dir": "~nosuch/results"}):
        with pytest.raises(UserError, match="is no path"):
            build.build_report(**places)


def test_a_user_without_a_home_folder_gets_one_for_the_chapters(monkeypatch):
    """Jupyter stops with a traceback where neither HOME nor the list of users names one."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with chapters._own_profile():
        assert os.path.isdir(os.environ["HOME"])
    assert "HOME" not in os.environ


def test_chapters_run_in_this_environment_whatever_kernel_has_its_name(repository, monkeypatch, tmp_path):
    other = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps({"argv": ["/bin/false"], "display_name": "Python 3", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    code = "import pathlib, sys\npathlib.Path('python').write_text(sys.executable)"
    nbformat.write(notebook(code), repository / "notebooks" / "01_a.ipynb")
    build.build_report(chapters=["01"], progress=False)
    assert (repository / "python").read_text() == sys.executable


def test_a_figure_of_which_no_image_came_is_drawn_again_and_then_stops_the_chapter(repository):
    """As where a message of the kernel got lost; the image of the first chapter comes when it is run again."""
    count = "with open('{}', 'a') as file:\n    print('x', file=file, end='')"
    comes = "import os\nfrom IPython.display import Image, display\n" + count.format("first")
    comes += f"\nif os.path.getsize('first') > 1:\n    display(Image({PIXEL!r}))"
    for name, code in (("01_a", comes), ("02_b", count.format("second"))):
        content = notebook(code, "print('no figure')")
        content.cells[-2].metadata["mystnb"] = {"figure": {"caption": "C.", "name": "fig-a"}, "image": {"alt": "A"}}
        nbformat.write(content, repository / "notebooks" / f"{name}.ipynb")
    build.build_report(chapters=["01"], progress=False)
    with pytest.raises(UserError, match="^chapter 02_b: no image came of fig-a; run it again$"):
        build.build_report(chapters=["02"], progress=False)
    assert [len((repository / name).read_text()) for name in ("first", "second")] == [chapters.RUNS] * 2 == [2, 2]


def test_a_chapter_whose_cell_seems_never_to_end_is_run_again_and_then_named(repository, monkeypatch):
    """As where the message got lost that says so."""
    import papermill
    from nbclient.exceptions import CellTimeoutError

    execute, attempts = papermill.execute_notebook, []

    def lossy(notebook, *args, **kwargs):
        attempts.append(notebook)
        if "01_a" in notebook and len(attempts) > 1:
            return execute(notebook, *args, **kwargs)
        raise CellTimeoutError

    monkeypatch.setattr(papermill, "execute_notebook", lossy)
    for name in ("01_a", "02_b"):
        nbformat.write(notebook("print('x')"), repository / "notebooks" / f"{name}.ipynb")
    build.build_report(chapters=["01"], build=False, progress=False)
    with pytest.raises(UserError, match="^chapter 02_b: an output did not arrive; run it again$"):
        build.build_report(chapters=["02"], progress=False)
    assert len(attempts) == 4


def test_an_interrupted_report_leaves_no_kernel(repository):
    """Both kernels wait for ever; one says that it is there, and the report is interrupted."""
    import psutil

    code = 'import pathlib, time; pathlib.Path(f"{preset}.there").touch(); time.sleep(600)'
    for path in (repository / "notebooks").glob("*.ipynb"):
        nbformat.write(notebook(code.replace("{preset}", path.stem)), path)
    # a background job of a shell is born deaf to SIGINT, and so would this one be
    hear = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = f"{hear}from lottery_book.building import build; build.build_report(progress=False, workers=2)"
    report = psutil.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, start_new_session=True)
    while len(list(repository.glob("*.there"))) < 2:
        with pytest.raises(psutil.TimeoutExpired):
            report.wait(0.1)
    kernels = report.children(recursive=True)
    assert len(kernels) == 2
    report.send_signal(signal.SIGINT)
    assert report.wait(60) != 0
    assert psutil.wait_procs(kernels, 10)[1] == []


def test_what_chapters_need_is_computed_in_one_run_and_they_compute_nothing(repository, monkeypatch, capsys):
    """Two chapters with other cells of one study, one of them with a setting of its own as well."""
    from lottery_utils.experiment.run import Summary
    from lottery_utils.experiment.study import Study

    code = """import contextlib
from lottery_utils import compute, open_study
NEEDS = {}
with open("said", "a") as file, contextlib.redirect_stdout(file):
    compute(open_study(preset, tasks, seeds, {{}}, results_dir), NEEDS, compute_missing)"""
    first = {"stages": ["finetune"]}
    heads = {"stages": ["search"], "methods": ["structured"], "overrides": {"search": "heads"}}
    second = [{"stages": ["search"]}, heads]
    for name, needs in (("01_a", first), ("02_b", second)):
        late = 'raise RuntimeError("only a kernel comes here")' if name == "01_a" else "late = 1"
        nbformat.write(notebook(code.format(needs), late), repository / "notebooks" / f"{name}.ipynb")
    runs = []

    def run_cells(self, cells, **_):
        runs.append((self.preset.search, [cell.name for cell in cells]))
        return Summary(len(cells), done=len(cells))

    monkeypatch.setattr(Study, "run_cells", run_cells)
    with pytest.raises(UserError, match="^chapter 01_a stopped: RuntimeError: only a kernel comes here; see [^;]*$"):
        build.build_report("demo", ["rte"], [42], results_dir="r", progress=False)
    searches = [f"rte/42/search/{method}/good" for method in ("structured", "magnitude")]
    assert runs == [("joint", ["rte/42/finetune/full", *searches]), ("heads", ["rte/42/finetune/full", searches[0]])]
    assert "demo (search heads): everything is done" in capsys.readouterr().out
    said = sorted((repository / "said").read_text(encoding="utf-8").splitlines())
    assert said == [
        "demo (search heads): 0 of 2 cells are stored",
        "demo: 0 of 1 cells are stored",
        "demo: 0 of 3 cells are stored",
    ]
    assert not (repository / "r").exists()


def test_a_chapter_that_asks_for_what_is_unknown_stops_before_anything_runs(repository):
    nbformat.write(notebook("NEEDS = {'stages': ['nothing']}"), repository / "notebooks" / "02_b.ipynb")
    with pytest.raises(UserError, match="^stages: unknown value 'nothing'; valid: finetune, "):
        build.build_report(progress=False)
    assert not (repository / "out" / "book" / "chapters" / "01_a.ipynb").exists()


def test_a_warning_in_the_build_is_an_error_in_one_line(repository):
    (repository / "book" / "intro.md").write_text("# T\n\n[](nowhere.md)\n")
    with pytest.raises(UserError, match="does not build strictly") as caught:
        build.build_report(chapters=["01"], progress=False)
    assert "\n" not in str(caught.value) and "nowhere" in str(caught.value)


def test_nothing_that_is_not_ours_is_replaced(repository):
    (repository / "mine" / "book").mkdir(parents=True)
    (repository / "mine" / "book" / "a.txt").write_text("mine")
    with pytest.raises(UserError, match="not made by"):
        build.build_report(chapters=["01"], out="mine", build=False)
    with pytest.raises(UserError, match="not made by"):
        build.build_report(chapters=["01"], out=".", build=False)
    (repository / "file").write_text("x")
    for place, said in (("x" * 300, "no path"), ("a\0b", "no path"), (repository / "file", "cannot be made")):
        with pytest.raises(UserError, match=said):
            build.build_report(chapters=["01"], out=place, build=False)
    assert (repository / "mine" / "book" / "a.txt").read_text() == "mine"
    with pytest.raises(UserError, match="is no book"):
        build.build_report(chapters=["01"], book_source="elsewhere", build=False)


def test_links_checked_out_as_text_files_are_followed(tmp_path):
    """As git does where links are not allowed, on Windows: the file holds the place that the link leads to."""
    (tmp_path / "book").mkdir()
    for name, content in (("_config.yml", "title: A\n"), ("_toc.yml", "root: intro\n")):
        (tmp_path / name).write_text(content)
        (tmp_path / "book" / name).write_text(f"../{name}")
    build.copy_book(tmp_path / "book", tmp_path / "copy")
    assert (tmp_path / "copy" / "_config.yml").read_text() == "title: A\n"
    assert (tmp_path / "copy" / "_toc.yml").read_text() == "root: intro\n"
