"""Upload of an export against a small hub of our own on this machine: what is sent, and what failures look like."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import HfApi

from lottery_utils.cli import main
from lottery_utils.errors import UserError
from lottery_utils.export.folder import push, require_login


class Hub(ThreadingHTTPServer):
    """The part of the hub that an upload talks to; keeps what it is sent. `refuse`: the status of every answer."""

    def __init__(self, refuse: int = 0):
        self.files, self.asked, self.refuse = {}, [], refuse
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        hub = self.server
        hub.asked.append((self.path, self.headers.get("Authorization")))
        if hub.refuse:
            return self.answer({"error": "not yours"}, hub.refuse)
        if self.path.endswith("/create"):
            return self.answer({"url": f"{hub.address}/me/small", "name": "me/small"})
        if "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            files = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            return self.answer({"files": files})
        if "/commit/" in self.path:
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    hub.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            return self.answer({"commitUrl": f"{hub.address}/me/small/commit/1", "commitOid": "1", "success": True})
        self.answer({})

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        self.answer({"siblings": [], "id": "me/small", "sha": "0"}, self.server.refuse or 200)

    def answer(self, content: dict, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder as an export leaves it, on a machine that is online."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    out = tmp_path / "out"
    (out / "compact").mkdir(parents=True)
    for name in ("README.md", "model.safetensors", "compact/compact.json", "compact/model.safetensors"):
        (out / name).write_bytes(name.encode() * 9)
    return out


def test_every_file_of_the_folder_is_sent_once_with_the_login(folder):
    hub = Hub()
    address = push(folder, "me/small", HfApi(endpoint=hub.address, token="hf_secret"))
    assert address == f"{hub.address}/me/small"
    assert hub.files == {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}
    assert {login for path, login in hub.asked if "/api/repos" in path or "/commit/" in path} == {"Bearer hf_secret"}
    hub.shutdown()


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_refusal_is_one_line_that_says_what_to_do_next(folder, status, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub = Hub(refuse=status)
    with pytest.raises(UserError) as caught:
        push(folder, "me/small", HfApi(endpoint=hub.address, token="hf_secret"))
    said = str(caught.value)
    assert "\n" not in said and f"hf upload me/small {folder}" in said and str(status) in said
    assert "hf_secret" not in said
    hub.shutdown()


def test_no_network_is_one_line(folder, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(UserError, match="could not be uploaded .*the exported folder stays"):
        push(folder, "me/small", HfApi(endpoint="http://127.0.0.1:9", token="hf_secret"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="could not be uploaded"):
        push(folder, "me/small")


@pytest.mark.parametrize("repo", ["small", "", "a/b/c", "me/../x", "me/", "me/a b"])
def test_a_name_that_is_none_is_refused_before_anything_is_computed(repo, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    options = ["--results", str(tmp_path), "--push", repo]
    assert main(["export", "rte/42/finetune/full", str(tmp_path / "out"), *options]) == 2
    said = capsys.readouterr().err
    assert "--push needs USER/NAME" in said and said.count("\n") == 1


def test_nobody_logged_in_is_said_before_anything_is_computed(monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(UserError, match="hf auth login"):
        require_login("me/small")
