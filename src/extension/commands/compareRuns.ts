import { pickRuns } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { t } from "../l10n";

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
      title: t("Select runs to compare"),
      none: t("There are no runs yet."),
    });
    if (runs.length > 0) workbench.openPanel("charts", { runs: runs.map(({ folder }) => folder) });
  },
});
