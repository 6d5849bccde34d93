/** The rules of the import table as data, and the check that holds a source tree against them. */
import { importsOf, resolveImport, type Sources } from "./imports";

/**
 * Folder or file → the folders it may import besides itself; the longest match counts. Where this goes beyond the table
 * of the design: training, methods and evaluation speak the protocol's records and errors; experiment files are read where
 * they are parsed; language answers what an editor asks of their text, and service puts all of it behind one connection;
 * coding makes weights smaller in files without loss; imports and exports turn checkpoints into files of other programs and
 * back; card compares runs with what was published, and report makes pages of it; bench measures what
 * training does; pictures are drawn from numbers, for pages and for files alike; schemaCatalog joins the catalogs' schemas.
 */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  "src/schema": [],
  "src/protocol": ["src/schema"],
  "src/statistics": ["src/protocol", "src/schema"],
  "src/pictures": ["src/protocol", "src/statistics"],
  "src/backend/graph": [],
  "src/backend/engine": ["src/backend/graph", "src/protocol", "src/schema"],
  "src/backend/data": ["src/protocol", "src/schema"],
  "src/backend/representations": ["src/backend/graph"],
  "src/backend/models": ["src/backend/graph", "src/backend/representations", "src/protocol", "src/schema"],
  "src/backend/checkpoints": [
    "src/backend/graph",
    "src/backend/models",
    "src/backend/representations",
    "src/protocol",
  ],
  "src/backend/coding": [
    "src/backend/checkpoints",
    "src/backend/graph",
    "src/backend/models",
    "src/backend/representations",
    "src/protocol",
  ],
  "src/backend/training": [
    "src/backend/checkpoints",
    "src/backend/data",
    "src/backend/engine",
    "src/backend/graph",
    "src/backend/models",
    "src/backend/representations",
    "src/protocol",
    "src/schema",
  ],
  "src/backend/evaluation": [
    "src/backend/checkpoints",
    "src/backend/coding",
    "src/backend/data",
    "src/backend/engine",
    "src/backend/graph",
    "src/backend/models",
    "src/backend/representations",
    "src/backend/training",
    "src/protocol",
    "src/schema",
    "src/statistics",
  ],
  "src/backend/compression": [
    "src/backend/checkpoints",
    "src/backend/data",
    "src/backend/engine",
    "src/backend/graph",
    "src/backend/models",
    "src/backend/representations",
    "src/backend/training",
    "src/protocol",
    "src/schema",
  ],
  "src/backend/methods": [
    "src/backend/checkpoints",
    "src/backend/compression",
    "src/backend/graph",
    "src/backend/models",
    "src/backend/representations",
    "src/backend/training",
    "src/protocol",
    "src/schema",
  ],
  "src/backend/strategies": [
    "src/backend/checkpoints",
    "src/backend/compression",
    "src/backend/methods",
    "src/backend/models",
    "src/protocol",
  ],
  "src/backend/analysis": [
    "src/backend/checkpoints",
    "src/backend/graph",
    "src/backend/imports",
    "src/backend/models",
    "src/backend/representations",
    "src/protocol",
  ],
  "src/backend/experiment": ["src/protocol", "src/schema"],
  "src/backend/card": ["src/protocol", "src/schema", "src/statistics"],
  "src/backend/imports": [
    "src/backend/checkpoints",
    "src/backend/coding",
    "src/backend/data",
    "src/backend/graph",
    "src/backend/models",
    "src/backend/representations",
    "src/protocol",
    "src/schema",
  ],
  "src/backend/exports": [
    "src/backend/checkpoints",
    "src/backend/coding",
    "src/backend/data",
    "src/backend/evaluation",
    "src/backend/graph",
    "src/backend/models",
    "src/backend/representations",
    "src/protocol",
    "src/schema",
  ],
  "src/backend/bench": [
    "src/backend/checkpoints",
    "src/backend/coding",
    "src/backend/compression",
    "src/backend/data",
    "src/backend/engine",
    "src/backend/evaluation",
    "src/backend/graph",
    "src/backend/methods",
    "src/backend/models",
    "src/backend/representations",
    "src/backend/training",
    "src/protocol",
    "src/schema",
  ],
  "src/backend/report": ["src/backend", "src/pictures", "src/protocol", "src/schema", "src/statistics"],
  "src/backend/runs": ["src/backend", "src/protocol", "src/schema", "src/statistics"],
  "src/backend/language": [
    "src/backend/data",
    "src/backend/experiment",
    "src/backend/runs",
    "src/backend/schemaCatalog.ts",
    "src/protocol",
    "src/schema",
  ],
  "src/backend/service": ["src/backend", "src/protocol", "src/schema"],
  "src/backend/schemaCatalog.ts": ["src/backend", "src/protocol", "src/schema"],
  "src/backend/main.ts": ["src/backend", "src/protocol"],
  "src/backend/handlers.ts": ["src/backend", "src/protocol"],
  "src/cli": ["src/backend", "src/pictures", "src/protocol", "src/schema", "src/statistics"],
  "src/extension": ["src/protocol", "src/schema"],
  webview: ["src/pictures", "src/protocol", "src/schema", "src/statistics"],
};

/** Package → the only folders that import it, since what it stands for is theirs alone. */
export const owners: Readonly<Record<string, readonly string[]>> = {
  "onnxruntime-node": ["src/backend/engine"],
  vscode: ["src/extension"],
  "chart.js": ["webview"],
  "chartjs-plugin-zoom": ["webview"],
  "@vscode/webview-ui-toolkit": ["webview"],
  "@tanstack/table-core": ["webview"],
  "@tanstack/virtual-core": ["webview"],
  lit: ["webview"],
  "crc-32": ["src/backend/exports"],
  "ml-matrix": ["src/backend/compression"],
  protobufjs: ["src/backend/graph", "src/backend/engine", "src/backend/exports", "src/backend/data"],
  yaml: ["src/backend/experiment", "src/backend/language", "src/backend/runs"],
  "@huggingface/jinja": ["src/backend/data"],
  "@huggingface/tokenizers": ["src/backend/data"],
  "csv-parse": ["src/backend/data"],
  hyparquet: ["src/backend/data"],
  "hyparquet-compressors": ["src/backend/data"],
  tinyglobby: ["src/backend/data"],
  systeminformation: ["src/backend/engine", "src/backend/runs"],
  commander: ["src/cli"],
  "cli-progress": ["src/cli"],
  "cli-table3": ["src/cli"],
  asciichart: ["src/cli"],
  picocolors: ["src/cli"],
};

/** Folders that touch neither files nor processes. */
export const withoutNode = [
  "src/schema",
  "src/protocol",
  "src/statistics",
  "src/pictures",
  "src/backend/graph",
  "src/backend/representations",
  "src/backend/models",
  "webview",
];

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

function isIn(file: string, folder: string): boolean {
  return file === folder || file.startsWith(`${folder}/`);
}

function longest(file: string, folders: readonly string[]): string | undefined {
  return folders.filter((folder) => isIn(file, folder)).sort((a, b) => b.length - a.length)[0];
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
