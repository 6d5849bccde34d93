/** Checks a source tree against the import table. */
import { mayImport, owners, nodeFreeFolders } from "../../scripts/structure/importTable";
import {
  findImports,
  isIn,
  findLongestPrefix,
  resolveImport,
  type Sources,
} from "../../scripts/structure/imports";

export const maxLines = 400;

/** One line per violation, with its place; empty if all rules hold. */
export function findViolations(sources: Sources): string[] {
  const violations: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [file, text] of sources) {
    const folder = findLongestPrefix(file, Object.keys(mayImport));
    if (folder === undefined) violations.push(`${file}: no rule of the import table covers it`);
    if (/(^|\/)index\.tsx?$/.test(file))
      violations.push(`${file}: an index file hides what is imported from where`);
    if (/^export \* from/m.test(text)) violations.push(`${file}: a barrel hides what is imported from where`);
    const lines = text.split("\n").length - 1;
    if (lines > maxLines) violations.push(`${file}: ${lines} lines, and a file has at most ${maxLines}`);
    const targets: string[] = [];
    graph.set(file, targets);
    for (const { specifier, line } of findImports(text, file)) {
      const at = `${file}:${line}`;
      if (!specifier.startsWith(".")) violations.push(...findPackageViolations(at, file, specifier));
      else if (!specifier.endsWith(".json")) {
        const target = resolveImport(sources, file, specifier);
        if (target === undefined) violations.push(`${at}: ${specifier} leads to no file of the tree`);
        else targets.push(target);
        if (target !== undefined && folder !== undefined)
          violations.push(...findFolderViolations(at, file, folder, target));
      }
    }
  }
  const methods = [...sources].filter(([file, text]) => isMethod(file, text)).map(([file]) => file);
  for (const file of methods)
    for (const target of graph.get(file) ?? [])
      if (methods.includes(target)) violations.push(`${file}: a method imports another method, ${target}`);
  violations.push(...findCycles(graph).map((cycle) => `cycle: ${cycle.join(" → ")}`));
  return violations;
}

function findPackageViolations(at: string, file: string, specifier: string): string[] {
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  const folders = owners[name];
  if (folders !== undefined && !folders.some((folder) => isIn(file, folder)))
    return [`${at}: ${name} belongs to ${folders.join(" and ")}`];
  if (specifier.startsWith("node:") && nodeFreeFolders.some((folder) => isIn(file, folder)))
    return [`${at}: ${specifier} reaches outside the program, which this folder does not`];
  return [];
}

function findFolderViolations(at: string, file: string, folder: string, target: string): string[] {
  const allowed = [folder, ...mayImport[folder]!];
  if (allowed.some((each) => isIn(target, each))) return [];
  return [`${at}: ${folder} does not import ${findLongestPrefix(target, Object.keys(mayImport)) ?? target}`];
}

function isMethod(file: string, text: string): boolean {
  return isIn(file, "src/backend/methods") && !file.endsWith("/catalog.ts") && /^export default /m.test(text);
}

/** One cycle for each import that closes one, found depth-first. */
export function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const visited = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    if (visited.has(file)) return;
    const start = path.indexOf(file);
    if (start >= 0) {
      cycles.push([...path.slice(start), file]);
      return;
    }
    path.push(file);
    for (const target of graph.get(file) ?? []) visit(target);
    path.pop();
    visited.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return cycles;
}
