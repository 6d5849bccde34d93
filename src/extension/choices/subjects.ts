/** Which models a command means: those of runs, those on disk, or those that an experiment would make. */
import { isAbsolute } from "node:path";
import * as vscode from "vscode";
import type { Subject } from "../../protocol/service/models";
import type { Workbench } from "../workbench";
import { getExperimentsFromArguments } from "./pickExperiment";
import { getRunsFromArguments } from "./pickRuns";

/** Models in files. Undefined if the arguments of the command refer to none. */
export function getStoredSubjects(
  workbench: Workbench,
  args: readonly unknown[],
): readonly Subject[] | undefined {
  const paths = getPathsFromArguments(args);
  if (paths.length > 0) return paths.map((path) => ({ kind: "path", path }));
  return getRunsFromArguments(workbench, args)?.map(({ folder }) => ({ kind: "run", run: folder }));
}

/** Nodes of the model tree have their model under the name `model`. */
function getPathsFromArguments([first, selected]: readonly unknown[]): string[] {
  const items = Array.isArray(selected) && selected.includes(first) ? (selected as unknown[]) : [first];
  return items.flatMap((item) => {
    const { model } = (item ?? {}) as { readonly model?: { readonly path?: unknown } };
    return typeof model?.path === "string" && isAbsolute(model.path) ? [model.path] : [];
  });
}

/** What experiments would make, whether they have ever run or not: the model of each of their variants. */
export async function getPlannedSubjects(
  workbench: Workbench,
  args: readonly unknown[],
): Promise<readonly Subject[]> {
  const { text, variants } = (args[0] ?? {}) as {
    readonly text?: unknown;
    readonly variants?: readonly string[];
  };
  const subjects: Subject[] = [];
  for (const { experiment, variant } of getExperimentsFromArguments(args)) {
    const subject = { kind: "plan" as const, experiment, ...(variant === undefined ? {} : { variant }) };
    // A lens belongs to text that may not be saved, so it passes the text.
    if (typeof text === "string" && variants !== undefined)
      subjects.push(...variants.map((name) => ({ ...subject, variant: name, text })));
    else if (typeof text === "string") subjects.push({ ...subject, text });
    else if (variant !== undefined) subjects.push(subject);
    else subjects.push(...(await getVariantSubjects(workbench, experiment)));
  }
  return subjects;
}

export async function getVariantSubjects(
  { backend }: Workbench,
  experiment: string,
): Promise<readonly Subject[]> {
  const document = await vscode.workspace.openTextDocument(vscode.Uri.file(experiment));
  const request = { file: experiment, text: document.getText() };
  const { variants } = await backend.request("experiment.outline", request);
  if (variants.length === 0) return [{ kind: "plan", experiment }];
  return variants.map(({ name }) => ({ kind: "plan", experiment, variant: name }));
}
