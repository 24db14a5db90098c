from support.commands import Run


def test_openapi__with_and_without_json__is_the_same_document(run: Run) -> None:
    document = run("openapi").json
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/experiments/assignments/{experiment_key}" in document["paths"]
    assert run("openapi", "--json").json == document
