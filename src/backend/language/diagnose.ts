/** The faults of an experiment's text as ranges: what the command line prints as `file:line:column`. */
import { isCollection, visit } from "yaml";
import { maxCharacters } from "../../protocol/cells";
import { InvalidInput, type WorkbenchError } from "../../protocol/errors";
import type { ExperimentSchema } from "../../schema/experiment";
import type { Diagnostic, ExperimentText } from "../../protocol/service/experiments";
import { version } from "../../protocol/version";
import type { Experiment } from "../experiment/experiment";
import { readExperiment } from "../experiment/parse";
import { planRuns } from "../experiment/plan";
import type { RunPlan } from "../../protocol/run";
import { findCellAtOffset, type CellText, listCellTexts, TextPositions } from "./cellTexts";
import { getExtent, parseLooseDocument } from "./looseYaml";

/** An analyzed text: its plans, or its faults. */
export interface ExperimentAnalysis {
  readonly experiment: Experiment;
  readonly faults: readonly WorkbenchError[];
  /** Empty if there are faults. */
  readonly plans: readonly RunPlan[];
}

/** `name` is the file's name in plans, relative to the workspace. */
export function analyze(
  { file, text }: ExperimentText,
  schema: ExperimentSchema,
  name: string = file,
): ExperimentAnalysis {
  const { experiment, faults } = readExperiment(text, file, schema);
  if (faults.length > 0) return { experiment, faults, plans: [] };
  try {
    return { experiment, faults, plans: planRuns(experiment, { codeVersion: version, file: name }) };
  } catch (thrown) {
    if (thrown instanceof InvalidInput) return { experiment, faults: thrown.faults, plans: [] };
    throw thrown;
  }
}

/** More than anyone reads; a text with more is not an experiment. */
const maxDiagnostics = 500;

export function diagnose(document: ExperimentText, { faults, experiment }: ExperimentAnalysis): Diagnostic[] {
  const { warnings } = experiment;
  if (faults.length + warnings.length === 0) return [];
  const { text } = document;
  const positions = new TextPositions(text);
  const cells = text.length > maxCharacters ? [] : listCellTexts(document.file, text);
  const extents = new Map<CellText, ReadonlyMap<number, number>>();
  return [...faults, ...warnings].slice(0, maxDiagnostics).map((fault, i): Diagnostic => {
    const { position, nearest } = fault.details;
    const start = position === undefined ? 0 : positions.offsetOf(position.line, position.column);
    const cell = position === undefined ? undefined : findCellAtOffset(cells, start);
    if (cell !== undefined && !extents.has(cell)) extents.set(cell, findExtents(cell));
    const extent = cell === undefined ? undefined : extents.get(cell)?.get(start - cell.start);
    const [from, to] = computeVisibleRange(
      positions,
      start,
      extent === undefined ? undefined : cell!.start + extent,
    );
    const of = cell ?? cells.find(({ firstLine, lastLine }) => clamp(position?.line, firstLine, lastLine));
    return {
      range: positions.range(from, to),
      ...(of === undefined ? {} : { cell: of.index }),
      severity: i < faults.length ? "error" : "warning",
      message: stripPosition(fault),
      ...(nearest === undefined ? {} : { replacement: nearest }),
    };
  });
}

/** The message without its position, which is reported separately. */
function stripPosition({ message, details: { position } }: WorkbenchError): string {
  if (position === undefined) return message;
  const prefix = `${position.file}:${position.line}:${position.column}: `;
  return message.startsWith(prefix) ? message.slice(prefix.length) : message;
}

function clamp(line: number | undefined, first: number, last: number): boolean {
  return line !== undefined && line >= first && line <= last;
}

/** The end of each word and flow collection of a cell, by its start; the innermost wins. */
function findExtents({ yaml }: CellText): ReadonlyMap<number, number> {
  const ends = new Map<number, number>();
  const document = parseLooseDocument(yaml);
  if (document === undefined) return ends;
  visit(document, {
    Node: (_, node) => {
      if (isCollection(node) && node.flow !== true) return;
      const extent = getExtent(node);
      if (extent !== undefined && extent[1] > extent[0]) ends.set(...extent);
    },
  });
  return ends;
}

/** A visible range on one line: up to the end of the word or the line, and the character before if that is empty. */
function computeVisibleRange(
  positions: TextPositions,
  start: number,
  end: number | undefined,
): [from: number, to: number] {
  const line = positions.lineAt(start);
  const rest = line.text.slice(start - line.start);
  const wordEnd = start + (/^.*?(?=\s*(?::\s|:$|\s#|$))/.exec(rest)?.[0].length ?? 0);
  const to = Math.min(end ?? wordEnd, line.start + line.text.trimEnd().length);
  if (to > start) return [start, to];
  // For a missing value, mark the word before it.
  const before = /\S+\s*$/.exec(line.text.slice(0, start - line.start));
  if (before === null) return [start, Math.max(start, line.end)];
  return [line.start + before.index, line.start + before.index + before[0].trimEnd().length];
}
