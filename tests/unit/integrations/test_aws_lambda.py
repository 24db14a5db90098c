import json
from typing import Any

import pytest

from fairlot.integrations.aws_lambda import (
    fairlot_handler,
    get_or_create_subject_id,
    request_context,
    with_headers,
)
from support.response_kinds import LINES, OWN_COOKIE, check, leave_lines
from support.spy_client import SpyClient

# Shapes as the AWS documentation shows them, cut to what is read.
GATEWAY: dict[str, Any] = {
    "version": "2.0",
    "rawPath": "/a/b c",
    "rawQueryString": "q=1&q=2",
    "cookies": ["a=1", "b=2"],
    "headers": {"host": "shop.example", "x-a": "1", "x-forwarded-proto": "https"},
    "requestContext": {"domainName": "abc.execute-api.example", "http": {"method": "GET"}},
}
FUNCTION_URL: dict[str, Any] = {
    **GATEWAY,
    "headers": {"X-A": "1", "cookie": "a=1; b=2"},
    "cookies": ["a=1", "b=2"],
    "requestContext": {"domainName": "abc.lambda-url.example", "http": {"method": "GET"}},
}
BALANCER: dict[str, Any] = {
    "requestContext": {"elb": {"targetGroupArn": "arn:..."}},
    "httpMethod": "GET",
    "path": "/a/b%20c",
    "queryStringParameters": {"q": "%41+1"},
    "headers": {
        "host": "shop.example",
        "x-a": "1",
        "cookie": "a=1; b=2",
        "x-forwarded-proto": "http",
    },
}
BALANCER_MULTI: dict[str, Any] = {
    "requestContext": {"elb": {"targetGroupArn": "arn:..."}},
    "httpMethod": "GET",
    "path": "/a/b%20c",
    "multiValueQueryStringParameters": {"q": ["%41", "2"]},
    "multiValueHeaders": {
        "Host": ["shop.example"],
        "X-A": ["1"],
        "Cookie": ["a=1", "b=2"],
        "x-forwarded-proto": ["https"],
    },
}
REST_GATEWAY: dict[str, Any] = {
    "httpMethod": "GET",
    "path": "/a/b c",
    "queryStringParameters": None,
    "multiValueQueryStringParameters": {"q": ["A 1", "2"]},
    "headers": {"Host": "shop.example"},
    "multiValueHeaders": {"Host": ["shop.example"], "X-A": ["1"], "Cookie": ["a=1; b=2"]},
    "requestContext": {"path": "/prod/a/b c", "stage": "prod"},
}


@pytest.mark.parametrize(
    ("event", "url"),
    [
        (GATEWAY, "https://shop.example/a/b%20c?q=1&q=2"),
        (FUNCTION_URL, "https://abc.lambda-url.example/a/b%20c?q=1&q=2"),
        (BALANCER, "http://shop.example/a/b%20c?q=%41+1"),
        (BALANCER_MULTI, "https://shop.example/a/b%20c?q=%41&q=2"),
        (REST_GATEWAY, "https://shop.example/prod/a/b%20c?q=A+1&q=2"),
    ],
)
def test_request_context__event__url_and_headers(event: dict[str, Any], url: str) -> None:
    context = request_context(event, user={"tier": "pro"}, account_id="acme")
    assert context.url == url
    assert context.header("x-a") == "1"
    assert context.header("cookie") == "a=1; b=2"
    assert (context.user, context.account_id) == ({"tier": "pro"}, "acme")
    assert request_context(event) is context
    assert json.dumps(event)


def test_request_context__event_of_nothing__empty() -> None:
    context = request_context({"headers": None, "multiValueHeaders": None, "requestContext": None})
    assert (context.url, context.header("cookie")) == ("/", None)


@fairlot_handler()
def leaving(event: dict[str, Any], _: Any) -> Any:
    leave_lines(request_context(event))
    return event["answers"]


@pytest.mark.parametrize("event", [GATEWAY, FUNCTION_URL])
def test_handler__gateway_or_url__cookies_in_their_list(event: dict[str, Any]) -> None:
    answers = {
        "statusCode": 404,
        "headers": {"cache-control": "public", "x-kept": "1"},
        "cookies": [OWN_COOKIE],
        "body": "gone",
    }
    response = leaving({**event, "answers": answers}, None)
    cookies = [("set-cookie", cookie) for cookie in response["cookies"]]
    check("missing", response["statusCode"], [*response["headers"].items(), *cookies])
    assert response["headers"]["x-kept"] == "1"
    assert response["body"] == "gone"
    assert answers["cookies"] == [OWN_COOKIE]


