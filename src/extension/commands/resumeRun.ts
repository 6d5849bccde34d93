import { isResumable } from "../../protocol/run";
import { pickRuns } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { requireTrust, whenTrusted } from "../trust";
import { forEachRun } from "../forEachRun";
import { t } from "../l10n";

export default defineCommand({
  title: "Resume Run",
  icon: "$(debug-restart)",
  palette: "lathe.hasRuns",
  enablement: whenTrusted,
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\bresumable\\b/",
      group: "inline@2",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\bresumable\\b/",
      group: "1_control@1",
    },
  ],
  async run(workbench, ...args) {
    requireTrust(t("Resuming a run"));
    const runs = await pickRuns(workbench, args, {
      title: t("Select runs to resume from their last checkpoints"),
      fits: isResumable,
      none: t("No run is stopped, failed or interrupted."),
    });
    await forEachRun(runs, t("Resuming"), ({ folder }) =>
      workbench.backend.request("runs.resume", { run: folder }),
    );
  },
});
