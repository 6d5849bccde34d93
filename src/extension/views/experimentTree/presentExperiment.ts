/** Experiments, their variants and their cells as rows. */
import type { CellKey } from "../../../schema/cellKeys";
import type { Outline, OutlineCell } from "../../../protocol/service/experiments";
import { isActive } from "../../../protocol/run";
import type { RunSummary } from "../../../protocol/service/runs";
import type { NodePresentation, Icon } from "../nodePresentation";
import { statePresentations, findWorstState } from "../runTree/runStates";
import { getExperimentTitle, escapeMarkdown, toSingleLine } from "../text";
import { plural, t } from "../../l10n";

/** `experiment` is the file's absolute path in all of them. */
export interface FileNode {
  readonly kind: "experiment";
  readonly experiment: string;
  /** Folder of the file as seen from the workspace. */
  readonly folder: string;
}
export interface VariantNode {
  readonly kind: "variant";
  readonly file: FileNode;
  readonly experiment: string;
  readonly variant: string;
  readonly line: number;
}
export interface CellNode {
  readonly kind: "cell";
  readonly file: FileNode;
  readonly experiment: string;
  readonly cell: number;
  readonly outline: OutlineCell;
}
/** Shows how many faults the file has; a click opens it where they are underlined. */
export interface FaultsNode {
  readonly kind: "faults";
  readonly file: FileNode;
  readonly experiment: string;
  readonly faults: number;
}
export type ExperimentChild = VariantNode | CellNode | FaultsNode;
export type ExperimentNode = FileNode | ExperimentChild;

const openCell = { command: "lathe.openSelectedCell", title: t("Open") };

export function presentFile(
  node: FileNode,
  runs: readonly RunSummary[],
  outline: Outline | undefined,
): NodePresentation {
  const { experiment, folder } = node;
  const label = toSingleLine(getExperimentTitle(experiment));
  const state = findWorstState(runs);
  const faults = outline?.faults ?? 0;
  const facts = [
    ...describeRuns(runs),
    ...(faults === 0 ? [] : [plural(faults, "1 fault", "{0} faults")]),
    ...(folder === "" ? [] : [toSingleLine(folder, 60)]),
  ];
  const plans = outline?.runs === undefined ? [] : [plural(outline.runs, "Plans 1 run.", "Plans {0} runs.")];
  const title = outline === undefined || outline.title === "" ? [] : [`**${escapeMarkdown(outline.title)}**`];
  return {
    id: `experiment:${experiment}`,
    label,
    description: facts.join(" · "),
    icon: faults > 0 ? { id: "warning", color: "list.warningForeground" } : getIcon(state, "notebook"),
    tooltip: [...title, escapeMarkdown(experiment), ...plans].join("\n\n"),
    contextValue: ["experiment", ...(faults > 0 ? ["faulty"] : []), ...(runs.length > 0 ? ["ran"] : [])].join(
      ".",
    ),
    spoken: [
      label,
      ...facts,
      ...(state === undefined ? [] : [t("worst: {0}", statePresentations[state].word)]),
    ].join(", "),
    children: "collapsed",
    click: openCell,
  };
}

export function presentVariant(
  { variant, line }: VariantNode,
  runs: readonly RunSummary[],
): NodePresentation {
  const state = findWorstState(runs);
  const facts = describeRuns(runs);
  return {
    label: toSingleLine(variant),
    description: facts.join(" · "),
    icon: getIcon(state, "git-branch"),
    contextValue: runs.length > 0 ? "variant.ran" : "variant",
    spoken: [
      t("Variant {0}", toSingleLine(variant)),
      ...facts,
      ...(state === undefined ? [] : [t("worst: {0}", statePresentations[state].word)]),
      t("line {0}", line),
    ].join(", "),
    children: "none",
    click: openCell,
  };
}

export function presentCell({ outline }: CellNode): NodePresentation {
  const { index, keys, actions, firstLine } = outline;
  const label = keys.map((key) => toSingleLine(key, 40)).join(", ") || t("empty cell");
  const mainKey = actions[0] ?? keys[0];
  return {
    label,
    description: t("line {0}", firstLine),
    icon: { id: mainKey === undefined ? "circle-outline" : (cellIcons[mainKey] ?? "symbol-key") },
    contextValue: actions.length > 0 ? "cell.action" : "cell",
    spoken: t("Cell {0}: {1}, line {2}", index + 1, label, firstLine),
    children: "none",
    click: openCell,
  };
}

export function presentFaults({ faults }: FaultsNode): NodePresentation {
  const label = plural(faults, "1 fault", "{0} faults");
  return {
    label,
    description: t("underlined in the file"),
    icon: { id: "warning", color: "list.warningForeground" },
    contextValue: "faults",
    spoken: t("{0}, underlined in the file", label),
    children: "none",
    click: openCell,
  };
}

const cellIcons: Readonly<Partial<Record<CellKey, string>>> = {
  data: "database",
  model: "circuit-board",
  base_model: "circuit-board",
  variants: "git-branch",
  sweep: "list-tree",
  paper: "book",
  device: "chip",
  train: "pulse",
  compress: "fold",
  merge: "git-merge",
  evaluate: "checklist",
  export: "package",
  report: "output",
};

function describeRuns(runs: readonly RunSummary[]): string[] {
  const active = runs.filter(isActive).length;
  return [
    ...(runs.length === 0 ? [] : [plural(runs.length, "1 run", "{0} runs")]),
    ...(active === 0 ? [] : [t("{0} active", active)]),
  ];
}

function getIcon(state: RunSummary["state"] | undefined, fallback: string): Icon {
  return state === undefined ? { id: fallback } : statePresentations[state].icon;
}

export function createChildren(file: FileNode, { variants, cells, faults }: Outline): ExperimentChild[] {
  const { experiment } = file;
  return [
    ...(faults === 0 ? [] : [{ kind: "faults" as const, file, experiment, faults }]),
    ...variants.map(({ name, line }) => ({
      kind: "variant" as const,
      file,
      experiment,
      variant: name,
      line,
    })),
    ...cells.map((outline) => ({
      kind: "cell" as const,
      file,
      experiment,
      cell: outline.index,
      outline,
    })),
  ];
}
