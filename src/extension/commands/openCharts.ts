import { experimentOfArguments } from "../choices/chosenExperiment";
import { runsOfArguments } from "../choices/chosenRuns";
import { defineCommand } from "../command";

/** More curves would be unreadable; others can be added in the panel. */
const mostCurves = 12;

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
    const all = await workbench.runs.load();
    // Without arguments, the experiment that ran last.
    const experiment = experimentOfArguments(args)?.experiment ?? all[0]?.experiment;
    const runs =
      runsOfArguments(workbench, args) ??
      all.filter((run) => run.experiment === experiment).slice(0, mostCurves);
    workbench.openPanel("charts", { runs: runs.map(({ folder }) => folder) });
  },
});
