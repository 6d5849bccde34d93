/** Which models a command means: those of runs, those on disk, or those that an experiment would make. */
import { isAbsolute } from "node:path";
import * as vscode from "vscode";
import type { Subject } from "../../protocol/service/models";
import type { HasExperiment } from "../command";
import type { Workbench } from "../workbench";
import { experimentOfArguments } from "./chosenExperiment";
import { runsOfArguments } from "./chosenRuns";

/** Undefined where the arguments of the command stand for no model. */
export function subjectsOfArguments(
  workbench: Workbench,
  args: readonly unknown[],
): readonly Subject[] | undefined {
  const paths = pathsOfArguments(args);
  if (paths.length > 0) return paths.map((path) => ({ kind: "path", path }));
  const runs = runsOfArguments(workbench, args);
  if (runs !== undefined) return runs.map(({ folder }) => ({ kind: "run", run: folder }));
  const found = experimentOfArguments(args);
  if (found === undefined) return undefined;
  const { experiment, variant } = found;
  const text = textOfArguments(args);
  return [
    {
      kind: "plan",
      experiment,
      ...(text === undefined ? {} : { text }),
      ...(variant === undefined ? {} : { variant }),
    },
  ];
}

/** A lens stands over text that may not be saved, and hands it along. */
function textOfArguments([first]: readonly unknown[]): string | undefined {
  const { text } = (first ?? {}) as { readonly text?: unknown };
  return typeof text === "string" ? text : undefined;
}

/** Nodes of the tree of models carry what stands for them as `model`. */
function pathsOfArguments([first, selected]: readonly unknown[]): string[] {
  const items = Array.isArray(selected) && selected.includes(first) ? (selected as unknown[]) : [first];
  return items.flatMap((item) => {
    const { model } = (item ?? {}) as { readonly model?: { readonly path?: unknown } };
    return typeof model?.path === "string" && isAbsolute(model.path) ? [model.path] : [];
  });
}

/** The model of each variant of an experiment, up to as many as fit beside each other. */
export async function experimentSubjects(
  { backend }: Workbench,
  { experiment, variant }: HasExperiment,
): Promise<readonly Subject[]> {
  if (variant !== undefined) return [{ kind: "plan", experiment, variant }];
  const document = await vscode.workspace.openTextDocument(vscode.Uri.file(experiment));
  const { variants } = await backend.request("experiment.outline", {
    file: experiment,
    text: document.getText(),
  });
  if (variants.length === 0) return [{ kind: "plan", experiment }];
  return variants.slice(0, 4).map(({ name }) => ({ kind: "plan", experiment, variant: name }));
}
