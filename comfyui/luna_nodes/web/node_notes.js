// Notes of the server part for any node of the graph: "luna.note" says what goes on (kind "busy"), what a person should know
// ("note"), or that it no longer counts ("clear"). A node's notes are those of its last run.

import { panelOf } from "./node_panel.js";

/** @param {function} nodeOf the node of an execution id; null where the graph on the canvas has none. */
export class NodeNotes {
  constructor(nodeOf) {
    this.nodeOf = nodeOf;
    this.running = null;
  }

  /** The server part's event. */
  told({ node: id, kind, text }) {
    const node = this.nodeOf(id);
    if (!node) {
      return;
    }
    if (kind === "clear") {
      node.lunaPanel?.end(true);
    } else if (kind === "busy") {
      panelOf(node).work(text);
    } else {
      panelOf(node).note(text);
    }
  }

  /** ComfyUI's event: this node runs now; null when none does any more. */
  executing(id) {
    this.running?.lunaPanel?.end();
    this.running = this.nodeOf(id);
    this.running?.lunaPanel?.begin();
  }
}
