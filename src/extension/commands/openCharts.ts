import { getExperimentFromArguments } from "../choices/pickExperiment";
import { getRunsFromArguments } from "../choices/pickRuns";
import { defineCommand } from "../command";

/** More curves would be unreadable; others can be added in the panel. */
const maxCurves = 12;

export default defineCommand({
  title: "Open Charts",
  icon: "$(graph-line)",
  menus: [
    {
      menu: "notebook/toolbar",
      when: "notebookType == lathe-notebook && lathe.hasRuns",
      group: "navigation/execute@20",
    },
    { menu: "view/title", when: "view == lathe.runs", group: "navigation@2" },
    { menu: "view/item/context", when: "view == lathe.runs && viewItem =~ /\\brun\\b/", group: "3_open@1" },
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brunGroup\\.experiment\\b/",
      group: "inline@1",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.experiments && viewItem =~ /\\bexperiment\\b.*\\bran\\b/",
      group: "3_open@1",
    },
  ],
  async run(workbench, ...args) {
    const allRuns = await workbench.runs.load();
    // Without arguments, the experiment that ran last.
    const experiment = getExperimentFromArguments(args)?.experiment ?? allRuns[0]?.experiment;
    const runs =
      getRunsFromArguments(workbench, args) ??
      allRuns.filter((run) => run.experiment === experiment).slice(0, maxCurves);
    workbench.openPanel("charts", { runs: runs.map(({ folder }) => folder) });
  },
});