@pytest.mark.parametrize(
    ("answers", "body"),
    [({"title": "hi"}, '{"title": "hi"}'), ("hi", "hi"), (None, "null"), ([1], "[1]")],
)
def test_handler__gateway_response_without_a_status__what_the_gateway_makes_of_it(
    answers: Any, body: str
) -> None:
    response = leaving({**GATEWAY, "answers": answers}, None)
    assert (response["statusCode"], response["body"]) == (200, body)
    assert response["headers"]["content-type"] == "application/json"
    assert response["cookies"] == list(LINES)


@pytest.mark.parametrize("event", [BALANCER_MULTI, REST_GATEWAY])
def test_handler__multi_value_event__multi_value_headers(event: dict[str, Any]) -> None:
    answers = {
        "statusCode": 302,
        "headers": {"location": "/elsewhere", "Cache-Control": "public"},
        "multiValueHeaders": {"Set-Cookie": [OWN_COOKIE]},
    }
    response = leaving({**event, "answers": answers}, None)
    assert "headers" not in response
    several = response["multiValueHeaders"]
    lines = [(name, value) for name, values in several.items() for value in values]
    check("redirect", response["statusCode"], lines)
    assert several["location"] == ["/elsewhere"]


def test_handler__balancer_with_single_values__each_cookie_spelled_differently() -> None:
    answers = {
        "statusCode": 200,
        "headers": {"set-cookie": OWN_COOKIE, "CACHE-CONTROL": "public"},
        "body": "hello",
    }
    response = leaving({**BALANCER, "answers": answers}, None)
    check("plain", response["statusCode"], response["headers"].items())
    assert len(response["headers"]) == 4


@pytest.mark.parametrize("event", [GATEWAY, BALANCER, BALANCER_MULTI])
def test_handler__nothing_waits__response_itself(event: dict[str, Any]) -> None:
    answers = {"statusCode": 200}

    @fairlot_handler()
    def silent(event: dict[str, Any], _: Any) -> Any:
        request_context(event)
        return answers

    assert silent(event, None) is answers


@pytest.mark.parametrize("answers", ["hello", None])
def test_handler__balancer_response_that_is_none__passed_on(answers: Any) -> None:
    assert leaving({**BALANCER, "answers": answers}, None) is answers


def test_handler__event_of_a_schedule__passed() -> None:
    event = {"source": "aws.events"}
    assert fairlot_handler()(lambda event, _: event)(event, None) is event


def test_with_headers__no_decorator__lines_of_this_event_only() -> None:
    one, two = dict(GATEWAY), dict(GATEWAY)
    leave_lines(request_context(one))
    assert with_headers(one, {"statusCode": 200})["cookies"] == list(LINES)
    assert with_headers(two, {"statusCode": 200}) == {"statusCode": 200}


def test_handler__given_a_client__initialised_flushed_and_used_for_the_subject() -> None:
    client = SpyClient(has_subject_cookie="visitor")

    @fairlot_handler(client, flush_within_s=0.5)
    def handle(event: dict[str, Any], _: Any) -> Any:
        return {"statusCode": 200, "body": get_or_create_subject_id(event)}

    assert client.asked == ["init"]
    response = handle({**GATEWAY}, None)
    assert response["cookies"][0].startswith(f"visitor={response['body']}; Path=/;")
    assert client.asked == ["init", "flush 0.5"]
    again = handle({**GATEWAY, "cookies": [f"visitor={response['body']}"]}, None)
    assert again == {"statusCode": 200, "body": response["body"]}


def test_handler__raises__flushed_all_the_same() -> None:
    client = SpyClient(has_manifest=True)

    @fairlot_handler(client)
    def fail(event: dict[str, Any], _: Any) -> Any:
        raise RuntimeError("the function's own")

    with pytest.raises(RuntimeError, match="own"):
        fail({**GATEWAY}, None)
    assert client.asked == ["flush 2.0"]
