import pytest

from fairlot.store.vault import SealBroken, Vault

SECRET = "a secret of the operator"


def test_vault__sealed__opens_under_the_same_secret_and_name() -> None:
    sealed = Vault(SECRET).seal("a", b"private")
    assert b"private" not in sealed
    assert Vault(SECRET).unseal("a", sealed) == b"private"


def test_vault__same_content_twice__is_sealed_differently() -> None:
    vault = Vault(SECRET)
    assert vault.seal("a", b"private") != vault.seal("a", b"private")


@pytest.mark.parametrize(
    ("secret", "name", "end"),
    [("another secret altogether", "a", None), (SECRET, "b", None), (SECRET, "a", -1)],
)
def test_vault__other_secret_name_or_content__does_not_open(
    secret: str, name: str, end: int | None
) -> None:
    sealed = Vault(SECRET).seal("a", b"private")
    with pytest.raises(SealBroken):
        Vault(secret).unseal(name, sealed[:end])


def test_vault__nothing_at_all__does_not_open() -> None:
    with pytest.raises(SealBroken):
        Vault(SECRET).unseal("a", b"")
