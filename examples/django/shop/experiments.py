"""The one client of the shop."""

import os

from fairlot import Client, CookieStorage

client = Client(
    os.environ["EXPERIMENTS_URL"],
    api_key=os.environ["EXPERIMENTS_KEY"],
    storage=CookieStorage(secure=False),  # this page has no https
)
