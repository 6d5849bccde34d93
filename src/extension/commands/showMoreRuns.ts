/** The last row of an experiment with many runs. */
import { defineCommand } from "../command";
import type { MoreNode } from "../views/runTree/runTree";
import { shownRuns } from "../views/runTree/shownRuns";

export default defineCommand({
  title: "Show More Runs",
  palette: false,
  async run(workbench, node) {
    shownRuns(workbench).showMore(node as MoreNode);
  },
});
