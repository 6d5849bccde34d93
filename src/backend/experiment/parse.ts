/**
 * Parses an experiment: the YAML cells of a `*.lathe.md` file, or a YAML file whose documents are the cells. Checks
 * everything that needs neither data nor a model, before anything runs.
 */
import { InvalidInput, type Position, WorkbenchError } from "../../protocol/errors";
import { actionKeys, type CellKey, type DeclarationKey, declarationKeys } from "../../schema/cellKeys";
import { createExperimentSchema, type ExperimentSchema, type SchemaCatalog } from "../../schema/experiment";
import { checkBranches } from "./branches";
import { type CellFault, splitCells, type Line, splitLines, maxCharacters } from "../../protocol/cells";
import type { Action, Cell, Experiment, Path, Section } from "./experiment";
import { createFault, toFaults, type Locate, createUnknownWordFault } from "./faults";
import { isMap } from "./plainMap";
import { findPaperFaults } from "./paperFaults";
import { applyScale, findChosenScale, listScaleNames } from "./scales";
import { readYaml, type YamlDocument } from "./yamlText";

export interface ParseResult {
  readonly experiment: Experiment;
  readonly faults: readonly WorkbenchError[];
}

/** Returns the experiment, or throws one `InvalidInput` with all faults of the file. */
export function parseExperiment(text: string, file: string, catalog: SchemaCatalog): Experiment {
  const { experiment, faults } = readExperiment(text, file, createExperimentSchema(catalog));
  if (faults.length > 0) throw new InvalidInput(faults);
  return experiment;
}

/**
 * The readable part, with all faults in the order of the file: what an editor shows while a file is being written.
 */
export function readExperiment(text: string, file: string, schema: ExperimentSchema): ParseResult {
  const faults: WorkbenchError[] = [];
  const empty: Experiment = { file, schema, cells: [], declarations: {}, actions: [], warnings: [] };
  if (text.length > maxCharacters) {
    const place = { file, line: 1, column: 1 };
    const message = `the file has ${text.length} characters; the limit for an experiment is ${maxCharacters}. Keep data in separate files.`;
    return { experiment: empty, faults: [createFault(place, message)] };
  }
  const isYaml = /\.ya?ml$/i.test(file);
  const { sources: source, warnings } = isYaml
    ? { sources: readDocuments(text, file, faults), warnings: [] }
    : readFences(text, file, faults);
  const cells = source.map(({ document, firstLine, lastLine }, index): Cell => {
    return { index, firstLine, lastLine, keys: isMap(document.value) ? Object.keys(document.value) : [] };
  });
  if (source.length === 0 && faults.length === 0) {
    const message = isYaml
      ? "the file is empty. Write keys such as model or train."
      : "the file has no cell. Write a block that starts with ```yaml and contains keys such as model or train.";
    faults.push(createFault({ file, line: 1, column: 1 }, message));
  }
  const sections = source.flatMap((part, index) => readSections(part, index, faults));
  const declarations: Partial<Record<DeclarationKey, Section>> = {};
  for (const section of sections) {
    const { key } = section;
    if (!isDeclaration(key)) continue;
    const earlier = declarations[key]?.find([], "key");
    if (earlier === undefined) declarations[key] = section;
    else
      faults.push(
        createFault(
          getPosition(section),
          `${key} is already declared on line ${earlier.line}. Keep one of them.`,
        ),
      );
  }
  const actions = sections.flatMap(splitActions);
  const unscaled: Experiment = { file, schema, cells, declarations, actions, warnings };
  const choice = findChosenScale(unscaled);
  faults.push(...findOrderFaults(sections), ...findStaticFaults(unscaled, sections), ...choice.faults);
  const scales = listScaleNames(unscaled).map((name) => applyScale(unscaled, name));
  // Every scale must be valid, whichever is chosen.
  for (const each of scales.length === 0 || choice.name === undefined ? [unscaled, ...scales] : scales)
    faults.push(...checkBranches(each), ...findPaperFaults(each));
  const experiment = choice.name === undefined ? unscaled : applyScale(unscaled, choice.name);
  return { experiment, faults: sortFaults(faults) };
}

/** One cell's YAML and the mapping from its offsets to positions in the file. */
interface CellSource {
  readonly document: YamlDocument;
  readonly firstLine: number;
  readonly lastLine: number;
  readonly place: (offset: number) => Position;
}

function readFences(
  text: string,
  file: string,
  faults: WorkbenchError[],
): { sources: CellSource[]; warnings: WorkbenchError[] } {
  const cells = splitCells(text);
  const placed = ({ line, column, message }: CellFault) => createFault({ file, line, column }, `${message}.`);
  faults.push(...cells.faults.map(placed));
  const sources = cells.pieces.flatMap(({ body, firstLine, lastLine }) => {
    if (body === undefined) return [];
    const yaml = text.slice(body.start, body.end);
    const place = createPositionMapper(yaml, file, body.firstLine);
    const { documents, faults: wrong } = readYaml(yaml);
    faults.push(...wrong.map(({ start, message }) => createFault(place(start), `${message}.`)));
    const [document, second] = documents;
    if (second !== undefined)
      faults.push(
        createFault(place(second.start), "a cell is one YAML document. Move the second to its own cell."),
      );
    return document === undefined ? [] : [{ document, firstLine, lastLine, place }];
  });
  return { sources, warnings: cells.warnings.map(placed) };
}

