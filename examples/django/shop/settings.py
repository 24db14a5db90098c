"""As few settings as a page without a database needs."""

from pathlib import Path

SECRET_KEY = "only for the example"  # noqa: S105 - it guards nothing
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "shop.urls"
USE_TZ = True

FAIRLOT_CLIENT = "shop.experiments.client"
INSTALLED_APPS = ["fairlot.integrations.django"]
MIDDLEWARE = [
    "fairlot.integrations.django.FairlotMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
    }
]
