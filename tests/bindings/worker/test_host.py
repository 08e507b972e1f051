"""A hosted Worker: both kinds of handler, what they are given, and what happens when they go wrong."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import httpx
import pytest

from inflare.bindings.worker.hosting import entry_of
from inflare.bindings.worker.watch import seen, watch
from inflare.runtime.config import ConfigError
from tests import spots

from .hosted import HEAD, Project

MODEL = spots.MODEL


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The Worker's log, with tracebacks."""
    logging.getLogger("inflare").propagate = True
    caplog.set_level("INFO", "inflare.worker")
    return caplog


def test_a_default_class_answers(project: Project) -> None:
    response = project.answers('return Response("Hello World!")')
    assert (response.status_code, response.text) == (200, "Hello World!")
    assert response.headers["content-type"] == "text/plain;charset=UTF-8"


@pytest.mark.parametrize(
    "code",
    [
        'async def on_fetch(request):\n    return Response("old")',
        "async def on_fetch(request, env):\n    return Response(env.WORD)",
        "async def on_fetch(request, env, ctx):\n    return Response(env.WORD)",
        "def on_fetch(request, env, *rest):\n    return Response(env.WORD)",
        "@handler\nasync def on_fetch(request, env):\n    return Response(env.WORD)",
    ],
)
def test_the_older_handler_gets_as_much_as_it_names(project: Project, code: str) -> None:
    project.variables = {"WORD": "old"}
    project.write(f"from workers import Response, handler\n{code}\n")
    assert project.get().text == "old"


def test_env_has_the_binding_and_the_variables(project: Project) -> None:
    project.variables = {"LABEL": "bright"}
    response = project.answers(
        f'found = await self.env.AI.run("{MODEL}", {{"image": [*await request.bytes()]}})\n'
        "return Response.json([each for each in found if each['label'] == self.env.LABEL])",
        method="POST",
        content=spots.png(255),
    )
    assert response.json()[0]["box"] == {"xmin": 10, "ymin": 5, "xmax": 30, "ymax": 15}


def test_a_worker_that_converts_for_javascript_runs_as_it_is(project: Project) -> None:
    project.write(f"""
from js import Headers, Object, Response, console
from pyodide.ffi import to_js

async def on_fetch(request, env):
    inputs = to_js({{"image": await request.bytes()}}, dict_converter=Object.fromEntries)
    found = (await env.AI.run("{MODEL}", inputs)).to_py()
    console.log("found", len(found))
    headers = Headers.new({{"x-count": str(len(found))}}.items())
    return Response.new(found[0]["label"], to_js({{"status": 201, "headers": headers}}))
""")
    response = project.get(method="POST", content=spots.png(255))
    assert (response.status_code, response.text, response.headers["x-count"]) == (201, "bright", "3")


def test_an_error_of_the_model_is_caught_by_its_name(project: Project) -> None:
    response = project.answers(
        'try:\n    await self.env.AI.run("@cf/x/y", {"image": [1]})\n'
        'except Exception as error:\n    return Response(f"{error.name} {error}", status=502)'
    )
    assert response.text.startswith("InferenceUpstreamError 5007: No such model @cf/x/y")


def test_work_goes_on_after_the_answer(project: Project) -> None:
    project.write(f"""{HEAD}
class Default(WorkerEntrypoint):
    done = []
    async def later(self):
        self.done.append(1)
    async def fetch(self, request):
        if "done" in request.url:
            return Response(str(len(self.done)))
        self.ctx.waitUntil(self.later())
        return Response("accepted")
""")

    async def work(client: httpx.AsyncClient) -> str:
        await client.get("/")
        while (await client.get("/done")).text == "0":
            await asyncio.sleep(0)  # the client without a socket never lets others run
        return "done"

    assert project.run(work) == "done"


def test_modules_beside_the_entry_are_imported(project: Project) -> None:
    project.write(
        "def hello(name):\n    from workers import Response\n    return Response(f'Hello, {name}!')", "hello.py"
    )
    project.write("NAME = 'you'", "words/name.py")
    project.write(
        "from hello import hello\nfrom words.name import NAME\n\ndef on_fetch(request):\n    return hello(NAME)"
    )
    assert project.get().text == "Hello, you!"


def test_nothing_of_it_stays_behind(project: Project) -> None:
    project.write("x = 1", "hello.py")
    before = (set(sys.modules), list(sys.meta_path), list(sys.path))
    project.answers("import hello\nreturn Response(str(hello.x))")
    assert not {"workers", "js", "pyodide", "hello", "__worker__"} & (set(sys.modules) - before[0])
    assert (sys.meta_path, sys.path) == before[1:]
    assert not [*project.folder.rglob("__pycache__")]


