/** Checkpoints and exported models as rows, grouped by the run that made them. */
import { compareText } from "../../../protocol/compareText";
import type { ModelEntry } from "../../../protocol/service/models";
import type { RunSummary } from "../../../protocol/service/runs";
import type { NodePresentation } from "../nodePresentation";
import { formatBytes, formatCount, formatDateTime } from "../../../protocol/quantities";
import { escapeMarkdown, toSingleLine } from "../text";
import { plural, t } from "../../l10n";

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
  getRun: (folder: string) => RunSummary | undefined,
): ModelGroupNode[] {
  const groups = new Map<string | undefined, ModelEntry[]>();
  const newestFirst = [...models].sort(
    (a, b) =>
      compareText(b.modifiedAt, a.modifiedAt) || (b.step ?? 0) - (a.step ?? 0) || compareText(a.path, b.path),
  );
  for (const model of newestFirst) {
    const group = groups.get(model.run);
    if (group === undefined) groups.set(model.run, [model]);
    else group.push(model);
  }
  return [...groups].map(([folder, entries]) => ({
    kind: "group",
    folder,
    run: folder === undefined ? undefined : getRun(folder),
    models: entries.map((model) => ({ kind: "model", model })),
  }));
}

export function presentModelGroup({ folder, run, models }: ModelGroupNode): NodePresentation {
  const label = folder === undefined ? t("Other models") : toSingleLine(run?.name ?? models[0]!.model.title);
  const facts = [
    plural(models.length, "1 model", "{0} models"),
    formatBytes(models.reduce((sum, { model }) => sum + model.bytes, 0)),
  ];
  return {
    id: `group:${folder ?? ""}`,
    label,
    description: facts.join(" · "),
    icon: { id: folder === undefined ? "folder-library" : "beaker" },
    tooltip: folder === undefined ? t("Models not produced by a run in this window") : escapeMarkdown(folder),
    contextValue: run === undefined ? "models" : "models.made",
    spoken: [label, ...facts].join(", "),
    children: "collapsed",
  };
}

export function presentModel({ model }: ModelNode): NodePresentation {
  const { kind, step, family, title, path, modifiedAt } = model;
  const atStep = step === undefined ? undefined : t("step {0}", formatCount(step));
  const label =
    kind === "checkpoint" && atStep !== undefined ? t("Checkpoint, {0}", atStep) : toSingleLine(title);
  const facts = [
    formatBytes(model.bytes),
    ...(family === undefined ? [] : [toSingleLine(family, 40)]),
    ...(atStep === undefined || label.endsWith(atStep) ? [] : [atStep]),
  ];
  const kindText = kind === "checkpoint" ? t("checkpoint") : t("exported model");
  return {
    id: `model:${path}`,
    label,
    description: facts.join(" · "),
    icon: { id: kind === "checkpoint" ? "save" : "package" },
    tooltip: [
      `**${escapeMarkdown(title)}** ${kindText}`,
      `${formatDateTime(modifiedAt)}  \n${escapeMarkdown(path)}`,
    ].join("\n\n"),
    contextValue: `model.${kind}`,
    spoken: [label, ...(kind === "export" ? [kindText] : []), ...facts].join(", "),
    children: "none",
    click: { command: "lathe.openSelectedModel", title: t("Open Weights") },
  };
}
