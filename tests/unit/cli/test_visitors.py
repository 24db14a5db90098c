from fairlot.cli.visitors import questions_of, request_body
from fairlot.engine import Context, Reason, compile_manifest, decide
from fairlot.engine.model import Manifest
from support.commands import SHOP
from support.experiment_texts import read_folder


def test_questions__of_the_same_visitor__are_the_same() -> None:
    assert questions_of(7) == questions_of(7)
    assert questions_of(7) != questions_of(8)


def test_questions__eligible__are_those_that_the_audience_admits() -> None:
    specs, problems = read_folder(SHOP)
    assert problems == ()
    experiments = tuple(spec.experiment for spec in specs)
    shop = compile_manifest(Manifest("default", "default", 1, "", experiments))
    for question in (each for number in range(300) for each in questions_of(number)):
        context = Context(
            attributes=question.context.get("attributes", {}), url=question.context.get("url")
        )
        decision = decide(shop, question.experiment_key, question.visitor_id, context)
        assert question.eligible is (decision.reason is not Reason.AUDIENCE), question


def test_questions__of_the_first_visitors__ask_about_every_experiment_of_the_shop() -> None:
    specs, _ = read_folder(SHOP)
    asked = {question.experiment_key for question in questions_of(0)}
    assert asked == {spec.experiment.key for spec in specs}


def test_request_body__without_context__leaves_it_out() -> None:
    by_key = {question.experiment_key: question for question in questions_of(1)}
    assert request_body("exp_t", by_key["free-delivery"]) == {
        "token": "exp_t",
        "visitor_id": "visitor-000001",
    }
    assert "url" in request_body("exp_t", by_key["checkout-button"])["context"]
