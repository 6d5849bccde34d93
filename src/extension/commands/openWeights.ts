import path from "node:path";
import * as vscode from "vscode";
import { WorkbenchError } from "../../protocol/errors";
import type { RunSummary } from "../../protocol/service/runs";
import type { Subject } from "../../protocol/service/models";
import { experimentsOfArguments } from "../choices/chosenExperiment";
import { chosenRuns } from "../choices/chosenRuns";
import { storedSubjects } from "../choices/chosenSubjects";
import { defineCommand, type HasExperiment } from "../command";
import type { Workbench } from "../workbench";

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
    const given = storedSubjects(workbench, args) ?? (await subjectsOfExperiments(workbench, args));
    const subjects = given ?? (await chosenSubjects(workbench, args));
    if (subjects.length > 0) workbench.openPanel("weights", { subjects });
  },
});

async function chosenSubjects(workbench: Workbench, args: readonly unknown[]): Promise<readonly Subject[]> {
  const runs = await chosenRuns(workbench, args, {
    title: "Select runs to show their weights",
    fits: hasModel,
    none: 'No run has produced a model yet. Run "Lathe: Run Experiment" first.',
  });
  return runs.map(({ folder }) => ({ kind: "run", run: folder }));
}

/** The newest run of each variant that has one; undefined if the arguments do not refer to an experiment. */
async function subjectsOfExperiments(
  workbench: Workbench,
  args: readonly unknown[],
): Promise<readonly Subject[] | undefined> {
  const experiments = experimentsOfArguments(args);
  if (experiments.length === 0) return undefined;
  const runs = (await workbench.runs.load()).filter(hasModel);
  const newest = new Map<string, RunSummary>();
  for (const { experiment, variant } of experiments)
    for (const run of runs) {
      const isOf = run.experiment !== undefined && vscode.Uri.file(run.experiment).fsPath === experiment;
      const key = `${experiment}\n${run.variant}`;
      if (isOf && (variant ?? run.variant) === run.variant && !newest.has(key)) newest.set(key, run);
    }
  if (newest.size > 0) return [...newest.values()].map(({ folder }) => ({ kind: "run", run: folder }));
  const [{ experiment, variant }] = experiments as [HasExperiment];
  const what = `${path.basename(experiment)}${variant === undefined ? "" : `, variant ${variant},`}`;
  throw new WorkbenchError(
    "not-found",
    `${what} has no weights yet, because none of its runs has produced a model. Run "Lathe: Run Experiment" and open its weights after the first checkpoint.`,
  );
}

function hasModel({ metrics }: RunSummary): boolean {
  return Object.keys(metrics).length > 0;
}
