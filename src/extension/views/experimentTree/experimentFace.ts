/** Experiments, their variants and their cells as rows. */
import type { CellKey } from "../../../schema/cellKeys";
import type { Outline, OutlineCell } from "../../../protocol/service/experiments";
import { isActive } from "../../../protocol/run";
import type { RunSummary } from "../../../protocol/service/runs";
import type { Face, Icon } from "../face";
import { plural } from "../../../protocol/quantities";
import { stateFaces, worstState } from "../runTree/runStates";
import { experimentTitle, markdownText, oneLine } from "../text";

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

const openCell = { command: "lathe.openSelectedCell", title: "Open" };

export function fileFace(node: FileNode, runs: readonly RunSummary[], outline: Outline | undefined): Face {
  const { experiment, folder } = node;
  const label = oneLine(experimentTitle(experiment));
  const worst = worstState(runs);
  const faults = outline?.faults ?? 0;
  const facts = [
    ...runFacts(runs),
    ...(faults === 0 ? [] : [plural(faults, "fault")]),
    ...(folder === "" ? [] : [oneLine(folder, 60)]),
  ];
  const plans = outline?.runs === undefined ? [] : [`Plans ${plural(outline.runs, "run")}.`];
  const title = outline === undefined || outline.title === "" ? [] : [`**${markdownText(outline.title)}**`];
  return {
    id: `experiment:${experiment}`,
    label,
    description: facts.join(" · "),
    icon: faults > 0 ? { id: "warning", color: "list.warningForeground" } : iconOf(worst, "notebook"),
    tooltip: [...title, markdownText(experiment), ...plans].join("\n\n"),
    contextValue: ["experiment", ...(faults > 0 ? ["faulty"] : []), ...(runs.length > 0 ? ["ran"] : [])].join(
      ".",
    ),
    spoken: [label, ...facts, ...(worst === undefined ? [] : [`worst: ${stateFaces[worst].word}`])].join(
      ", ",
    ),
    children: "collapsed",
    click: openCell,
  };
}

export function variantFace({ variant, line }: VariantNode, runs: readonly RunSummary[]): Face {
  const worst = worstState(runs);
  const facts = runFacts(runs);
  return {
    label: oneLine(variant),
    description: facts.join(" · "),
    icon: iconOf(worst, "git-branch"),
    contextValue: runs.length > 0 ? "variant.ran" : "variant",
    spoken: [
      `Variant ${oneLine(variant)}`,
      ...facts,
      ...(worst === undefined ? [] : [`worst: ${stateFaces[worst].word}`]),
      `line ${line}`,
    ].join(", "),
    children: "none",
    click: openCell,
  };
}

export function cellFace({ outline }: CellNode): Face {
  const { index, keys, actions, firstLine } = outline;
  const label = keys.map((key) => oneLine(key, 40)).join(", ") || "empty cell";
  const main = actions[0] ?? keys[0];
  return {
    label,
    description: `line ${firstLine}`,
    icon: { id: main === undefined ? "circle-outline" : (cellIcons[main] ?? "symbol-key") },
    contextValue: actions.length > 0 ? "cell.action" : "cell",
    spoken: `Cell ${index + 1}: ${label}, line ${firstLine}`,
    children: "none",
    click: openCell,
  };
}

export function faultsFace({ faults }: FaultsNode): Face {
  const label = plural(faults, "fault");
  return {
    label,
    description: "underlined in the file",
    icon: { id: "warning", color: "list.warningForeground" },
    contextValue: "faults",
    spoken: `${label}, underlined in the file`,
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
  evaluate: "checklist",
  export: "package",
  report: "output",
};

function runFacts(runs: readonly RunSummary[]): string[] {
  const active = runs.filter(isActive).length;
  return [
    ...(runs.length === 0 ? [] : [plural(runs.length, "run")]),
    ...(active === 0 ? [] : [`${active} active`]),
  ];
}

function iconOf(state: RunSummary["state"] | undefined, other: string): Icon {
  return state === undefined ? { id: other } : stateFaces[state].icon;
}

export function childrenOf(file: FileNode, { variants, cells, faults }: Outline): ExperimentChild[] {
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
