import { pickRuns } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { t } from "../l10n";

export default defineCommand({
  title: "Unstar Run",
  icon: "$(star-full)",
  palette: "lathe.hasRuns",
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brun\\b.*\\bstarred\\b/",
      group: "inline@3",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brun\\b.*\\bstarred\\b/",
      group: "4_notes@1",
    },
  ],
  async run(workbench, ...args) {
    const runs = await pickRuns(workbench, args, {
      title: t("Select runs to unstar"),
      fits: ({ star }) => star,
      none: t("No run is starred."),
    });
    for (const { folder } of runs)
      await workbench.backend.request("runs.annotate", { run: folder, notes: { star: false } });
  },
});
