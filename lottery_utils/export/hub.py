"""Upload of an exported folder to the Hugging Face hub, with the user's own credentials."""

from __future__ import annotations

from pathlib import Path

from ..errors import UserError


def push(folder: str | Path, repo: str, api=None) -> str:
    """Upload `folder` to the model repository `repo` (USER/NAME), made if it is not there; return its address.

    The login is that of `hf auth login` or $HF_TOKEN. Raises UserError when the hub refuses or cannot be reached; the
    folder stays.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import HfHubHTTPError, HFValidationError

    from ..models.source import one_line

    if repo.count("/") != 1 or not all(repo.split("/")):
        raise UserError(f"--push needs USER/NAME, got {repo!r}; the exported folder {folder} stays")
    api = HfApi() if api is None else api
    try:
        address = str(api.create_repo(repo, exist_ok=True))
        api.upload_folder(repo_id=repo, folder_path=str(folder), commit_message="Subnetwork from the lottery companion")
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        raise UserError(
            f"{repo} could not be uploaded ({one_line(error)}); log in with 'hf auth login' and try --push again, "
            f"the exported folder {folder} stays"
        ) from error
    return address
