"""An output that a kernel showed and the executed notebook lacks is noticed, and its chapter run again."""

from __future__ import annotations

import copy
import json

import nbformat
import pytest

from lottery_book.building import chapters, witness
from lottery_utils.errors import UserError

v4 = nbformat.v4
SHOWS = (
    'open("runs", "a").write("x"); print("text"); print("more")',
    'from IPython.display import display; display(1); display(2, display_id="a").update(3)',
    "1 + 1",
    "x = 3",
    'from IPython.display import clear_output; print("gone"); clear_output()',
    'import asyncio; await asyncio.sleep(0); print("after a coroutine")',
    'get_ipython().run_cell("print(1)"); print(2)',
)


def written(path, *sources: str):
    """A notebook with a parameters cell, a cell that is never run and these code cells; the file's path."""
    cells = [v4.new_code_cell('preset = "x"'), *(v4.new_code_cell(source) for source in (*SHOWS, *sources))]
    cells.insert(1, v4.new_code_cell("1 / 0", metadata={"tags": [witness.SKIPPED]}))
    cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(v4.new_notebook(cells=cells, metadata={"kernelspec": dict(chapters.KERNEL)}), path)
    return path


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(chapters.__file__).rsplit("/lottery_utils", 1)[0])
    return tmp_path


def test_whatever_is_missing_from_a_cell_is_noticed(place):
    """One kernel's own account against its notebook, from which one thing after another is taken away."""
    told, done = place / "told", place / "done.ipynb"
    chapters._execute(written(place / "01_a.ipynb"), done, {}, lambda **_: None, place)
    (place / chapters.WITNESS).rename(told)
    whole = nbformat.read(done, as_version=4)
    assert witness.lost_outputs(whole, told) == []
    shows = [k for k, cell in enumerate(whole.cells) if cell.get("outputs")]
    assert [whole.cells[k].source for k in shows] == [SHOWS[k] for k in (0, 1, 2, 5, 6)]

    for k in shows:
        for less in (lambda cell: cell.outputs.pop(), lambda cell: cell.outputs.clear()):
            notebook = copy.deepcopy(whole)
            less(notebook.cells[k])
            assert witness.lost_outputs(notebook, told) == [k]
        notebook = copy.deepcopy(whole)
        for output in notebook.cells[k].outputs:
            if output.output_type == "stream":
                output.text = output.text[:-1]
                assert witness.lost_outputs(notebook, told) == [k]
    run = [k for k, cell in enumerate(whole.cells) if k != 1]
    for k in run:  # its number came with the message that it starts
        notebook = copy.deepcopy(whole)
        notebook.cells[k].update(execution_count=None, outputs=[])
        assert witness.lost_outputs(notebook, told) == [k]
    lines = told.read_text().splitlines()
    assert len(lines) == len(run)
    for k in run:  # the kernel took the request back: nothing was run, nothing is told
        number = whole.cells[k].execution_count
        told.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["cell"] != number))
        assert witness.lost_outputs(whole, told) == [k]
    told.unlink()
    assert witness.lost_outputs(whole, told) == run


def test_a_chapter_with_a_lost_output_is_run_again(place, monkeypatch):
    check, found, done = witness.lost_outputs, [], place / "done.ipynb"

    def losing(notebook, told):
        """The first run comes back without a text."""
        if not found:
            notebook.cells[2].outputs = []
        found.append(check(notebook, told))
        return found[-1]

    monkeypatch.setattr(witness, "lost_outputs", losing)
    chapters.execute_chapter(written(place / "01_a.ipynb"), done, {})
    assert found == [[2], []] and (place / "runs").read_text() == "xx"
    assert nbformat.read(done, as_version=4).cells[2].outputs[0].text == "text\nmore\n"


def test_a_chapter_that_loses_outputs_again_and_again_stops_in_one_line(tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(chapters, "_execute", lambda notebook, output, *_: runs.append(output.write_text("{}")))
    monkeypatch.setattr(chapters.witness, "lost_outputs", lambda *_: [4])
    monkeypatch.setattr(nbformat, "read", lambda *_, **__: None)
    with pytest.raises(UserError, match=r"^chapter 01_a: outputs of cells \[4\] were lost, 3 times; run it again$"):
        chapters.execute_chapter(tmp_path / "01_a.ipynb", tmp_path / "o.ipynb", {})
    assert len(runs) == chapters.TRIES
