"""Upload of an exported folder to the Hugging Face hub, with the user's own credentials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError, one_line, shown

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def require_login(repo: str) -> None:
    """Raise UserError, before anything is computed, for a name that is none, or where nobody is logged in."""
    from huggingface_hub import get_token
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UserError(f"--push needs USER/NAME, got {shown(repo)} ({' '.join(str(error).split())[:120]})") from None
    if repo.count("/") != 1:
        raise UserError(f"--push needs USER/NAME, got {shown(repo)}; put your user name before it")
    if get_token() is None:
        raise UserError("--push needs a login to the hub; run 'hf auth login', or set HF_TOKEN")


def push(folder: str | Path, repo: str, api: HfApi | None = None) -> str:
    """Upload `folder` to the model repository `repo` (USER/NAME), made if it is not there; return its address.

    The login is that of `hf auth login` or $HF_TOKEN. Raises UserError when the hub refuses or cannot be reached; the
    folder stays, and the message says how to upload it later.
    """
    from huggingface_hub import HfApi

    api = HfApi() if api is None else api
    try:
        address = str(api.create_repo(repo, exist_ok=True))
        api.upload_folder(repo_id=repo, folder_path=str(folder), commit_message="Subnetwork from the lottery companion")
    except Exception as error:  # the hub's own kinds, those of its HTTP library, OSError: all are for the user to see
        raise UserError(
            f"{repo} could not be uploaded ({type(error).__name__}: {one_line(error, 200)}); the exported folder "
            f"stays, upload it later with: hf upload {repo} {folder}"
        ) from error
    return address
