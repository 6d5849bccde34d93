/** Checks a source tree against the import table. */
import { mayImport, owners, withoutNode } from "../../scripts/structure/importTable";
import { importsOf, isIn, longest, resolveImport, type Sources } from "../../scripts/structure/imports";

export const mostLines = 400;

/** One line a violation, with its place; none where all rules hold. */
export function violations(sources: Sources): string[] {
  const found: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [file, text] of sources) {
    const folder = longest(file, Object.keys(mayImport));
    if (folder === undefined) found.push(`${file}: no rule of the import table covers it`);
    if (/(^|\/)index\.tsx?$/.test(file))
      found.push(`${file}: an index file hides what is imported from where`);
    if (/^export \* from/m.test(text)) found.push(`${file}: a barrel hides what is imported from where`);
    const lines = text.split("\n").length - 1;
    if (lines > mostLines) found.push(`${file}: ${lines} lines, and a file has at most ${mostLines}`);
    const targets: string[] = [];
    graph.set(file, targets);
    for (const { specifier, line } of importsOf(text, file)) {
      const at = `${file}:${line}`;
      if (!specifier.startsWith(".")) found.push(...packageViolation(at, file, specifier));
      else if (!specifier.endsWith(".json")) {
        const target = resolveImport(sources, file, specifier);
        if (target === undefined) found.push(`${at}: ${specifier} leads to no file of the tree`);
        else targets.push(target);
        if (target !== undefined && folder !== undefined)
          found.push(...folderViolation(at, file, folder, target));
      }
    }
  }
  const methods = [...sources].filter(([file, text]) => isMethod(file, text)).map(([file]) => file);
  for (const file of methods)
    for (const target of graph.get(file) ?? [])
      if (methods.includes(target)) found.push(`${file}: a method imports another method, ${target}`);
  found.push(...cycles(graph).map((cycle) => `cycle: ${cycle.join(" → ")}`));
  return found;
}

function packageViolation(at: string, file: string, specifier: string): string[] {
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  const folders = owners[name];
  if (folders !== undefined && !folders.some((folder) => isIn(file, folder)))
    return [`${at}: ${name} belongs to ${folders.join(" and ")}`];
  if (specifier.startsWith("node:") && withoutNode.some((folder) => isIn(file, folder)))
    return [`${at}: ${specifier} reaches outside the program, which this folder does not`];
  return [];
}

function folderViolation(at: string, file: string, folder: string, target: string): string[] {
  const allowed = [folder, ...mayImport[folder]!];
  if (allowed.some((each) => isIn(target, each))) return [];
  return [`${at}: ${folder} does not import ${longest(target, Object.keys(mayImport)) ?? target}`];
}

function isMethod(file: string, text: string): boolean {
  return isIn(file, "src/backend/methods") && !file.endsWith("/catalog.ts") && /^export default /m.test(text);
}

/** One cycle for each import that closes one, found depth first. */
export function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    if (done.has(file)) return;
    const start = path.indexOf(file);
    if (start >= 0) {
      found.push([...path.slice(start), file]);
      return;
    }
    path.push(file);
    for (const target of graph.get(file) ?? []) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return found;
}
