"""The query of a preview link."""

from preview_cases.tokens import Case


def link_cases() -> list[Case]:
    none: list[tuple[str, str]] = [
        ("no query", "https://acme.com/"),
        ("an empty text", ""),
        ("no token", "/?fxpreview=hero:bold"),
        ("an empty token", "/?fxpreview=hero:bold&fxtoken="),
        ("a token alone", "/?fxtoken=abc"),
        ("no colon", "/?fxpreview=hero&fxtoken=abc"),
        ("two colons", "/?fxpreview=hero:bold:x&fxtoken=abc"),
        ("no experiment", "/?fxpreview=:bold&fxtoken=abc"),
        ("no variant", "/?fxpreview=hero:&fxtoken=abc"),
        ("an experiment that is no key", "/?fxpreview=Hero:bold&fxtoken=abc"),
        ("a variant that is no key", "/?fxpreview=hero:Bold&fxtoken=abc"),
        ("a line feed behind the variant", "/?fxpreview=hero:bold%0A&fxtoken=abc"),
        ("a blank in front", "/?fxpreview=+hero:bold&fxtoken=abc"),
        ("encoded twice", "/?fxpreview=hero%253Abold&fxtoken=abc"),
        ("in the fragment", "/#?fxpreview=hero:bold&fxtoken=abc"),
        ("the token in the fragment", "/?fxpreview=hero:bold#&fxtoken=abc"),
        ("in the path", "/fxpreview=hero:bold&fxtoken=abc"),
        ("names are case-sensitive", "/?FxPreview=hero:bold&fxToken=abc"),
        ("the first fxpreview decides", "/?fxpreview=x&fxpreview=hero:bold&fxtoken=abc"),
        ("the first fxtoken decides", "/?fxtoken=&fxpreview=hero:bold&fxtoken=abc"),
        ("a semicolon does not split", "/?fxpreview=hero:bold;fxtoken=abc"),
        ("bytes that are no UTF-8", "/?fxpreview=hero:bold%FF&fxtoken=abc"),
    ]
    link = {"experiment": "hero", "variant": "bold", "token": "abc"}
    some: list[tuple[str, str]] = [
        ("as it is minted", "https://acme.com/?fxpreview=hero:bold&fxtoken=abc"),
        ("a path alone", "/a/b?fxpreview=hero:bold&fxtoken=abc"),
        ("a query alone", "?fxpreview=hero:bold&fxtoken=abc"),
        ("the other order", "/?fxtoken=abc&fxpreview=hero:bold"),
        ("among others", "/?a=b&fxpreview=hero:bold&c&&fxtoken=abc&d=e#f"),
        ("an encoded colon", "/?fxpreview=hero%3Abold&fxtoken=abc"),
        ("an encoded colon in lower case", "/?fxpreview=hero%3abold&fxtoken=abc"),
        ("encoded letters", "/?%66xpreview=h%65ro:bold&fxtoken=%61bc"),
        ("the first of two links", "/?fxpreview=hero:bold&fxpreview=x:y&fxtoken=abc&fxtoken=d"),
        ("a second question mark", "/?a=?&fxpreview=hero:bold&fxtoken=abc"),
    ]
    odd = {
        "a blank in the token": ("a+b", "a b"),
        "equals signs in the token": ("a==", "a=="),
        "a percent sign alone": ("a%2", "a%2"),
    }
    return [
        *({"name": name, "url": url, "expected": link} for name, url in some),
        *(
            {
                "name": name,
                "url": f"/?fxpreview=hero:bold&fxtoken={spelled}",
                "expected": {**link, "token": meant},
            }
            for name, (spelled, meant) in odd.items()
        ),
        *({"name": name, "url": url, "expected": None} for name, url in none),
    ]
