import pytest

from fairlot import RequestContext, exclude_bots

BROWSERS = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Linux; Android 14; CUBOT X30) AppleWebKit/537.36 Chrome/142.0 Mobile",
]
PROGRAMS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0)",
    "Baiduspider+(+http://www.baidu.com/search/spider.htm)",
    "Mozilla/5.0 (compatible; Yahoo! Slurp)",
    "facebookexternalhit/1.1",
    "AHC/2.1 crawler",
    "curl/8.5.0",
    "Wget/1.21",
    "python-requests/2.32",
    "python-httpx/0.28",
    "Go-http-client/1.1",
    "Mozilla/5.0 HeadlessChrome/142.0",
    "GPTBot/1.2",
]


def request_of(agent: str | None) -> RequestContext:
    return RequestContext({} if agent is None else {"User-Agent": agent})


@pytest.mark.parametrize("agent", PROGRAMS)
def test_exclude_bots__program__excluded(agent: str) -> None:
    assert exclude_bots()(request_of(agent))


@pytest.mark.parametrize("agent", BROWSERS)
def test_exclude_bots__browser__not_excluded(agent: str) -> None:
    assert not exclude_bots()(request_of(agent))


@pytest.mark.parametrize("agent", [None, ""])
def test_exclude_bots__no_user_agent__as_asked(agent: str | None) -> None:
    assert exclude_bots()(request_of(agent))
    assert not exclude_bots(without_user_agent=False)(request_of(agent))


@pytest.mark.parametrize("context", [None, RequestContext()])
def test_exclude_bots__nothing_known__not_excluded(context: RequestContext | None) -> None:
    assert not exclude_bots()(context)
