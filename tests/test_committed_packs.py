"""The committed records: packs, intact, without what has a byte a weight."""

from __future__ import annotations

import pytest
from committed import RECORDS

from lottery_utils.experiment.packs import read_pack
from lottery_utils.experiment.store import OPTIONAL, RECORD, Store
from lottery_utils.experiment.verify import verify_store

STUDIES = sorted({path.parent for path in RECORDS.rglob("*.tar.xz")})


@pytest.mark.parametrize("folder", STUDIES, ids=lambda path: str(path.relative_to(RECORDS)))
def test_the_committed_records_are_intact_packs_without_weights(folder):
    found = {finding.kind for finding in verify_store(Store(folder))}
    assert found & {"done", "earlier version"} and "damaged" not in found
    names = {name for path in folder.glob("*.tar.xz") for files in read_pack(path).values() for name in files}
    assert not names & set(OPTIONAL)


def test_no_committed_record_lies_in_a_folder():
    assert STUDIES and not list(RECORDS.rglob(RECORD))
