import pytest

from support.commands import Run


@pytest.mark.parametrize("database_url", ["postgresql://db.example/shop"])
def test_demo__with_a_database_of_its_own__is_refused_before_it_publishes_there(run: Run) -> None:
    ran = run("demo", "--once")
    assert ran.code == 1
    assert "unset FAIRLOT_DATABASE_URL" in ran.err
