/** Checkpoints and exported models as rows, grouped by the run that made them. */
import type { ModelEntry } from "../../../protocol/service/models";
import type { RunSummary } from "../../../protocol/service/runs";
import type { Face } from "../face";
import { bytes, count, moment, plural } from "../../../protocol/quantities";
import { markdownText, oneLine } from "../text";

export interface ModelGroupNode {
  readonly kind: "group";
  /** The run's folder; undefined for models that no run made. */
  readonly folder: string | undefined;
  /** As the window knows it, for commands of runs. */
  readonly run: RunSummary | undefined;
  readonly models: readonly ModelNode[];
}
export interface ModelNode {
  readonly kind: "model";
  readonly model: ModelEntry;
}
export type ModelTreeNode = ModelGroupNode | ModelNode;

/** The group that has the newest model comes first, and so does the newest model within it. */
export function groupModels(
  models: readonly ModelEntry[],
  runOf: (folder: string) => RunSummary | undefined,
): ModelGroupNode[] {
  const groups = new Map<string | undefined, ModelEntry[]>();
  const ordered = [...models].sort(
    (a, b) => compare(b.modifiedAt, a.modifiedAt) || (b.step ?? 0) - (a.step ?? 0) || compare(a.path, b.path),
  );
  for (const model of ordered) {
    const group = groups.get(model.run);
    if (group === undefined) groups.set(model.run, [model]);
    else group.push(model);
  }
  return [...groups].map(([folder, entries]) => ({
    kind: "group",
    folder,
    run: folder === undefined ? undefined : runOf(folder),
    models: entries.map((model) => ({ kind: "model", model })),
  }));
}

export function modelGroupFace({ folder, run, models }: ModelGroupNode): Face {
  const label = folder === undefined ? "Other models" : oneLine(run?.name ?? models[0]!.model.title);
  const facts = [
    plural(models.length, "model"),
    bytes(models.reduce((sum, { model }) => sum + model.bytes, 0)),
  ];
  return {
    id: `group:${folder ?? ""}`,
    label,
    description: facts.join(" · "),
    icon: { id: folder === undefined ? "folder-library" : "beaker" },
    tooltip: folder === undefined ? "Models not produced by a run in this window" : markdownText(folder),
    contextValue: run === undefined ? "models" : "models.made",
    spoken: [label, ...facts].join(", "),
    children: "collapsed",
  };
}

export function modelFace({ model }: ModelNode): Face {
  const { kind, step, family, title, path, modifiedAt } = model;
  const atStep = step === undefined ? undefined : `step ${count(step)}`;
  const label = kind === "checkpoint" && atStep !== undefined ? `Checkpoint, ${atStep}` : oneLine(title);
  const facts = [
    bytes(model.bytes),
    ...(family === undefined ? [] : [oneLine(family, 40)]),
    ...(atStep === undefined || label.endsWith(atStep) ? [] : [atStep]),
  ];
  const word = kind === "checkpoint" ? "checkpoint" : "exported model";
  return {
    id: `model:${path}`,
    label,
    description: facts.join(" · "),
    icon: { id: kind === "checkpoint" ? "save" : "package" },
    tooltip: [`**${markdownText(title)}** ${word}`, `${moment(modifiedAt)}  \n${markdownText(path)}`].join(
      "\n\n",
    ),
    contextValue: `model.${kind}`,
    spoken: [label, ...(kind === "export" ? [word] : []), ...facts].join(", "),
    children: "none",
    click: { command: "lathe.openSelectedModel", title: "Open Weights" },
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
