// luna in ComfyUI's browser part: settings, and the preview of pictures that luna has written.
//
// A "Save Image (luna)" node returns before its files are there, so the first preview finds nothing. When luna says
// that the files are written, the server part sends "luna.saved", and the node's output is announced once more, here in
// this browser only: the preview is then drawn as after any other save.

import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const SAVED = "luna.saved";

function toast(severity, summary, detail) {
  app.extensionManager?.toast?.add({ severity, summary, detail, life: 10000 });
}

function showSaved({ detail }) {
  if (detail.state !== "done") {
    toast("error", "luna did not save the images", detail.error ? String(detail.error) : detail.state);
    return;
  }
  if (detail.node === null || detail.node === undefined) {
    return;
  }
  // a copy: a preview is drawn anew only for an output that is a new object
  const output = { ...detail.output, images: detail.output.images.map((image) => ({ ...image })) };
  const announced = { node: detail.node, display_node: detail.node, prompt_id: detail.prompt_id, output };
  api.dispatchEvent(new CustomEvent("executed", { detail: announced }));
}

app.registerExtension({
  name: "luna.nodes",
  settings: [
    {
      id: "Luna.Server",
      category: ["luna", "Server", "Address"],
      name: "Address of the luna server",
      tooltip: "host:port, several with commas. Empty: 127.0.0.1:19283. The variable LUNA_SERVER goes before it.",
      type: "text",
      defaultValue: "",
    },
    {
      id: "Luna.SecretFile",
      category: ["luna", "Server", "Secret"],
      name: "File with the cluster's secret",
      tooltip: "A path on ComfyUI's machine. The variable LUNA_SECRET_FILE goes before it.",
      type: "text",
      defaultValue: "",
    },
    {
      id: "Luna.LocalWork",
      category: ["luna", "Server", "Local work"],
      name: "ComfyUI does itself what luna cannot",
      tooltip: "Off: a node fails with luna's reason instead. The variable LUNA_LOCAL_WORK goes before it.",
      type: "boolean",
      defaultValue: true,
    },
  ],
  setup() {
    api.addEventListener(SAVED, showSaved);
  },
});
