import path from "node:path";
import * as vscode from "vscode";
import { WorkbenchError } from "../../protocol/errors";
import type { RunSummary } from "../../protocol/service/runs";
import type { Subject } from "../../protocol/service/models";
import { getExperimentsFromArguments } from "../choices/pickExperiment";
import { pickRuns } from "../choices/pickRuns";
import { getStoredSubjects } from "../choices/subjects";
import { defineCommand, type HasExperiment } from "../command";
import type { Workbench } from "../workbench";
import { t } from "../l10n";

export default defineCommand({
  title: "Open Weights",
  icon: "$(graph)",
  palette: "lathe.hasRuns",
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brun\\b.*\\bmeasured\\b/",
      group: "3_open@3",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.models && viewItem =~ /\\bmodel\\b/",
      group: "3_open@2",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.experiments && viewItem =~ /\\b(experiment|variant)\\b/",
      group: "3_open@3",
    },
  ],
  async run(workbench, ...args) {
    const requested = getStoredSubjects(workbench, args) ?? (await findExperimentSubjects(workbench, args));
    const subjects = requested ?? (await pickSubjects(workbench, args));
    if (subjects.length > 0) workbench.openPanel("weights", { subjects });
  },
});

async function pickSubjects(workbench: Workbench, args: readonly unknown[]): Promise<readonly Subject[]> {
  const runs = await pickRuns(workbench, args, {
    title: t("Select runs to show their weights"),
    fits: hasModel,
    none: t('No run has produced a model yet. Run "Lathe: Run Experiment" first.'),
  });
  return runs.map(({ folder }) => ({ kind: "run", run: folder }));
}

/** The newest run of each variant that has one; undefined if the arguments do not refer to an experiment. */
async function findExperimentSubjects(
  workbench: Workbench,
  args: readonly unknown[],
): Promise<readonly Subject[] | undefined> {
  const experiments = getExperimentsFromArguments(args);
  if (experiments.length === 0) return undefined;
  const runs = (await workbench.runs.load()).filter(hasModel);
  const newest = new Map<string, RunSummary>();
  for (const { experiment, variant } of experiments)
    for (const run of runs) {
      const belongs = run.experiment !== undefined && vscode.Uri.file(run.experiment).fsPath === experiment;
      const key = `${experiment}\n${run.variant}`;
      if (belongs && (variant ?? run.variant) === run.variant && !newest.has(key)) newest.set(key, run);
    }
  if (newest.size > 0) return [...newest.values()].map(({ folder }) => ({ kind: "run", run: folder }));
  const [{ experiment, variant }] = experiments as [HasExperiment];
  const file = path.basename(experiment);
  const subject = variant === undefined ? file : t("{0}, variant {1},", file, variant);
  throw new WorkbenchError(
    "not-found",
    t(
      '{0} has no weights yet, because none of its runs has produced a model. Run "Lathe: Run Experiment" and open its weights after the first checkpoint.',
      subject,
    ),
  );
}

function hasModel({ metrics }: RunSummary): boolean {
  return Object.keys(metrics).length > 0;
}
