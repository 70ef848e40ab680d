// What luna says on a node of the graph: a line of what goes on now, one of what became of it, notes (ComfyUI did the work
// itself, luna warns), and a whole answer that unfolds. An element below the node's other widgets, in no workflow and in no prompt.

const STYLE = `
.luna-panel { font: 12px/1.35 sans-serif; color: var(--input-text, #ddd); overflow: hidden; width: 100%; }
.luna-panel > div { padding: 4px 8px; user-select: text; overflow-wrap: anywhere; }
.luna-panel .luna-line, .luna-panel .luna-busy, .luna-panel details
  { background: var(--comfy-input-bg, #222); border-radius: 6px; margin: 2px 0; padding: 4px 8px; }
.luna-panel .luna-busy { opacity: 0.8; font-style: italic; }
.luna-panel .luna-note { background: #5c4813; color: #ffe9b0; border-radius: 6px; margin: 2px 0; padding: 4px 8px; }
.luna-panel summary { cursor: pointer; }
.luna-panel pre { margin: 4px 0 0; max-height: 300px; overflow: auto; font-size: 11px; user-select: text; }
`;
/** Before the browser has drawn it: of one line. */
const FIRST_HEIGHT = 32;
/** Between the widget's edge and the element, on each side. */
const MARGIN = 6;

let styled = false;

function addStyle() {
  if (!styled) {
    const style = element("style", "");
    style.textContent = STYLE;
    document.head.append(style);
    styled = true;
  }
}

function element(tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

/** The node's panel; made if it has none yet. */
export function panelOf(node) {
  node.lunaPanel ??= new NodePanel(node);
  return node.lunaPanel;
}

export class NodePanel {
  constructor(node) {
    addStyle();
    this.node = node;
    this.line = "";
    this.busy = "";
    this.notes = [];
    this.details = "";
    this.stale = false;
    this.height = 0;
    this.inner = element("div", "luna-panel");
    this.widget = null;
  }

  /** What became of it; the whole answer unfolds. */
  say(line, details = "") {
    this.line = line;
    this.busy = "";
    this.details = details;
    this.draw();
  }

  /** What goes on now; "" when it has ended. */
  work(line) {
    if (this.busy !== line) {
      this.busy = line;
      this.draw();
    }
  }

  /** One more note of this run, in the place of the last run's. */
  note(text) {
    if (this.stale) {
      this.notes = [];
      this.stale = false;
    }
    if (!this.notes.includes(text)) {
      this.notes.push(text);
    }
    this.draw();
  }

  /** The node runs again: its notes are the last run's now. */
  begin() {
    this.stale = true;
  }

  /** The node has run, or what it was told no longer counts. */
  end(all = false) {
    this.busy = "";
    if (this.stale || all) {
      this.notes = [];
    }
    this.draw();
  }

  draw() {
    const parts = [];
    for (const note of this.notes) {
      parts.push(element("div", "luna-note", `⚠ ${note}`));
    }
    if (this.busy) {
      parts.push(element("div", "luna-busy", this.busy));
    }
    if (this.line) {
      parts.push(element("div", "luna-line", this.line));
    }
    if (this.details) {
      parts.push(this.unfolding());
    }
    this.inner.replaceChildren(...parts);
    if (parts.length) {
      this.show();
    } else {
      this.hide();
    }
    this.redraw();
  }

  unfolding() {
    const fold = element("details", "");
    fold.open = this.open ?? false;
    fold.addEventListener("toggle", () => {
      this.open = fold.open;
      this.fit();
    });
    const what = this.details.startsWith("{") ? "the whole answer" : "more";
    fold.append(element("summary", "", what), element("pre", "", this.details));
    return fold;
  }

  show() {
    if (this.widget) {
      return;
    }
    const outer = element("div", "");
    outer.append(this.inner);
    const height = () => this.measure();
    const options = { getMinHeight: height, getMaxHeight: height, margin: MARGIN, hideOnZoom: false, serialize: false };
    this.widget = this.node.addDOMWidget("luna", "luna", outer, options);
    this.widget.serialize = false; // neither in the workflow nor in the prompt
  }

  hide() {
    const widget = this.widget;
    if (!widget) {
      return;
    }
    this.widget = null;
    const at = this.node.widgets.indexOf(widget);
    if (at >= 0) {
      this.node.widgets.splice(at, 1);
    }
    widget.onRemove?.();
    this.fit();
    this.height = 0;
  }

  /** The node grows by itself when it is drawn. It shrinks here, by what it had grown for the panel. */
  fit() {
    const before = this.height;
    const now = this.widget ? this.measure() : 0;
    const [width, tall] = this.node.size;
    if (now < before) {
      this.node.setSize([width, Math.max(this.node.computeSize()[1], tall - before + now)]);
    }
    this.redraw();
  }

  /** Twice: how high the panel is shows in the first, how large the node is in the second. */
  redraw() {
    this.node.setDirtyCanvas?.(true, true);
    globalThis.requestAnimationFrame?.(() => this.node.setDirtyCanvas?.(true, true));
  }

  /** Not drawn yet or out of sight, an element has no height: then the last one counts. */
  measure() {
    const drawn = this.inner.offsetHeight;
    this.height = drawn ? drawn + 2 * MARGIN : this.height || FIRST_HEIGHT;
    return this.height;
  }
}
