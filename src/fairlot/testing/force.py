"""Choose the variant in a test."""

import inspect
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any, Self, TypeVar

from fairlot.engine import BrokenExperiment
from fairlot.sdk.client import Client, live_clients
from fairlot.sdk.errors import InvalidOption
from fairlot.sdk.lifetime import watching_openings

Function = TypeVar("Function", bound=Callable[..., Any])


class force:  # noqa: N801 - read as a verb: `with force("checkout", "bold"):`
    """Everybody gets the variant in this block or decorated function, with reason `divert`.

    It holds in all clients of the process, those made meanwhile too, or in `client` only. No
    manifest is needed; where one has the experiment, but not the variant, InvalidOption names those
    that there are. `payload` takes the place of the variant's own. Callbacks get what is
    recorded, a server nothing.
    """

    def __init__(
        self,
        experiment_key: str,
        variant_key: str,
        payload: Any = None,
        *,
        client: Client | None = None,
    ) -> None:
        self._experiment_key = experiment_key
        self._variant_key = variant_key
        self._payload = payload
        self._client = client
        self._blocks: list[ExitStack] = []

    def __enter__(self) -> Self:
        clients = (self._client,) if self._client is not None else live_clients()
        for client in clients:
            self._check(client)
        block = ExitStack()

        def hold(client: Client) -> None:
            forced = client.forced(self._experiment_key, self._variant_key, self._payload)
            block.enter_context(forced)

        try:
            if self._client is None:
                block.enter_context(watching_openings(hold))
            for client in clients:
                hold(client)
        except InvalidOption:
            block.close()
            raise
        self._blocks.append(block)
        return self

    def __exit__(self, *_: object) -> None:
        self._blocks.pop().close()

    def __call__(self, function: Function) -> Function:
        if inspect.isclass(function) or inspect.isgeneratorfunction(function):
            raise TypeError(f"{function.__name__}: decorate a function, or write `with force(...)`")
        wrapped: Any
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def wrapped(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)
        else:

            @wraps(function)
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return function(*args, **kwargs)

        decorated: Function = wrapped
        return decorated

    def _check(self, client: Client) -> None:
        """Only that a variant of this name exists; whether it is a text, `forced` says."""
        if not isinstance(self._variant_key, str):
            return
        manifest = client.manifest()
        experiments = () if manifest is None else manifest.experiments
        for experiment in experiments:
            if experiment.key != self._experiment_key or isinstance(experiment, BrokenExperiment):
                continue
            if experiment.variant(self._variant_key) is None:
                known = ", ".join(variant.key for variant in experiment.variants)
                fix = f"{experiment.key} has the variants {known}"
                raise InvalidOption("variant_key", self._variant_key, fix)
