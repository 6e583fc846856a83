from infra.problems import Problem


def test_the_standard_members_come_first_and_an_extra_one_does_not_take_their_place() -> None:
    problem = Problem(422, "some", "Some rows", "2 of 3", extra={"results": [1], "status": 200, "title": "another"})
    document = problem.document("/v1/transactions")
    assert list(document) == ["type", "title", "status", "detail", "instance", "results"]
    assert (document["status"], document["title"]) == (422, "Some rows")
