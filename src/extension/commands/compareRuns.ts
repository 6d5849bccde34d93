import { pickRuns } from "../choices/pickRuns";
import { defineCommand } from "../command";

export default defineCommand({
  title: "Compare Selected Runs",
  icon: "$(compare-changes)",
  palette: "lathe.hasRuns",
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && listMultiSelection && viewItem =~ /\\brun\\b/",
      group: "3_open@2",
    },
  ],
  async run(workbench, ...args) {
    const runs = await pickRuns(workbench, args, {
      title: "Select runs to compare",
      none: "There are no runs yet.",
    });
    if (runs.length > 0) workbench.openPanel("charts", { runs: runs.map(({ folder }) => folder) });
  },
});
