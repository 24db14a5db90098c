import json

from fairlot.manifest.schema import schema_document
from support.commands import Run


def test_schema__with_and_without_json__is_the_same_document(run: Run) -> None:
    ran = run("schema")
    assert (ran.code, json.loads(ran.out)) == (0, schema_document())
    assert run("schema", "--json").out == ran.out
