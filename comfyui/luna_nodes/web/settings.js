// luna's part of ComfyUI's settings page, in the order in which a person needs it. A larger sortOrder stands higher.

import { api } from "../../scripts/api.js";

const ADDRESS = "127.0.0.1:19283";
/** ComfyUI writes a changed setting to its file first, in milliseconds. */
const WRITTEN = 700;

let line = null;

/** Whether luna answers, and which variables go before the settings. */
async function refresh() {
  if (!line) {
    return;
  }
  const shown = line;
  shown.textContent = "asking...";
  let state;
  try {
    state = await (await api.fetchApi("/luna/daemon/settings")).json();
  } catch (problem) {
    state = { connected: false, line: `ComfyUI does not answer: ${problem.message}`, overrides: [] };
  }
  shown.replaceChildren();
  for (const [text, color] of [
    [`${state.connected ? "●" : "○"} ${state.line}`, state.connected ? "#6c6" : "#e90"],
    ...state.overrides.map((text) => [text, "#e90"]),
  ]) {
    const part = document.createElement("div");
    part.textContent = text;
    part.style.color = color;
    shown.append(part);
  }
}

function connection() {
  const outer = document.createElement("div");
  line = document.createElement("div");
  const again = document.createElement("button");
  again.textContent = "Ask again";
  again.style.cssText = "margin-top: 6px; padding: 2px 10px; border-radius: 6px; background: var(--comfy-input-bg, #333); cursor: pointer";
  again.addEventListener("click", refresh);
  outer.style.cssText = "max-width: 420px; text-align: left; overflow-wrap: anywhere";
  outer.append(line, again);
  refresh();
  return outer;
}

function changed(value, before) {
  if (before !== undefined && value !== before) {
    setTimeout(refresh, WRITTEN);
  }
}

export const settings = [
  {
    id: "Luna.Connection",
    category: ["luna", "Server", "Connection"],
    name: "Connection",
    tooltip: "Whether luna answers at the address that counts now.",
    sortOrder: 40,
    type: connection,
    defaultValue: "",
  },
  {
    id: "Luna.Server",
    category: ["luna", "Server", "Address"],
    name: "Address of the luna server",
    tooltip: `host:port, several with commas. Empty: ${ADDRESS}. The variable LUNA_SERVER goes before it.`,
    sortOrder: 30,
    type: "text",
    attrs: { placeholder: ADDRESS },
    defaultValue: "",
    onChange: changed,
  },
  {
    id: "Luna.SecretFile",
    category: ["luna", "Server", "Secret"],
    name: "File with the cluster's secret",
    tooltip: "A path on ComfyUI's machine. Empty: no secret. The variable LUNA_SECRET_FILE goes before it.",
    sortOrder: 20,
    type: "text",
    attrs: { placeholder: "none" },
    defaultValue: "",
    onChange: changed,
  },
  {
    id: "Luna.LocalWork",
    category: ["luna", "Server", "Local work"],
    name: "ComfyUI does itself what luna cannot",
    tooltip:
      "On, unless you switch it off: then a node fails with luna's reason instead. The variable LUNA_LOCAL_WORK goes before it.",
    sortOrder: 10,
    type: "boolean",
    defaultValue: true,
    onChange: changed,
  },
];
