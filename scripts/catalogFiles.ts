/** Writes the catalogs: every file of a catalog folder with a default export is an entry, and its name is the id. */
import { mkdir, readdir, readFile } from "node:fs/promises";
import path from "node:path";

interface CatalogFolder {
  readonly folder: string;
  /** What the catalog exports. */
  readonly name: string;
  /** What an entry is, in words. */
  readonly entry: string;
  /** The type of an entry and the module that has it; without one each entry keeps its own type. */
  readonly type?: readonly [name: string, module: string];
  /** The type of the ids, if another module defines which must exist. */
  readonly ids?: readonly [name: string, module: string];
}

const folders: readonly CatalogFolder[] = [
  {
    folder: "src/backend/models",
    name: "models",
    entry: "family of models",
    type: ["AnyFamily", "./family"],
  },
  {
    folder: "src/backend/representations",
    name: "representations",
    entry: "representation",
    type: ["AnyRepresentation", "./representation"],
  },
  {
    folder: "src/backend/methods",
    name: "methods",
    entry: "method",
    type: ["AnyMethod", "../compression/method"],
  },
  {
    folder: "src/backend/strategies",
    name: "strategies",
    entry: "strategy",
    type: ["AnyStrategy", "./strategy"],
  },
  {
    folder: "src/backend/merging",
    name: "mergeMethods",
    entry: "method of merging",
    type: ["AnyMergeMethod", "./mergeMethod"],
  },
  {
    folder: "src/backend/caches",
    name: "cachePolicies",
    entry: "cache policy",
    type: ["AnyCachePolicy", "./policy"],
  },
  { folder: "src/backend/evaluation", name: "metrics", entry: "metric", type: ["AnyMetric", "./metric"] },
  {
    folder: "src/backend/evaluation/prompts",
    name: "promptPolicies",
    entry: "prompt policy",
    type: ["AnyPromptPolicy", "./promptPolicy"],
  },
  {
    folder: "src/backend/evaluation/tasks",
    name: "tasks",
    entry: "task",
    type: ["Task", "../harness/task"],
  },
  {
    folder: "src/backend/data/datasets",
    name: "dataSets",
    entry: "named data set",
    type: ["NamedDataSet", "../namedDataSet"],
  },
  {
    folder: "src/backend/imports/named",
    name: "namedModels",
    entry: "named model",
    type: ["NamedModel", "../namedModel"],
  },
  { folder: "src/backend/training/optimizers", name: "optimizers", entry: "optimizer" },
  {
    folder: "src/backend/exports",
    name: "exporters",
    entry: "export format",
    type: ["AnyExporter", "./exporter"],
  },
  {
    folder: "src/backend/exports/histories",
    name: "historyExporters",
    entry: "format of a run's history",
    type: ["HistoryExporter", "./historyExporter"],
  },
  {
    folder: "src/backend/runs/actions",
    name: "actions",
    entry: "action of a run",
    type: ["Action", "../steps/action"],
    ids: ["ActionKey", "../../../schema/cellKeys"],
  },
  { folder: "src/cli/commands", name: "commands", entry: "command", type: ["AnyCommand", "../command"] },
  {
    folder: "src/extension/commands",
    name: "commands",
    entry: "command of the extension",
    type: ["Command", "../command"],
  },
  {
    folder: "src/extension/views",
    name: "views",
    entry: "tree of the side panel",
    type: ["View", "../view"],
  },
  {
    folder: "src/extension/panels",
    name: "panels",
    entry: "panel",
    type: ["Panel", "./panel"],
    ids: ["PanelId", "../../protocol/page"],
  },
];
/** Folders with several operations in each file. */
const operations = {
  "src/backend/graph/ops": { name: "ops", entry: "operation" },
  "src/backend/graph/composites": { name: "composites", entry: "composite operation" },
} as const;

/** Path from the root → text, before formatting. */
export async function createCatalogFiles(root: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const folder of folders)
    files.set(`${folder.folder}/catalog.ts`, createCatalogText(folder, await listEntries(root, folder)));
  for (const [folder, { name, entry }] of Object.entries(operations))
    files.set(`${folder}/catalog.ts`, createOperationsText(name, entry, await listModules(root, folder)));
  return files;
}

async function listModules(root: string, folder: string): Promise<string[]> {
  await mkdir(path.join(root, folder), { recursive: true });
  const names = await readdir(path.join(root, folder));
  return names
    .filter((name) => /\.ts$/.test(name) && !/\.d\.ts$/.test(name) && name !== "catalog.ts")
    .map((name) => name.slice(0, -".ts".length))
    .sort();
}

async function listEntries(root: string, { folder, type }: CatalogFolder): Promise<string[]> {
  const ids: string[] = [];
  for (const id of await listModules(root, folder)) {
    const text = await readFile(path.join(root, folder, `${id}.ts`), "utf8");
    if (/^export default /m.test(text)) ids.push(id);
  }
  if (type === undefined || ids.length === 0) return ids;
  const [name, module] = type;
  const text = await readFile(path.join(root, folder, `${module}.ts`), "utf8");
  if (!new RegExp(`^export (?:type|interface) ${name}\\b`, "m").test(text))
    throw new Error(`${folder}/${module}.ts has to export the type ${name}, which its catalog holds.`);
  return ids;
}

function createCatalogText({ name, entry, type, ids: keys }: CatalogFolder, ids: readonly string[]): string {
  const header = `/** Every ${entry} by its file's name. Written by \`npm run generate\`. */\n`;
  const imports = ids.map((id) => `import ${toIdentifier(id)} from "./${id}";\n`).join("");
  const members = ids.map((id) =>
    toIdentifier(id) === id ? id : `${JSON.stringify(id)}: ${toIdentifier(id)}`,
  );
  const value = `{ ${members.join(", ")} }`;
  if (ids.length === 0) return `${header}export const ${name}: Readonly<Record<string, never>> = {};\n`;
  if (type === undefined) return `${header}${imports}\nexport const ${name} = ${value} as const;\n`;
  const [typeName, module] = type;
  const [keyName, keyModule] = keys ?? ["string", undefined];
  const types = keyModule === undefined ? "" : `import type { ${keyName} } from "${keyModule}";\n`;
  return `${header}${types}import type { ${typeName} } from "${module}";
${imports}
export const ${name}: Readonly<Record<${keyName}, ${typeName}>> = ${value};\n`;
}

function createOperationsText(name: string, entry: string, files: readonly string[]): string {
  const imports = files.map((file) => `import * as ${toIdentifier(file)} from "./${file}";\n`).join("");
  return `/** Every ${entry}, by file and by name. Written by \`npm run generate\`. */
${imports}
export const ${name} = { ${files.map(toIdentifier).join(", ")} } as const;\n`;
}

/** Words that a module may not import as: a command named export has to be called something else inside. */
const reserved = new Set(
  "arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function if implements import in instanceof interface let new null package private protected public return static super switch this throw true try typeof var void while with yield".split(
    " ",
  ),
);

/** `penn-treebank` → `pennTreebank`, `export` → `exportEntry`. */
function toIdentifier(id: string): string {
  const camelCase = id.replace(/[^A-Za-z0-9]+(.?)/g, (_, letter: string) => letter.toUpperCase());
  return reserved.has(camelCase) ? `${camelCase}Entry` : camelCase;
}
