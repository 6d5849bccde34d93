import { pickRuns } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { whenTrusted } from "../trust";
import { forEachRun } from "../forEachRun";
import { t } from "../l10n";

export default defineCommand({
  title: "Pause Run",
  icon: "$(debug-pause)",
  palette: "lathe.hasActiveRun",
  enablement: whenTrusted,
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brunning\\b/",
      group: "1_control@2",
    },
  ],
  async run(workbench, ...args) {
    const runs = await pickRuns(workbench, args, {
      title: t("Select runs to pause"),
      fits: ({ state }) => state === "running",
      none: t("No run is training."),
    });
    await forEachRun(runs, t("Pausing"), ({ folder }) =>
      workbench.backend.request("runs.pause", { run: folder }),
    );
  },
});
