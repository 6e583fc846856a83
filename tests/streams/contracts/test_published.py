import json
from pathlib import Path

import pytest

from streams import topics
from streams.contracts.published import CONTRACTS, FOLDER, Published, files, write


def test_the_published_files_are_what_the_code_generates() -> None:
    differing = [
        name
        for name, text in files()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != text
    ]

    assert differing == [], "run: python -m streams.contracts"


def test_nothing_is_published_that_the_code_does_not_generate() -> None:
    wanted = {FOLDER / name for name, _ in files()}

    assert set(FOLDER.rglob("*.json")) <= wanted


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_every_example_is_one_that_the_contract_accepts(contract: Published) -> None:
    assert contract.examples
    for example in contract.examples.values():
        contract.model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_an_example_without_a_required_field_is_refused(contract: Published) -> None:
    example = next(iter(contract.examples.values()))
    required = contract.model.model_json_schema()["required"]
    assert required
    for name in required:
        with pytest.raises(ValueError, match=name):
            contract.model.model_validate_json(json.dumps({key: each for key, each in example.items() if key != name}))


def test_every_topic_that_crosses_a_boundary_has_a_contract() -> None:
    assert {contract.topic for contract in CONTRACTS} == set(topics.ALL)


def test_writing_again_changes_nothing_and_a_stale_example_goes(tmp_path: Path) -> None:
    written = write(tmp_path)
    stale = tmp_path / "examples" / "gone.json"
    stale.write_text("{}")

    assert len(written) == len(list(files()))
    assert write(tmp_path) == [stale]
    assert write(tmp_path) == []
