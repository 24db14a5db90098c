"""The hashing vectors in DuckDB's SQL, all in one query: ids of many lengths beside each other."""

import duckdb

from conformance.loader import all_vectors
from fairlot.engine import scalar_text
from fairlot.warehouse.hashing_sql import MACROS

_CREATE = "CREATE TABLE vectors (name TEXT, salt TEXT, purpose TEXT, unit TEXT, hash UBIGINT)"


def test_macros__every_vector_of_hashing__the_same_hash_and_bucket() -> None:
    rows = []
    texts = []
    for vector in all_vectors():
        case = vector.case
        if vector.kind == "hash":
            # No log holds half a surrogate pair: it is replaced before it is hashed or recorded.
            unit = scalar_text(case["unitId"])
            rows.append((case["name"], case["salt"], case["purpose"], unit, case["hash"]))
        elif vector.kind == "murmur3":
            texts.append((case["text"], case["hash"]))
    assert len(rows) > 50 and len(texts) == 5
    with duckdb.connect() as connection:
        connection.execute(MACROS)
        connection.execute(_CREATE)
        connection.executemany("INSERT INTO vectors VALUES (?, ?, ?, ?, ?)", rows)
        found = connection.execute(
            "SELECT name, fairlot_hash(salt || ':' || purpose || ':' || unit) AS found, hash,"
            " fairlot_bucket(salt, purpose, unit), (hash * 10000) >> 32 FROM vectors"
        ).fetchall()
        for text, expected in texts:
            assert connection.execute("SELECT fairlot_hash(?)", [text]).fetchone() == (expected,)
    assert len(found) == len(rows)
    assert [row for row in found if row[1] != row[2] or row[3] != row[4]] == []
