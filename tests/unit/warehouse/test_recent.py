from fairlot.warehouse.recent import RecentAnswers
from unit.warehouse.records import assignment


def test_recent_answers__known_answer__needs_no_write() -> None:
    recent = RecentAnswers()
    recent.remember([assignment("anna", "blue")])
    assert recent.unseen([assignment("anna", "blue")]) == []
    assert recent.unseen([assignment("anna", "red")]) == [assignment("anna", "red")]


def test_recent_answers__answer_changed_after_a_turnover__only_the_latest_is_known() -> None:
    recent = RecentAnswers(size=1)
    recent.remember([assignment("anna", "blue")])
    recent.remember([assignment("anna", "red")])
    assert recent.unseen([assignment("anna", "blue")]) != []
    assert recent.unseen([assignment("anna", "red")]) == []


def test_recent_answers__many_units__the_oldest_are_forgotten() -> None:
    recent = RecentAnswers(size=10)
    for number in range(100):
        recent.remember([assignment(str(number))])
    forgotten = recent.unseen([assignment(str(number)) for number in range(100)])
    assert 80 <= len(forgotten) <= 90
    recent.forget()
    assert len(recent.unseen([assignment("99")])) == 1
