"""The browser part's own modules, run by Node.js: they read what the savers write."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luna_nodes.picture_files import Options, encode
from luna_nodes.picture_text import PictureFacts, embedded

WEB = Path(__file__).resolve().parents[3] / "comfyui" / "luna_nodes" / "web"
NODE = shutil.which("node") or shutil.which("nodejs")
FACTS = PictureFacts("ORIG", "foo", "sd/foo", "2025_12_02_233642", 0)
PIXELS = np.zeros((8, 8, 3), np.uint8)

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node.js")


def run(tmp_path: Path, program: str, *arguments: str) -> Any:
    """Runs a module that prints JSON; the pack's modules lie beside it."""
    for module in ("jpeg_texts", "save_status"):
        shutil.copy(WEB / f"{module}.js", tmp_path / f"{module}.mjs")
    (tmp_path / "program.mjs").write_text(program, "utf-8")
    assert NODE is not None
    done = subprocess.run(
        [NODE, str(tmp_path / "program.mjs"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


READ = """
import { readFileSync } from "node:fs";
import { readJpegTexts } from "./jpeg_texts.mjs";
const file = readFileSync(process.argv[2]);
const own = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
console.log(JSON.stringify(readJpegTexts(own)));
"""


def texts_of(tmp_path: Path, data: bytes) -> Any:
    (tmp_path / "picture.jpg").write_bytes(data)
    return run(tmp_path, READ, str(tmp_path / "picture.jpg"))


def test_a_jpeg_gives_its_workflow_back(tmp_path: Path) -> None:
    extra = {"workflow": {"nodes": [1], "name": "Käse"}, "a": 1, "b": 2, "c": 3, "d": 4}
    made = encode("jpeg", PIXELS, Options(), embedded({"1": {}}, extra), FACTS)
    expected = {"prompt": '{"1": {}}', **{key: json.dumps(value) for key, value in extra.items()}}
    assert texts_of(tmp_path, made.data) == expected


def test_other_savers_spellings_are_read(tmp_path: Path) -> None:
    # big-endian, capital letters, a text short enough to lie in the directory
    text = b"Workflow:{}\0"
    block = b"MM\0\x2a\0\0\0\x08" + bytes.fromhex(
        "0002 010e 0002 0000000c 00000026 010f 0002 00000004"
    )
    block += b"a:b\0" + b"\0\0\0\0" + text
    app1 = b"\xff\xe1" + (len(block) + 8).to_bytes(2, "big") + b"Exif\0\0" + block
    assert texts_of(tmp_path, b"\xff\xd8" + app1 + b"\xff\xda\0\x02") == {
        "workflow": "{}",
        "a": "b",
    }


@pytest.mark.parametrize("cut", [0, 3, 40, 100, 400])
def test_a_jpeg_without_texts_or_cut_off_gives_none(cut: int, tmp_path: Path) -> None:
    made = encode("jpeg", PIXELS, Options(), embedded({"1": "x" * 500}, None), FACTS)
    assert texts_of(tmp_path, made.data[:cut]) == {}


def test_a_jpeg_with_a_broken_directory_gives_none(tmp_path: Path) -> None:
    made = encode("jpeg", PIXELS, Options(), embedded({"1": "x"}, None), FACTS)
    at = made.data.index(b"Exif\0\0") + 6
    broken = made.data[: at + 4] + b"\xff\xff\xff\x7f" + made.data[at + 8 :]
    assert texts_of(tmp_path, broken) == {}


def test_pythons_json_is_read_with_its_numbers_that_are_none(tmp_path: Path) -> None:
    value = {"a": float("nan"), "b": [float("inf"), -1], "c": 'x": NaN, y'}
    program = """
import { parsePythonJson } from "./jpeg_texts.mjs";
console.log(JSON.stringify(parsePythonJson(process.argv[2])));
"""
    read = run(tmp_path, program, json.dumps(value))
    assert read == {"a": None, "b": [None, -1], "c": 'x": NaN, y'}


def test_the_line_on_a_node_says_what_becomes_of_its_pictures(tmp_path: Path) -> None:
    program = """
import { executedAnswer, executedLine, progressLine, savedLine } from "./save_status.mjs";
const images = [{}, { discarded: true }];
console.log(JSON.stringify([
  progressLine({ value: 0.339, total: 3 }),
  savedLine({ state: "done", output: { images } }),
  savedLine({ state: "done", output: { images: [{}] } }),
  savedLine({ state: "failed", error: "the disk is full", output: { images } }),
  savedLine({ state: "failed", error: "full", failed: ["j-1", "j-2"], output: { images } }),
  savedLine({ state: "done", notes: ["a.png was taken"], output: { images: [{}] } }),
  executedLine({ text: ["[LunaMultiSaver] Submitted 3 images to daemon (Job ID: j)"] }),
  executedLine({ images }),
  executedAnswer({ text: ["luna runs", "{}"] }),
  executedAnswer({ text: ["luna runs"] }),
]));
"""
    assert run(tmp_path, program) == [
        "luna saves 3 images: 33 %",
        "2 images saved, 1 of them in _discarded",
        "1 image saved",
        "luna did not save all images: the disk is full",
        "luna did not save all images: full (job j-1, j-2)",
        "1 image saved; a.png was taken",
        "Submitted 3 images to daemon (Job ID: j)",
        None,
        "{}",
        "",
    ]


def test_workflows_from_before_the_daemon_switch_are_taken(tmp_path: Path) -> None:
    program = """
import { withDaemonSwitch } from "./save_status.mjs";
const old = ["path", "name", "parallel", "disabled", 0.3];
const fresh = ["path", "name", true, "parallel", "disabled", 0.3];
console.log(JSON.stringify([withDaemonSwitch(old), withDaemonSwitch(fresh), withDaemonSwitch(null)]));
"""
    old, fresh, none = run(tmp_path, program)
    assert old == ["path", "name", False, "parallel", "disabled", 0.3]
    assert fresh == ["path", "name", True, "parallel", "disabled", 0.3]
    assert none is None


# -- the extension itself, in a browser part that is not there -------------------------------------

STUB_APP = """
export const opened = [];
export const nodes = {};
export const app = {
  rootGraph: { getNodeById: (id) => nodes[id] ?? null },
  extensions: [],
  registerExtension(extension) { this.extensions.push(extension); },
  extensionManager: { toast: { add: (toast) => opened.push(["toast", toast.detail]) } },
  async handleFile(file) { opened.push(["stock", file.name, this === app]); },
  async loadGraphData(graph, _clean, _restore, name) { opened.push(["graph", graph, name]); },
  async loadApiJson(prompt, name) { opened.push(["prompt", prompt, name]); },
};
"""
STUB_API = "export const api = new EventTarget();"
BEGIN = """
import { File } from "node:buffer";
import { readFileSync } from "node:fs";
// Node.js 18 has no such class
globalThis.CustomEvent ??= class extends Event {
  constructor(name, { detail }) { super(name); this.detail = detail; }
};
// as much of a page as the panels need: elements with a text, a class and children
class Element extends EventTarget {
  constructor(tag) { super(); Object.assign(this, { tag, children: [], offsetHeight: 40, style: {} }); }
  append(...more) { this.children.push(...more); }
  replaceChildren(...more) { this.children = more; }
}
globalThis.document = { createElement: (tag) => new Element(tag), head: new Element("head") };
import { app, nodes, opened } from "./scripts/app.js";
import { api } from "./scripts/api.js";
await import("./extensions/luna/luna.js");
const [luna] = app.extensions;
luna.setup();
class Saver {
  constructor() {
    Object.assign(this, { widgets: [{ name: "save_path", value: "" }], size: [300, 100], taken: [] });
  }
  addDOMWidget(name, type, element, options) {
    const widget = { name, type, element, options, onRemove: () => this.taken.push(name) };
    this.widgets.push(widget);
    return widget;
  }
  computeSize() { return [300, 80]; }
  setSize(size) { this.size = size; }
}
luna.beforeRegisterNodeDef(Saver, { name: "LunaMultiSaver" });
class Other {}
luna.beforeRegisterNodeDef(Other, { name: "SaveImage" });
const tell = (event, detail) => api.dispatchEvent(new CustomEvent(event, { detail }));
/** What stands on a node, from top to bottom: [class, text]. */
const shown = (node) => (node.lunaPanel?.inner.children ?? []).map((part) => [part.className, part.textContent]);
"""


def in_browser(tmp_path: Path, program: str, *arguments: str) -> Any:
    """Runs a program beside the extension, where ComfyUI's own modules are stubs."""
    for folder in ("scripts", "extensions/luna"):
        (tmp_path / folder).mkdir(parents=True)
    for module in WEB.glob("*.js"):
        shutil.copy(module, tmp_path / "extensions" / "luna")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "scripts" / "app.js").write_text(STUB_APP)
    (tmp_path / "scripts" / "api.js").write_text(STUB_API)
    return run(tmp_path, BEGIN + program, *arguments)


def test_a_jpeg_that_is_dropped_opens_as_its_workflow(tmp_path: Path) -> None:
    for name, what in (
        ("whole", embedded({"1": {}}, {"workflow": {"nodes": [1]}})),
        ("prompt", embedded({"1": {}}, None)),
        ("plain", None),
    ):
        made = encode("jpeg", PIXELS, Options(), what, FACTS)
        (tmp_path / f"{name}.jpg").write_bytes(made.data)
    program = """
for (const name of ["whole.jpg", "prompt.jpg", "plain.jpg"]) {
  await app.handleFile(new File([readFileSync(`${process.argv[2]}/${name}`)], name, { type: "image/jpeg" }));
}
await app.handleFile(new File(["x"], "x.png", { type: "image/png" }));
console.log(JSON.stringify(opened));
"""
    assert in_browser(tmp_path, program, str(tmp_path)) == [
        ["graph", {"nodes": [1]}, "whole"],
        ["prompt", {"1": {}}, "prompt"],
        ["stock", "plain.jpg", True],
        ["stock", "x.png", True],
    ]


def test_the_node_tells_of_its_pictures_and_shows_them(tmp_path: Path) -> None:
    program = """
const saver = nodes["9"] = new Saver();
nodes["5"] = { subgraph: { getNodeById: (id) => (id === "9" ? new Saver() : null) } };
const executed = [];
api.addEventListener("executed", ({ detail }) => executed.push(detail));
const lines = [];
const seen = () => lines.push(shown(saver));
saver.onExecuted({ text: ["[LunaMultiSaver] Submitted 2 images to daemon (Job ID: j)"] });
seen();
tell("luna.progress", { node: "9", value: 0.5, total: 2 });
tell("luna.progress", { node: "7", value: 0.9, total: 2 });
tell("luna.progress", { node: "5:9", value: 0.9, total: 2 });
seen();
const images = [{ filename: "a.png", subfolder: "", type: "output" }];
tell("luna.saved", { node: "9", prompt_id: "p", state: "done", output: { images } });
saver.onExecuted({ images });
seen();
tell("luna.saved", { node: "9", prompt_id: "p", state: "failed", error: "the disk is full", output: { images: [] } });
seen();
console.log(JSON.stringify({
  lines, executed, opened, widget: [saver.widgets[1].serialize, saver.widgets[1].options.serialize],
  other: Object.getOwnPropertyNames(Other.prototype),
}));
"""
    seen = in_browser(tmp_path, program)
    images = [{"filename": "a.png", "subfolder": "", "type": "output"}]
    assert seen["lines"] == [
        [["luna-line", line]]
        for line in (
            "Submitted 2 images to daemon (Job ID: j)",
            "luna saves 2 images: 50 %",
            "1 image saved",
            "luna did not save all images: the disk is full",
        )
    ]
    assert seen["executed"] == [
        {"node": "9", "display_node": "9", "prompt_id": "p", "output": {"images": images}}
    ]
    assert seen["opened"] == [["toast", "the disk is full"]], "and no preview of what is not there"
    assert seen["widget"] == [False, False], "in no workflow"
    assert seen["other"] == ["constructor"], "other nodes are left alone"


def test_a_failed_save_has_buttons_to_retry_and_to_discard(tmp_path: Path) -> None:
    program = """
const saver = nodes["9"] = new Saver();
saver.addWidget = (type, name, value, callback) => {
  const widget = { type, name, callback };
  saver.widgets.push(widget);
  return widget;
};
const posted = [];
let works = false;
api.fetchApi = async (route, { body }) => {
  posted.push([route, JSON.parse(body)]);
  return { json: async () => (works ? { success: true, status: "job j: queued" } : { success: false, error: "away" }) };
};
const buttons = () => saver.widgets.filter((widget) => widget.type === "button");
const seen = [];
const look = () => seen.push([buttons().map((button) => button.name), shown(saver).at(-1)[1]]);
const failed = { node: "9", prompt_id: "p", state: "failed", error: "full", failed: ["j"], output: { images: [] } };
tell("luna.saved", failed);
look();
await buttons()[0].callback();
look();
works = true;
await buttons()[0].callback();
look();
tell("luna.saved", failed);
await buttons()[1].callback();
console.log(JSON.stringify({ seen, posted, serialize: saver.widgets.map((widget) => widget.serialize) }));
"""
    found = in_browser(tmp_path, program)
    both = ["save again", "give the images up"]
    assert found["seen"] == [
        [both, "luna did not save all images: full (job j)"],
        [both, "away"],
        [[], "job j: queued"],
    ]
    retry = ["/luna/jobs/retry", {"job_id": "j"}]
    assert found["posted"] == [retry, retry, ["/luna/jobs/discard", {"job_id": "j"}]]


def test_luna_may_be_faster_than_the_node(tmp_path: Path) -> None:
    program = """
const saver = nodes["9"] = new Saver();
const executed = [];
api.addEventListener("executed", ({ detail }) => executed.push(detail.output.images));
const later = () => new Promise((done) => setTimeout(() => done(shown(saver).map(([, text]) => text)), 5));
const images = [{ filename: "a.png", subfolder: "x", type: "output" }];
const saved = { node: "9", prompt_id: "p", state: "done", output: { images }, jobs: ["j"] };
const own = { images: [], text: ["luna saves 1 image (job j)"], luna_jobs: ["j"], luna_promised: ["x/a.png"] };
tell("luna.saved", saved);
saver.onExecuted(own);
const first = await later();
// ComfyUI shows a kept run once more, with the pictures that came late
saver.onExecuted({ ...own, images });
const kept = await later();
saver.onExecuted({ ...own, luna_jobs: ["k"] });
console.log(JSON.stringify({ first, kept, next: await later(), executed }));
"""
    seen = in_browser(tmp_path, program)
    images = [{"filename": "a.png", "subfolder": "x", "type": "output"}]
    assert seen["first"] == seen["kept"] == ["1 image saved"]
    assert seen["executed"] == [images, images], "after the node's own output, which has none"
    assert seen["next"] == ["luna saves 1 image (job j)"]


def test_an_old_workflows_values_go_to_their_widgets(tmp_path: Path) -> None:
    program = """
const saver = new Saver();
saver.widgets = [..."abcde"].map((name) => ({ name, value: null }));
saver.widgets.push({ name: "luna", value: "", serialize: false });
saver.onConfigure({ widgets_values: ["path", "name", "sequential", "disabled"] });
console.log(JSON.stringify(saver.widgets.map((widget) => widget.value)));
"""
    values = in_browser(tmp_path, program)
    assert values == ["path", "name", False, "sequential", "disabled", ""]


def test_an_answer_unfolds_below_its_line(tmp_path: Path) -> None:
    program = """
class Command extends Saver {}
luna.beforeRegisterNodeDef(Command, { name: "LunaDaemonAPI" });
const node = new Command();
node.onExecuted({ text: ["luna runs", "{\\n \\"running\\": true\\n}"] });
const [line, fold] = node.lunaPanel.inner.children;
console.log(JSON.stringify([line.textContent, fold.tag, fold.open, fold.children.map((part) => part.textContent)]));
"""
    assert in_browser(tmp_path, program) == [
        "luna runs",
        "details",
        False,
        ["the whole answer", '{\n "running": true\n}'],
    ]


def test_a_node_has_the_notes_of_its_last_run(tmp_path: Path) -> None:
    program = """
const node = nodes["3"] = new Saver();
nodes["4"] = new Saver();
const seen = [];
const look = () => seen.push([shown(node).map(([, text]) => text), node.widgets.length]);
const note = (text, kind = "note") => tell("luna.note", { node: "3", kind, text });
tell("executing", "3");
note("ComfyUI did this itself"); note("ComfyUI did this itself"); note("and that");
note("luna loads", "busy");
look();
tell("executing", "4");
look();
tell("executing", "3");
look();
note("once more");
look();
tell("executing", null);
look();
tell("executing", "3");
tell("executing", null);
look();
note("held here");
note("", "clear");
look();
tell("luna.note", { node: "99", kind: "note", text: "of a node that is not on the canvas" });
console.log(JSON.stringify({ seen, taken: node.taken }));
"""
    seen = in_browser(tmp_path, program)
    first = ["⚠ ComfyUI did this itself", "⚠ and that"]
    assert seen["seen"] == [
        [[*first, "luna loads"], 2],
        [first, 2],
        [first, 2],
        [["⚠ once more"], 2],
        [["⚠ once more"], 2],
        [[], 1],
        [[], 1],
    ]
    assert seen["taken"] == ["luna", "luna"]


SETTINGS_PAGE = """
const settings = luna.settings;
const asked = [];
let answer = { connected: true, line: "connected to luna", overrides: ["LUNA_SERVER says the address: a:1."] };
api.fetchApi = async (path) => { asked.push(path); return { json: async () => answer }; };
const byOrder = [...settings].sort((a, b) => b.sortOrder - a.sortOrder).map((one) => one.name);
const page = settings.find((one) => one.id === "Luna.Connection").type();
const [state, again] = page.children;
const texts = () => new Promise((done) => setTimeout(() => done(state.children.map((part) => part.textContent)), 0));
const first = await texts();
answer = { connected: false, line: "not connected: refused", overrides: [] };
again.dispatchEvent(new Event("click"));
const second = await texts();
api.fetchApi = async () => { throw new Error("gone"); };
again.dispatchEvent(new Event("click"));
const third = await texts();
const categories = settings.map((one) => one.category[0]);
console.log(JSON.stringify({ byOrder, asked, first, second, third, categories }));
"""


def test_the_settings_stand_in_order_and_say_whether_luna_answers(tmp_path: Path) -> None:
    seen = in_browser(tmp_path, SETTINGS_PAGE)
    assert seen["byOrder"] == [
        "Connection",
        "Address of the luna server",
        "File with the cluster's secret",
        "ComfyUI does itself what luna cannot",
    ]
    assert set(seen["categories"]) == {"luna"}
    assert seen["asked"] == ["/luna/daemon/settings"] * 2
    assert seen["first"] == ["● connected to luna", "LUNA_SERVER says the address: a:1."]
    assert seen["second"] == ["○ not connected: refused"]
    assert seen["third"] == ["○ ComfyUI does not answer: gone"]