def test_a_failure_is_a_plain_500_and_a_traceback_in_the_terminal(
    project: Project, heard: pytest.LogCaptureFixture
) -> None:
    response = project.answers('raise KeyError("secret")')
    assert (response.status_code, response.headers["content-type"]) == (500, "text/plain;charset=UTF-8")
    assert "secret" not in response.text
    assert "entry.py" in heard.text and "KeyError: 'secret'" in heard.text and 'host.py", line' not in heard.text


def test_what_is_no_response_is_said(project: Project, heard: pytest.LogCaptureFixture) -> None:
    assert project.answers('return {"a": 1}').status_code == 500
    assert "the handler returned dict, which is no Response" in heard.text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("x = 1", "entry.py has no handler: it needs `class Default(WorkerEntrypoint)`"),
        ("class (", "SyntaxError"),
        ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
        ("from workers import DurableObject", "workers.DurableObject is not supported by inflare; it has Blob"),
        ("import workers.workflows", "workers.workflows is not supported by inflare; of workers it has workers"),
        ("from js import Uint8Array", "js.Uint8Array is not supported by inflare; it has Headers, JSON"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_an_entry_that_cannot_be_loaded_says_why(
    project: Project, heard: pytest.LogCaptureFixture, code: str, words: str
) -> None:
    project.write(code)
    response = project.get()
    assert (response.status_code, "cannot be loaded" in response.text) == (500, True)
    assert words in heard.text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("self.env.DB", "env has no 'DB'; it has AI"),
        ("self.env.AI.toMarkdown", "env.AI.toMarkdown is not supported by inflare; it has lastRequestId, models, run"),
        ("self.ctx.passThroughOnException()", "ctx.passThroughOnException is not supported by inflare"),
        ("request.js_object", "Request.js_object is not supported by inflare; it has arrayBuffer"),
        ("Response('x', web_socket=1)", "Response.web_socket is not supported by inflare"),
        ("Response({'a': 1})", "Unsupported type in a body: dict: use Response.json"),
        ("await fetch('http://x', cf={})", "fetch.cf is not supported by inflare; it has body, headers"),
    ],
)
def test_what_is_not_supported_is_refused_by_its_name(
    project: Project, heard: pytest.LogCaptureFixture, line: str, words: str
) -> None:
    assert project.answers(line).status_code == 500
    assert words in heard.text


def test_handlers_that_nothing_calls_are_named(project: Project, heard: pytest.LogCaptureFixture) -> None:
    project.write("def on_scheduled(event): ...\ndef on_fetch(request): ...")
    project.get()
    assert "on_scheduled is there but nothing calls it" in heard.text


def test_a_save_is_noticed_and_a_mistake_recovered_from(project: Project, heard: pytest.LogCaptureFixture) -> None:
    def answer(word: str) -> str:
        return f"from workers import Response\ndef on_fetch(request):\n    return Response('{word}')"

    async def until(client: httpx.AsyncClient, text: str) -> str:
        while text not in (answer := await client.get("/")).text:
            await asyncio.sleep(0.01)
        return answer.text

    async def work(client: httpx.AsyncClient) -> list[str]:
        texts = [await until(client, "one")]
        for code, text in (("class (", "cannot be loaded"), (answer("two"), "two"), (answer("six"), "six")):
            project.write(code)
            texts.append(await until(client, text))
        return texts

    project.write(answer("one"))
    assert [text[:3] for text in project.run(work)] == ["one", "The", "two", "six"]
    assert "SyntaxError" in heard.text


def test_only_python_files_of_the_worker_are_watched(tmp_path: Path) -> None:
    changes: list[int] = []
    saves = [tmp_path / "page.html", tmp_path / ".venv" / "lib.py", tmp_path / "deep" / "module.py"]
    for path in saves:
        path.parent.mkdir(exist_ok=True)

    async def pause(_: float) -> None:
        if not saves:
            raise asyncio.CancelledError
        saves.pop(0).write_text("x = 1")
        counts.append(len(changes))

    counts: list[int] = []
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(watch(tmp_path, seen(tmp_path), lambda: changes.append(1), pause=pause))
    assert (counts, len(changes)) == ([0, 0, 0], 1)


@pytest.mark.parametrize(("main", "words"), [("src/index.ts", "runs in wrangler"), ("gone.py", "is not there")])
def test_a_main_that_cannot_be_hosted_is_a_clear_error(tmp_path: Path, main: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        entry_of(main, tmp_path)
