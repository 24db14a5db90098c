from collections.abc import Iterator

import pytest

from support.shop_log import ShopLog, a_shop_log


@pytest.fixture(scope="module")
def shop_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopLog]:
    with a_shop_log(tmp_path_factory.mktemp("log"), 600) as log:
        yield log
