"""The sample application of the platform python: a WSGI application without a framework."""
import platform

from greeting import greeting


def application(environ, start_response):
    """Answer /healthz with ok and anything else with a greeting."""
    if environ.get("PATH_INFO") == "/healthz":
        body = "ok\n"
    else:
        body = greeting("Python", platform.python_version())
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [body.encode()]
