import { pickRun } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { showRunLog } from "../runLog";
import { t } from "../l10n";

export default defineCommand({
  title: "Show Run Log",
  icon: "$(output)",
  palette: "lathe.hasRuns",
  menus: [
    { menu: "view/item/context", when: "view == lathe.runs && viewItem =~ /\\brun\\b/", group: "3_open@4" },
  ],
  async run(workbench, ...args) {
    const run = await pickRun(workbench, args, {
      title: t("Select a run to show its log"),
      none: t("There are no runs yet."),
    });
    if (run !== undefined) await showRunLog(run);
  },
});
