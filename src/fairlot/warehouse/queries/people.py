"""Who is who: ids that became another, users, and the units that people belong to."""

from typing import NamedTuple

import ibis
from ibis.expr.types import Table

from fairlot.warehouse.queries.steps import Steps, without


class People(NamedTuple):
    """`links` has one row for each id (`anonymous`) that somebody else is (`user`); `merges` for
    each that was merged (`gone`), when (`ms`) and into whom in the end (`into`); `logins` when each
    `subject` first became a user."""

    links: Table
    merges: Table
    logins: Table


def people_of(identities: Table, steps: Steps) -> People:
    """An id is whom it was merged into, and that one is the first user that it became.

    Users become nobody else, unless they are merged. A merge names all ids of who is gone, and the
    last that arrived counts, so that a chain has two links only where two arrived in one moment.
    """
    merges = steps.step("merges", _last_merges(identities))
    merges = steps.step("merges_of_two", _followed(merges))
    logins = identities.filter(identities.merged.isnull())
    users = steps.step("users", _first_users(logins))
    of_merged = merges.left_join(users, merges.into == users.anonymous)
    links = of_merged.select(
        anonymous=of_merged.gone, user=ibis.coalesce(of_merged.user, of_merged.into)
    ).union(users.anti_join(merges, users.anonymous == merges.gone))
    return People(
        steps.step("links", links), merges, logins.group_by("subject").agg(ms=logins.ms.min())
    )


def _last_merges(identities: Table) -> Table:
    merges = identities.filter(identities.merged.notnull())
    nth = ibis.row_number().over(
        group_by=merges.subject,
        order_by=[merges.received.desc(), merges.ms.desc(), merges.event_id],
    )
    last = merges.mutate(nth=nth).filter(lambda each: each.nth == 0)
    return last.select(gone="subject", into="user", ms="ms")


def _followed(merges: Table) -> Table:
    """Two steps at once."""
    further = merges.select(at="gone", to="into")
    joined = merges.left_join(further, merges.into == further.at)
    return joined.select("gone", "ms", into=ibis.coalesce(joined.to, joined.into))


def _first_users(logins: Table) -> Table:
    first = ibis.row_number().over(group_by=logins.subject, order_by=[logins.ms, logins.event_id])
    firsts = logins.mutate(nth=first).filter(lambda each: each.nth == 0)
    of_user = logins.select(known="user").distinct()
    return firsts.anti_join(of_user, firsts.subject == of_user.known).select(
        anonymous="subject", user="user"
    )


def leaving_on_login(exposures: Table, people: People, steps: Steps) -> Table:
    """The exposures, marked where their subject became a user later, also by a merge into one."""
    logins, merges = people.logins, people.merges
    known = merges.inner_join(logins, merges.into == logins.subject)
    merged = known.select(subject=known.gone, ms=ibis.greatest(known.ms, known.ms_right))
    both = logins.union(merged)
    first = steps.step("logins", both.group_by("subject").agg(login_ms=both.ms.min()))
    joined = exposures.left_join(
        first.select(of="subject", login_ms="login_ms"), [("subject", "of")]
    )
    is_before = joined.ms < joined.login_ms
    marked = joined.mutate(left_by_login=ibis.ifelse(is_before, "true", joined.left_by_login))
    return without(marked, "of", "login_ms")


def canonical(events: Table, links: Table) -> Table:
    """The events, of the user where their subject became one."""
    joined = events.left_join(links, events.subject == links.anonymous)
    known = joined.mutate(subject=ibis.coalesce(joined.user, joined.subject))
    return without(known, "anonymous", "user")


def unit_of_people(exposures: Table) -> Table:
    """The unit that each person belongs to: that of the first exposure. Public ones come after all
    others, so that nobody can move a stranger to another unit."""
    people = exposures.filter(exposures.actor == "human")
    is_public = ibis.ifelse(people.trust == "public", 1, 0)
    nth = ibis.row_number().over(
        group_by=people.subject, order_by=[is_public, people.ms, people.unit]
    )
    firsts = people.mutate(nth=nth).filter(lambda each: each.nth == 0)
    return firsts.select(person="subject", unit="unit")


def of_units(events: Table, units: Table) -> Table:
    """The events of people who belong to a unit, as the unit's."""
    joined = events.inner_join(units, events.subject == units.person)
    return without(joined.mutate(subject=joined.unit), "person", "unit")
