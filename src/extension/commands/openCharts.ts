import { runsOfArguments } from "../choices/chosenRuns";
import { defineCommand } from "../command";
import type { RunSummary } from "../../protocol/service/runs";

/** More curves than that are no picture any more; the panel adds what is wanted. */
const mostCurves = 12;

export default defineCommand({
  title: "Open Charts",
  icon: "$(graph-line)",
  menus: [
    { menu: "view/title", when: "view == lathe.runs", group: "navigation@2" },
    { menu: "view/item/context", when: "view == lathe.runs && viewItem =~ /\\brun\\b/", group: "3_open@1" },
  ],
  async run(workbench, ...args) {
    await workbench.runs.load();
    const runs = runsOfArguments(workbench, args) ?? latest(workbench.runs.all ?? []);
    workbench.openPanel("charts", { runs: runs.map(({ folder }) => folder) });
  },
});

/** The runs of the experiment that ran last. */
function latest(all: readonly RunSummary[]): readonly RunSummary[] {
  return all.filter(({ experiment }) => experiment === all[0]!.experiment).slice(0, mostCurves);
}
