// luna in ComfyUI's browser part: settings, what luna does with pictures, and the workflow in a JPEG.
//
// A save node returns before its files are there, so at first it shows no picture. When luna says that the files are
// written, the server part sends "luna.saved", and the node's output is announced once more, here in this browser only:
// the preview is then drawn as after any other save. On the way there, "luna.progress" is shown on the node.

import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { offerRetry } from "./job_buttons.js";
import { parsePythonJson, readJpegTexts } from "./jpeg_texts.js";
import { NodeNotes } from "./node_notes.js";
import { panelOf } from "./node_panel.js";
import { executedAnswer, executedLine, progressLine, savedLine, withDaemonSwitch } from "./save_status.js";
import { settings } from "./settings.js";

const SAVED = "luna.saved";
const PROGRESS = "luna.progress";
const NOTE = "luna.note";

/** The nodes that have a line of their own: what becomes of their pictures, or what luna answered. */
const TELLING = ["LunaSaveImage", "LunaMultiSaver", "LunaSaveStatus", "LunaFailedSave", "LunaDaemonLoader", "LunaDaemonAPI"];

function toast(severity, summary, detail) {
  app.extensionManager?.toast?.add({ severity, summary, detail, life: 10000 });
}

/** The node of an execution id, which is "5:12" for node 12 in the subgraph that is node 5. */
function nodeOf(id) {
  let graph = app.rootGraph ?? app.graph;
  let node = null;
  for (const part of String(id ?? "").split(":")) {
    node = graph?.getNodeById(part) ?? null;
    graph = node?.subgraph;
  }
  return node;
}

function showProgress({ detail }) {
  const node = nodeOf(detail.node);
  if (node) {
    panelOf(node).say(progressLine(detail));
  }
}

async function post(route, body) {
  try {
    const sent = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    return await (await api.fetchApi(route, sent)).json();
  } catch (problem) {
    return { success: false, error: String(problem) };
  }
}

function savedEvent({ detail }) {
  showSaved(detail);
  if (detail.state !== "done") {
    const node = nodeOf(detail.node);
    const title = node?.title ? `${node.title}: luna did not save the images` : "luna did not save the images";
    toast("error", title, detail.error ? String(detail.error) : detail.state);
  }
}

function showSaved(detail) {
  const node = nodeOf(detail.node);
  if (node) {
    node.lunaSaved = detail;
    const say = (line) => panelOf(node).say(line);
    say(savedLine(detail));
    offerRetry(node, detail.failed, post, say);
  }
  if (detail.node === null || detail.node === undefined || !detail.output.images.length) {
    return;
  }
  // a copy: a preview is drawn anew only for an output that is a new object
  const output = { ...detail.output, images: detail.output.images.map((image) => ({ ...image })) };
  const announced = { node: detail.node, display_node: detail.node, prompt_id: detail.prompt_id, output };
  api.dispatchEvent(new CustomEvent("executed", { detail: announced }));
}

/** Calls more after a method of a node class, which may not be there. */
function after(prototype, name, more) {
  const before = prototype[name];
  prototype[name] = function (...args) {
    const result = before?.apply(this, args);
    more.apply(this, args);
    return result;
  };
}

function addStatusLine(prototype) {
  after(prototype, "onExecuted", function (output) {
    const saved = this.lunaSaved;
    if (output?.luna_jobs?.length && saved?.jobs?.join() === output.luna_jobs.join() && !saved.shown) {
      // luna was faster than the node, and what the node shows when it returns has no pictures yet
      saved.shown = true;
      setTimeout(() => showSaved(saved), 0);
      return;
    }
    const line = executedLine(output);
    if (line !== null) {
      panelOf(this).say(line, executedAnswer(output));
    }
  });
}

function takeOldWorkflows(prototype) {
  after(prototype, "onConfigure", function (info) {
    const values = withDaemonSwitch(info?.widgets_values);
    if (values === info?.widgets_values) {
      return;
    }
    this.widgets.filter((widget) => widget.serialize !== false).forEach((widget, n) => {
      if (n < values.length) {
        widget.value = values[n];
      }
    });
  });
}

/** Lets a JPEG that holds a workflow, or else a prompt, open as one. */
function openJpegs() {
  const open = app.handleFile;
  app.handleFile = async function (file, source, options) {
    if (file?.type === "image/jpeg") {
      const { workflow, prompt } = readJpegTexts(await file.arrayBuffer());
      const name = file.name.replace(/\.\w+$/, "");
      if (workflow) {
        return await app.loadGraphData(parsePythonJson(workflow), true, true, name, { openSource: source });
      }
      if (prompt) {
        return await app.loadApiJson(parsePythonJson(prompt), name);
      }
    }
    return await open.call(app, file, source, options);
  };
}

app.registerExtension({
  name: "luna.nodes",
  settings,
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (TELLING.includes(nodeData.name)) {
      addStatusLine(nodeType.prototype);
    }
    if (nodeData.name === "LunaMultiSaver") {
      takeOldWorkflows(nodeType.prototype);
    }
  },
  setup() {
    api.addEventListener(SAVED, savedEvent);
    api.addEventListener(PROGRESS, showProgress);
    const notes = new NodeNotes(nodeOf);
    api.addEventListener(NOTE, ({ detail }) => notes.told(detail));
    api.addEventListener("executing", ({ detail }) => notes.executing(detail?.node ?? detail));
    openJpegs();
  },
});
