"""Keys are exchanged and versions revoked while a fleet of clients polls two workers."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairlot.manifest import RefusalReason
from fairlot.manifest.signing import signer_of
from fairlot.service.bootstrap import bootstrap
from fairlot.store import open_store
from support.fleet import Member, Operator, Watch, wait_until_all_hold
from support.processes import ServerProcess, free_port, serving
from support.waiting import wait_for

pytestmark = pytest.mark.slow

CLIENTS = 20
HERO = "key: hero\nname: {name}\nvariants: [{{key: a, name: A}}, {{key: b, name: B}}]\n"


@dataclass
class Site:
    server: ServerProcess
    operator: Operator

    def apply(self, name: str) -> None:
        self.operator.apply(HERO.format(name=name))

    def member(self, name: str, cache: Path | None = None) -> Member:
        return Member(self.server, name, cache)


@pytest.fixture
def site(tmp_path: Path, database_url: str | None) -> Iterator[Site]:
    """Two workers that serve version 1."""
    with closing(open_store(tmp_path / "data", None, database_url)) as store:
        first = bootstrap(store)
    assert first is not None
    variables = {} if database_url is None else {"FAIRLOT_DATABASE_URL": database_url}
    with serving(tmp_path / "data", port=free_port(), workers=2, **variables) as server:
        site = Site(server, Operator.of(server, first.admin_key))
        site.apply("Hero")
        yield site


@pytest.fixture
def fleet(site: Site) -> Iterator[list[Member]]:
    """All hold version 2, and have held version 1."""
    members = [site.member(f"client {number}") for number in range(CLIENTS)]
    wait_until_all_hold(members, 1)
    site.apply("Hero, better")
    wait_until_all_hold(members, 2)
    yield members
    for member in members:
        member.close()


def test_rotation__while_clients_poll__none_is_ever_without_a_valid_manifest(
    site: Site, fleet: list[Member], tmp_path: Path
) -> None:
    operator, asleep = site.operator, site.member("asleep", tmp_path / "asleep.json")
    assert asleep.init()
    asleep.close()
    with Watch(fleet, operator) as watch:
        assert not operator.keys_do("announce")["changed"]
        (first,) = {signer_of(member.document or b"") for member in fleet}
        assert operator.keys_do("rotate", force=True)["versions"] == {"default": 3}
        wait_until_all_hold(fleet, 3)

        woken = site.member("woken", tmp_path / "asleep.json")
        woken.is_cut_off = True  # the saved manifest of before is what there is to begin with
        assert woken.init()
        assert woken.version == 2
        woken.is_cut_off = False
        fleet.append(woken)
        wait_until_all_hold(fleet, 3)

        assert operator.keys_do("retire", force=True)["versions"] == {"default": 4}
        wait_until_all_hold(fleet, 4)
        assert operator.revoke(4) == 5
        wait_until_all_hold(fleet, 5)

        upcoming = operator.control.request("GET", "/api/v1/orgs/default/signing-keys").json
        (to,) = [key["kid"] for key in upcoming["items"] if key["state"] == "next"]
        for _ in range(2):  # the answer to the first was lost
            operator.keys_do("rotate", force=True, to=to)
        wait_until_all_hold(fleet, 6)
        operator.keys_do("retire", force=True)
        wait_until_all_hold(fleet, 7)
        for version in (7, 8, 9):
            assert operator.revoke(version) == version + 1
        wait_until_all_hold(fleet, 10)
    assert watch.faults == []
    assert watch.samples > 20 * CLIENTS
    assert {signer_of(member.document or b"") for member in fleet} == {to}
    assert first not in operator.believed
    reasons = set[RefusalReason]().union(*(member.refusals for member in fleet))
    assert reasons <= {RefusalReason.REVOKED, RefusalReason.LOWER_VERSION}


def test_revoked_version__replayed_by_a_proxy__is_refused_by_every_client(
    site: Site, fleet: list[Member]
) -> None:
    revoked = fleet[0].document
    assert revoked is not None
    with Watch(fleet, site.operator) as watch:
        for member in fleet:
            member.replayed = revoked
        assert site.operator.revoke(2) == 3
        wait_until_all_hold(fleet, 1)  # what they held before, which is still good
        for member in fleet:
            # The other worker may have served version 1 for a moment after the first served 2.
            assert RefusalReason.REVOKED in member.refusals
            assert member.refusals <= {RefusalReason.REVOKED, RefusalReason.LOWER_VERSION}
            member.replayed = None
        wait_until_all_hold(fleet, 3)
        for member in fleet:
            member.replayed = revoked
            member.told.clear()

        def all_have_refused() -> bool:
            return all(member.refusals for member in fleet)

        wait_for(all_have_refused)
        assert {member.version for member in fleet} == {3}
    assert watch.faults == []


def test_revoked_version__first_that_a_client_is_shown__is_refused(site: Site) -> None:
    site.apply("Hero, better")
    with site.member("old") as old:
        wait_until_all_hold([old], 2)
        revoked = old.document
        assert site.operator.revoke(2) == 3
        wait_until_all_hold([old], 3)
    new = site.member("new")
    new.replayed = revoked

    def is_refused() -> bool:
        """A worker that has not yet heard of the revocation does not list it to a newcomer."""
        nonlocal new
        new.close()
        new = site.member("new")
        new.replayed = revoked
        return not new.init()

    wait_for(is_refused)
    assert new.refusals == {RefusalReason.REVOKED}
    assert new.version is None
    new.replayed = None
    wait_until_all_hold([new], 3)
    new.close()
