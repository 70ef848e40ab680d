// What a save node says of its pictures on the graph, in one line; and old workflows whose values stand elsewhere.

/** How far luna is: the server part's event "luna.progress". */
export function progressLine({ value, total }) {
  return `luna saves ${images(total)}: ${Math.floor(value * 100)} %`;
}

/** What became of the pictures: the server part's event "luna.saved". */
export function savedLine({ state, error, output, failed = [], notes = [] }) {
  const more = notes.map((note) => `; ${note}`).join("");
  if (state !== "done") {
    const jobs = failed.length ? ` (job ${failed.join(", ")})` : "";
    return `luna did not save all images: ${error ? String(error) : state}${jobs}${more}`;
  }
  const discarded = output.images.filter((image) => image.discarded).length;
  return `${images(output.images.length)} saved${discarded ? `, ${discarded} of them in _discarded` : ""}${more}`;
}

/** Whether the files that luna had promised are there: so it is when ComfyUI shows a kept run once more. */
function areWritten({ luna_promised: promised = [], images: shown = [] }) {
  const there = shown.map(({ subfolder, filename }) => (subfolder ? `${subfolder}/${filename}` : filename));
  return promised.length > 0 && promised.every((name) => there.includes(name));
}

/** The first line of what the node itself says; nothing of a node that says nothing. */
export function executedLine(output) {
  if (output && areWritten(output)) {
    return savedLine({ state: "done", output });
  }
  const text = output?.text;
  const first = Array.isArray(text) ? text[0] : text;
  return typeof first === "string" ? first.replace(/^\[LunaMultiSaver\] /, "") : null;
}

/** What follows that line, to unfold: a server's whole answer. "" of a node that says one line only. */
export function executedAnswer(output) {
  const text = output?.text;
  return Array.isArray(text) && text.length > 1 ? text.slice(1).join("\n") : "";
}

/**
 * The values of a saved Luna Multi Saver, with one for daemon_save where it is from before there was that switch.
 * @param {Array} values as the workflow holds them; the third is daemon_save, or save_mode in old ones.
 */
export function withDaemonSwitch(values) {
  if (!Array.isArray(values) || !["parallel", "sequential"].includes(values[2])) {
    return values;
  }
  return [...values.slice(0, 2), false, ...values.slice(2)];
}

function images(count) {
  return `${count} ${count === 1 ? "image" : "images"}`;
}
