import pytest

from fairlot.integrations.visible_url import encoded_path, escaped_path, visible_url


@pytest.mark.parametrize(
    ("scheme", "host", "path", "query", "url"),
    [
        ("https", "shop.example", "/a", b"", "https://shop.example/a"),
        ("http", "shop.example:8080", "/a", b"q=1", "http://shop.example:8080/a?q=1"),
        ("http", "[::1]:80", "/", b"", "http://[::1]:80/"),
        ("ws", "shop.example", "/", b"", "http://shop.example/"),
        ("wss", "shop.example", "/", b"", "https://shop.example/"),
        ("https", None, "/a", b"q=1", "/a?q=1"),
        ("https", "", "//evil.example/a", b"", "/evil.example/a"),
        ("https", "evil.example/blog?", "/a", b"", "/a"),
        ("https", "user@evil.example", "/a", b"", "/a"),
        (
            "https",
            "shop.example",
            "/a",
            b"q=%41+b&c=\xff d",
            "https://shop.example/a?q=%41+b&c=%FF%20d",
        ),
    ],
)
def test_visible_url__parts__url(
    scheme: str, host: str | None, path: str, query: bytes, url: str
) -> None:
    assert visible_url(scheme, host, path, query) == url


@pytest.mark.parametrize(
    ("raw", "path", "encoded"),
    [
        (b"/a%2Fb", b"/a/b", "/a%2Fb"),
        (b"/caf%C3%A9", "/caf\xe9".encode(), "/caf%C3%A9"),
        (b"/a", b"/prefix/a", "/prefix/a"),  # a proxy took the prefix off, a middleware put it on
        (b"http://shop.example/a", b"/a", "/a"),
        (None, b"/100%25 a?b#c", "/100%2525%20a%3Fb%23c"),
        (None, b"/a+b;c=1,2", "/a+b;c=1,2"),
        (b"/a\xe9", b"/a\xe9", "/a%E9"),
    ],
)
def test_encoded_path__raw_path_or_none__as_it_came(
    raw: bytes | None, path: bytes, encoded: str
) -> None:
    assert encoded_path(raw, path) == encoded


def test_escaped_path__half_encoded__rest_is_encoded() -> None:
    assert escaped_path("/a%2Fb c/\xe9") == "/a%2Fb%20c/%C3%A9"
