import { getExperimentFromArguments } from "../choices/pickExperiment";
import { defineCommand } from "../command";

export default defineCommand({
  title: "Open Shrink",
  icon: "$(graph-scatter)",
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.experiments && viewItem =~ /\\bexperiment\\b.*\\bran\\b/",
      group: "3_open@4",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brunGroup\\.experiment\\b/",
      group: "3_open@4",
    },
  ],
  async run(workbench, ...args) {
    const allRuns = await workbench.runs.load();
    // Without arguments, the experiment that ran last.
    const experiment = getExperimentFromArguments(args)?.experiment ?? allRuns[0]?.experiment;
    workbench.openPanel("shrink", experiment === undefined ? {} : { experiment });
  },
});
