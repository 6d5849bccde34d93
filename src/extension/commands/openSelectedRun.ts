/** A click on a row of the run tree: opens the run's curves, or loads more rows. */
import { defineCommand } from "../command";
import { getTrees } from "../trees";
import type { RunTreeNode } from "../views/runTree/runTree";
import { getShownRuns } from "../views/runTree/shownRuns";

export default defineCommand({
  title: "Open Selected Run",
  palette: false,
  async run(workbench) {
    const [node] = (getTrees(workbench).get("runs")?.selection ?? []) as readonly RunTreeNode[];
    if (node?.kind === "more") getShownRuns(workbench).showMore(node);
    // The tree keeps the keyboard, as the Explorer does, so that the arrows and Delete still apply to it.
    if (node?.kind === "run")
      workbench.openPanel("charts", { runs: [node.run.folder] }, { focusedView: "lathe.runs" });
  },
});
