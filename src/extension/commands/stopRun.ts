import { isActive } from "../../protocol/run";
import { pickRuns } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { confirm } from "../confirm";
import { whenTrusted } from "../trust";
import { forEachRun } from "../forEachRun";
import { t } from "../l10n";

export default defineCommand({
  title: "Stop Run",
  icon: "$(debug-stop)",
  palette: "lathe.hasActiveRun",
  enablement: whenTrusted,
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\bactive\\b/",
      group: "inline@2",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\bactive\\b/",
      group: "1_control@1",
    },
  ],
  async run(workbench, ...args) {
    const runs = await pickRuns(workbench, args, {
      title: t("Select runs to stop; each writes a checkpoint first"),
      fits: isActive,
      none: t("No run is active."),
    });
    if (!(await confirm("stop", runs))) return;
    await forEachRun(runs, t("Stopping"), ({ folder }) =>
      workbench.backend.request("runs.stop", { run: folder }),
    );
  },
});
