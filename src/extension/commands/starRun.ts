import { pickRuns } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { t } from "../l10n";

export default defineCommand({
  title: "Star Run",
  icon: "$(star-empty)",
  palette: "lathe.hasRuns",
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brun\\b.*\\bplain\\b/",
      group: "inline@3",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brun\\b.*\\bplain\\b/",
      group: "4_notes@1",
    },
  ],
  async run(workbench, ...args) {
    const runs = await pickRuns(workbench, args, {
      title: t("Select runs to star"),
      fits: ({ star }) => !star,
      none: t("All runs are starred."),
    });
    for (const { folder } of runs)
      await workbench.backend.request("runs.annotate", { run: folder, notes: { star: true } });
  },
});
