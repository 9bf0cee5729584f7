"""An output that a kernel showed and the executed notebook lacks is noticed, and its chapter run again."""

from __future__ import annotations

import nbformat
import pytest

from lottery_utils.errors import UserError
from lottery_utils.report import chapters, witness

SHOWS = (
    'open("runs", "a").write("x"); print("text")',
    'from IPython.display import display; display(1); display(2, display_id="a").update(3)',
    "1 + 1",
    "x = 3",
    'from IPython.display import clear_output; print("gone"); clear_output()',
)


def test_a_lost_output_is_noticed_and_its_chapter_run_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(chapters.__file__).rsplit("/lottery_utils", 1)[0])
    v4 = nbformat.v4
    cells = [v4.new_code_cell('preset = "x"'), *(v4.new_code_cell(source) for source in SHOWS)]
    cells[0].metadata["tags"] = ["parameters"]
    path, done = tmp_path / "01_a.ipynb", tmp_path / "done.ipynb"
    nbformat.write(v4.new_notebook(cells=cells, metadata={"kernelspec": dict(chapters.KERNEL)}), path)
    check, found = witness.lost_outputs, []

    def losing(notebook, told):
        """The first run comes back without the text, one display and the value."""
        if not found:
            assert check(notebook, told) == []
            shown = [cell for cell in notebook.cells if cell.get("outputs")]
            assert len(shown) == 3
            shown[0].outputs, shown[2].outputs = [], []
            shown[1].outputs = shown[1].outputs[:1]
            expected = [cell.execution_count for cell in shown]
            found.append(check(notebook, told))
            assert found == [expected]
            return found[0]
        found.append(check(notebook, told))
        return found[-1]

    monkeypatch.setattr(witness, "lost_outputs", losing)
    chapters.execute_chapter(path, done, {})
    assert found[1:] == [[]] and (tmp_path / "runs").read_text() == "xx"
    assert nbformat.read(done, as_version=4).cells[1].outputs[0].text == "text\n"


def test_a_chapter_that_loses_outputs_again_and_again_stops_in_one_line(tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(chapters, "_execute", lambda notebook, output, *_: runs.append(output.write_text("{}")))
    monkeypatch.setattr(chapters.witness, "lost_outputs", lambda *_: [4])
    monkeypatch.setattr(nbformat, "read", lambda *_, **__: None)
    with pytest.raises(UserError, match=r"^chapter 01_a: outputs of cells \[4\] were lost, 3 times; run it again$"):
        chapters.execute_chapter(tmp_path / "01_a.ipynb", tmp_path / "o.ipynb", {})
    assert len(runs) == chapters.TRIES


def test_a_kernel_that_tells_nothing_is_believed(tmp_path):
    assert witness.lost_outputs(nbformat.v4.new_notebook(), tmp_path / "none") == []
