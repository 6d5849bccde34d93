import { chosenExperiment, experimentsOfArguments } from "../choices/chosenExperiment";
import { defineCommand } from "../command";
import { runInNotebook } from "../runInNotebook";
import { startRuns } from "../startRuns";
import { requireTrust, whenTrusted } from "../trust";

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
    requireTrust("Training");
    const several = experimentsOfArguments(args);
    if (several.length > 1) {
      // One after the other, so that they queue in the order of the tree.
      for (const { experiment, variant } of several)
        await startRuns(workbench, { experiment, ...(variant === undefined ? {} : { variant }) });
      return;
    }
    const chosen = await chosenExperiment(args, "Select an experiment to run");
    if (chosen === undefined) return;
    const { experiment, variant } = chosen;
    if (variant !== undefined) await startRuns(workbench, { experiment, variant });
    else if (!(await runInNotebook(experiment))) await startRuns(workbench, { experiment });
  },
});
