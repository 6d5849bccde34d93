import { pickRun } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { whenTrusted } from "../trust";
import { isWaiting } from "../views/runTree/runStates";
import { t } from "../l10n";

export default defineCommand({
  title: "Move Run to Front of Queue",
  icon: "$(arrow-up)",
  palette: "lathe.hasActiveRun",
  enablement: whenTrusted,
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\bwaiting\\b/",
      group: "2_queue@1",
    },
  ],
  async run(workbench, ...args) {
    const run = await pickRun(workbench, args, {
      title: t("Select a queued run to move"),
      fits: isWaiting,
      none: t("No run is waiting for a device."),
    });
    if (run !== undefined) await workbench.backend.request("runs.requeue", { run: run.folder, to: "first" });
  },
});
