"""A Django site in one file, with the settings of `startproject`: users, sessions, CSRF checks, uploads, static files.

The folder in SITE_FOLDER holds its database and its uploads; SITE_SETTINGS, a JSON object, adds to its settings.
"""

import json
import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import execute_from_command_line

HERE = Path(__file__).resolve().parent
FOLDER = Path(os.environ["SITE_FOLDER"])

settings.configure(
    DEBUG=True,  # and so ALLOWED_HOSTS is localhost, .localhost, 127.0.0.1 and [::1]
    SECRET_KEY="for tests only",
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django.contrib.staticfiles",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [HERE / "templates"],
            "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
        }
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "db.sqlite3"}},
    STATIC_URL="static/",
    STATICFILES_DIRS=[HERE / "static"],
    LOGIN_URL="/login/",
    LOGIN_REDIRECT_URL="/profile/",
    USE_TZ=True,
    **json.loads(os.environ.get("SITE_SETTINGS", "{}")),
)
django.setup()

from django.contrib.auth.decorators import login_required  # noqa: E402 (needs the settings above)
from django.contrib.auth.views import LoginView, LogoutView  # noqa: E402
from django.http import FileResponse  # noqa: E402
from django.shortcuts import redirect, render  # noqa: E402
from django.urls import path  # noqa: E402


@login_required
def profile(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return render(request, "profile.html", {"visits": request.session["visits"]})


@login_required
def upload(request):
    file = request.FILES["file"]
    with open(FOLDER / Path(file.name).name, "wb") as out:
        for chunk in file.chunks():
            out.write(chunk)
    return redirect("download", name=file.name)


@login_required
def download(request, name):
    return FileResponse(open(FOLDER / Path(name).name, "rb"), as_attachment=True)


def absolute(request):
    """What frameworks with absolute redirects do: the URL is built from the Host that arrived."""
    return redirect(request.build_absolute_uri("/login/"))


urlpatterns = [
    path("login/", LoginView.as_view(template_name="login.html")),
    path("logout/", LogoutView.as_view(next_page="/login/")),
    path("profile/", profile),
    path("upload/", upload),
    path("download/<str:name>", download, name="download"),
    path("absolute/", absolute),
]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
