import { pickExperiment, getExperimentsFromArguments } from "../choices/pickExperiment";
import { defineCommand } from "../command";
import { runInNotebook } from "../runInNotebook";
import { startRuns } from "../startRuns";
import { requireTrust, whenTrusted } from "../trust";
import { t } from "../l10n";

export default defineCommand({
  title: "Run Experiment",
  icon: "$(run-all)",
  enablement: whenTrusted,
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.experiments && viewItem =~ /\\b(experiment|variant)\\b/",
      group: "inline@1",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.experiments && viewItem =~ /\\b(experiment|variant)\\b/",
      group: "1_run@1",
    },
    { menu: "editor/title/run", when: "resourceFilename =~ /\\.lathe\\.md$/ && !notebookType" },
    { menu: "explorer/context", when: "resourceFilename =~ /\\.lathe\\.md$/", group: "navigation@90" },
  ],
  async run(workbench, ...args) {
    requireTrust(t("Training"));
    const experiments = getExperimentsFromArguments(args);
    if (experiments.length > 1) {
      // One after the other, so that they queue in the order of the tree.
      for (const { experiment, variant } of experiments)
        await startRuns(workbench, { experiment, ...(variant === undefined ? {} : { variant }) });
      return;
    }
    const target = await pickExperiment(args, t("Select an experiment to run"));
    if (target === undefined) return;
    const { experiment, variant } = target;
    if (variant !== undefined) await startRuns(workbench, { experiment, variant });
    else if (!(await runInNotebook(experiment))) await startRuns(workbench, { experiment });
  },
});
