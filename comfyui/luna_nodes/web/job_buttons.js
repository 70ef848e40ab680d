// Two buttons on a save node whose job failed: write the images that luna has kept, or forget them.

const LABELS = { retry: "save again", discard: "give the images up" };

/**
 * Shows the buttons, or takes them away.
 * @param {object} node of the graph. @param {string[]} jobs that failed; none: no buttons.
 * @param {function} post sends JSON to a route of the server part. -> its answer as an object.
 * @param {function} say shows a line on the node.
 */
export function offerRetry(node, jobs, post, say) {
  takeAway(node);
  if (!jobs?.length) {
    return;
  }
  node.lunaButtons = Object.entries(LABELS).map(([action, label]) => {
    const button = node.addWidget("button", label, null, () => act(node, jobs, action, post, say));
    button.serialize = false; // neither in the workflow nor in the prompt
    return button;
  });
  node.setDirtyCanvas?.(true, true);
}

function takeAway(node) {
  for (const button of node.lunaButtons ?? []) {
    const at = node.widgets.indexOf(button);
    if (at >= 0) {
      node.widgets.splice(at, 1);
    }
  }
  node.lunaButtons = null;
}

/** Every job; those that it did not work for keep their buttons. */
async function act(node, jobs, action, post, say) {
  takeAway(node);
  const lines = [];
  const left = [];
  for (const job_id of jobs) {
    const answer = await post(`/luna/jobs/${action}`, { job_id });
    lines.push(answer.error || answer.status);
    if (!answer.success) {
      left.push(job_id);
    }
  }
  say(lines.join("; "));
  offerRetry(node, left, post, say);
}
