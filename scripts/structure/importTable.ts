/**
 * Which folders import which, and which folders a package belongs to. `test/architecture.test.ts` checks it, and
 * `npm run generate` writes it into docs/extending.md.
 */

/** Folder or file → the folders it may import besides itself. The longest match counts. */
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
  "src/backend/caches": [
    "src/backend/graph",
    "src/backend/models",
    "src/backend/representations",
    "src/protocol",
    "src/schema",
  ],
  "src/backend/evaluation": [
    "src/backend/caches",
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
  "src/backend/merging": [
    "src/backend/checkpoints",
    "src/backend/models",
    "src/backend/representations",
    "src/protocol",
    "src/schema",
  ],
  "src/backend/strategies": [
    "src/backend/checkpoints",
    "src/backend/compression",
    "src/backend/methods",
    "src/backend/models",
    "src/protocol",
    "src/schema",
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
  "src/backend/service": ["src/backend", "src/protocol", "src/schema", "src/statistics"],
  "src/backend/schemaCatalog.ts": ["src/backend", "src/protocol", "src/schema"],
  "src/backend/main.ts": ["src/backend", "src/protocol"],
  "src/backend/handlers.ts": ["src/backend", "src/protocol"],
  "src/cli": ["src/backend", "src/pictures", "src/protocol", "src/schema", "src/statistics"],
  "src/extension": ["src/protocol", "src/schema"],
  webview: ["src/pictures", "src/protocol", "src/schema", "src/statistics"],
};

/** Package → the only folders that import it. */
export const owners: Readonly<Record<string, readonly string[]>> = {
  "onnxruntime-node": ["src/backend/engine"],
  vscode: ["src/extension"],
  "chart.js": ["webview"],
  "chartjs-plugin-zoom": ["webview"],
  "@vscode/webview-ui-toolkit": ["webview"],
  "@vscode-elements/elements": ["webview"],
  "@tanstack/table-core": ["webview"],
  "@tanstack/virtual-core": ["webview"],
  lit: ["webview"],
  "crc-32": ["src/backend/exports"],
  protobufjs: ["src/backend/graph", "src/backend/engine", "src/backend/exports", "src/backend/data"],
  yaml: ["src/backend/experiment", "src/backend/language", "src/backend/runs"],
  "@huggingface/hub": ["src/backend/exports"],
  "@huggingface/jinja": ["src/backend/data"],
  tokenizers: ["src/backend/data"],
  "@uwdata/flechette": ["src/backend/data"],
  fzstd: ["src/backend/data"],
  hyparquet: ["src/backend/data"],
  "hyparquet-compressors": ["src/backend/data"],
  ignore: ["src/backend/data"],
  tinyglobby: ["src/backend/data"],
  graphology: ["src/backend/compression"],
  "graphology-communities-louvain": ["src/backend/compression"],
  systeminformation: ["src/backend/engine", "src/backend/runs"],
  commander: ["src/cli"],
  "cli-table3": ["src/cli"],
};

/** Folders that use neither files nor processes. */
export const nodeFreeFolders = [
  "src/schema",
  "src/protocol",
  "src/statistics",
  "src/pictures",
  "src/backend/graph",
  "src/backend/representations",
  "src/backend/models",
  "webview",
];

/** The table of docs/extending.md. */
export function createImportTable(): string {
  const rows = Object.entries(mayImport).map(([folder, imports]) => {
    const packages = Object.entries(owners)
      .filter(([, folders]) => folders.includes(folder))
      .map(([name]) => `\`${name}\``);
    const names = imports.map((each) => (each === "src/backend" ? "all of backend" : getShortName(each)));
    const cells = [
      `\`${folder}\``,
      names.join(", ") || "nothing",
      packages.join(", "),
      nodeFreeFolders.includes(folder) ? "no" : "yes",
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    "| folder | imports | packages of its own | may use Node's modules |",
    "| --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

/** `src/backend/graph` → `graph`. */
export function getShortName(folder: string): string {
  return folder.replace(/^src\/(backend\/)?/, "").replace(/\.ts$/, "");
}
