import { pickRuns } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { whenTrusted } from "../trust";
import { forEachRun } from "../forEachRun";
import { t } from "../l10n";

export default defineCommand({
  title: "Continue Run",
  icon: "$(debug-continue)",
  palette: "lathe.hasActiveRun",
  enablement: whenTrusted,
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\bpaused\\b/",
      group: "inline@1",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\bpaused\\b/",
      group: "1_control@2",
    },
  ],
  async run(workbench, ...args) {
    const runs = await pickRuns(workbench, args, {
      title: t("Select runs to continue"),
      fits: ({ state }) => state === "paused",
      none: t("No run is paused."),
    });
    await forEachRun(runs, t("Continuing"), ({ folder }) =>
      workbench.backend.request("runs.continue", { run: folder }),
    );
  },
});
