import { pickRun } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { whenTrusted } from "../trust";
import { isWaiting } from "../views/runTree/runStates";
import { t } from "../l10n";

export default defineCommand({
  title: "Move Run to End of Queue",
  icon: "$(arrow-down)",
  palette: "lathe.hasActiveRun",
  enablement: whenTrusted,
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\bwaiting\\b/",
      group: "2_queue@2",
    },
  ],
  async run(workbench, ...args) {
    const run = await pickRun(workbench, args, {
      title: t("Select a queued run to move"),
      fits: isWaiting,
      none: t("No run is waiting for a device."),
    });
    if (run !== undefined) await workbench.backend.request("runs.requeue", { run: run.folder, to: "last" });
  },
});