function readDocuments(text: string, file: string, faults: WorkbenchError[]): CellSource[] {
  const place = createPositionMapper(text, file, 1);
  const { documents, faults: wrong } = readYaml(text);
  faults.push(...wrong.map(({ start, message }) => createFault(place(start), `${message}.`)));
  return documents
    .filter(({ value }) => value !== null)
    .map((document) => {
      const lastLine = place(Math.max(document.start, document.end - 1)).line;
      return { document, firstLine: place(document.start).line, lastLine, place };
    });
}

/** Maps an offset in a text to the line and column of the file that the text comes from. */
function createPositionMapper(text: string, file: string, firstLine: number): (offset: number) => Position {
  const lines: Line[] = splitLines(text);
  return (offset) => {
    let low = 0;
    let high = lines.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (lines[middle]!.start <= offset) low = middle;
      else high = middle - 1;
    }
    return { file, line: firstLine + low, column: offset - (lines[low]?.start ?? 0) + 1 };
  };
}

function readSections({ document, place }: CellSource, cell: number, faults: WorkbenchError[]): Section[] {
  const { value } = document;
  const allowed: readonly string[] = [...declarationKeys, ...actionKeys];
  const at = (path: Path, part: "key" | "value" = "value") => {
    const range = document.find(path, part);
    return range === undefined ? undefined : place(range.start);
  };
  if (value === null || value === undefined) return [];
  if (!isMap(value)) {
    faults.push(createFault(at([])!, `a cell is a map of keys to values. Allowed: ${allowed.join(", ")}.`));
    return [];
  }
  return Object.entries(value).flatMap(([key, inside]) => {
    if (allowed.includes(key))
      return [
        {
          key: key as CellKey,
          cell,
          value: inside,
          find: (path: Path, part: "key" | "value" = "value") => at([key, ...path], part),
        },
      ];
    faults.push(createUnknownWordFault(at([key], "key")!, "key", key, allowed));
    return [];
  });
}

/** A list of methods is one action per method, so that each is a separate step. */
function splitActions(section: Section): Action[] {
  const { key, value, find, cell } = section;
  if (isDeclaration(key)) return [];
  if (key !== "compress" || !Array.isArray(value)) return [{ key, value, find, cell }];
  return value.map((entry: unknown, index) => {
    return { key, cell, value: entry, find: (path: Path, part) => find([index, ...path], part) };
  });
}

/** Actions work on the model above them, so a model must come first. */
function findOrderFaults(sections: readonly Section[]): WorkbenchError[] {
  const first = sections.find(({ key }) => key === "model" || key === "base_model");
  const faults: WorkbenchError[] = [];
  if (first === undefined) return faults;
  for (const section of sections.slice(0, sections.indexOf(first)))
    if (!isDeclaration(section.key))
      faults.push(
        createFault(
          getPosition(section),
          `${section.key} comes before any model. Move ${first.key}, on line ${getPosition(first).line}, above it.`,
        ),
      );
  return faults;
}

/** The faults of a section that do not depend on the variants. */
function findStaticFaults(experiment: Experiment, sections: readonly Section[]): WorkbenchError[] {
  const { variants, scales } = experiment.declarations;
  const hasBranches = variants !== undefined || scales !== undefined;
  return sections.flatMap((section) => {
    const { key, value } = section;
    const schema = experiment.schema.shape[key];
    const result = schema.safeParse(value);
    if (result.success) return [];
    const locate: Locate = (path, part) =>
      section.find(path, part) ??
      (path.length === 0 ? getPosition(section) : locate(path.slice(0, -1), "key"));
    // Cells that are joined later are checked again then, with all their keys and the rules between them.
    const complete =
      ["name", "folder", "scale", "scales", "variants", "sweep", "search", "paper"].includes(key) ||
      (!hasBranches && key !== "model");
    return toFaults(result.error.issues, { name: key, schema, value, locate, complete });
  });
}

function getPosition(section: Section): Position {
  return section.find([], "key")!;
}

function isDeclaration(key: string): key is DeclarationKey {
  return (declarationKeys as readonly string[]).includes(key);
}

/** Sorts by position and keeps one fault per position: the same mistake appears in its cell and in every variant. */
function sortFaults(faults: readonly WorkbenchError[]): WorkbenchError[] {
  const seen = new Map<string, WorkbenchError>();
  for (const each of faults) {
    const { position, missing } = each.details;
    const key = typeof missing === "string" ? missing : "";
    const where = position === undefined ? each.message : `${position.line}:${position.column}:${key}`;
    if (!seen.has(where)) seen.set(where, each);
  }
  return [...seen.values()].sort((a, b) => {
    const [x, y] = [a.details.position, b.details.position];
    if (x === undefined || y === undefined) return x === y ? 0 : x === undefined ? 1 : -1;
    return x.line - y.line || x.column - y.column;
  });
}
