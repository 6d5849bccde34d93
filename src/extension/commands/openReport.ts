import { pickExperiment } from "../choices/pickExperiment";
import { defineCommand } from "../command";
import { t } from "../l10n";

export default defineCommand({
  title: "Open Report",
  icon: "$(book)",
  menus: [
    {
      menu: "notebook/toolbar",
      when: "notebookType == lathe-notebook && lathe.hasRuns",
      group: "navigation/execute@22",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.experiments && viewItem =~ /\\bexperiment\\b.*\\bran\\b/",
      group: "3_open@5",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brunGroup\\.experiment\\b/",
      group: "3_open@5",
    },
  ],
  async run(workbench, ...args) {
    const target = await pickExperiment(args, t("Select an experiment to report"));
    if (target !== undefined) workbench.openPanel("report", { experiment: target.experiment });
  },
});
