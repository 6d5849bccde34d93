import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { findViolations } from "./support/architecture";
import { findImports, readSources } from "../scripts/structure/imports";
import { findRoleStrings } from "./support/roleStrings";

const root = fileURLToPath(new URL("..", import.meta.url));

test("the source tree follows the import table", () => {
  expect(findViolations(readSources(root, ["src", "webview"]))).toEqual([]);
});

test("every kind of import is detected, and whether it loads code", () => {
  const text = `import a, { type B } from "./a";
import type { C } from "./c";
import { type D, type E } from "./d";
import * as f from "./f";
import "./g";
export { h } from "./h";
export type { I } from "./i";
const j = await import("./j");
type K = import("./k").K;
const l = require("./l"), m = require.resolve("./m");
// import "./comment";
const text = 'import "./string"';
`;
  expect(
    findImports(text).map(({ specifier, loads, line }) => `${line} ${specifier} ${loads ? "code" : "types"}`),
  ).toEqual([
    "1 ./a code",
    "2 ./c types",
    "3 ./d types",
    "4 ./f code",
    "5 ./g code",
    "6 ./h code",
    "7 ./i types",
    "8 ./j code",
    "9 ./k types",
    "10 ./l code",
    "10 ./m code",
  ]);
});

const planted: readonly [rule: string, files: Readonly<Record<string, string>>][] = [
  [
    "the graph imports no other folder of Lathe",
    { "src/backend/graph/a.ts": `import "../engine/b";`, "src/backend/engine/b.ts": "" },
  ],
  [
    "the extension imports the protocol alone",
    { "src/extension/a.ts": `import "../backend/engine/b";`, "src/backend/engine/b.ts": "" },
  ],
  [
    "types are imports too",
    { "src/protocol/a.ts": `import type { B } from "../cli/b";`, "src/cli/b.ts": "" },
  ],
  ["one folder imports the runtime", { "src/backend/training/a.ts": `import "onnxruntime-node";` }],
  ["one folder imports vscode", { "src/cli/a.ts": `const v = await import("vscode");` }],
  ["one folder imports chart.js", { "src/extension/a.ts": `import { Chart } from "chart.js/auto";` }],
  [
    "the graph does no input or output",
    { "src/backend/graph/a.ts": `import { readFileSync } from "node:fs";` },
  ],
  [
    "methods do not import each other",
    {
      "src/backend/methods/a.ts": `import b from "./b";\nexport default b;`,
      "src/backend/methods/b.ts": "export default 1;",
    },
  ],
  [
    "no cycles",
    { "src/cli/a.ts": `import "./b";`, "src/cli/b.ts": `import "./c";`, "src/cli/c.ts": `import "./a";` },
  ],
  ["no index files", { "src/cli/index.ts": "" }],
  ["no barrels", { "src/cli/a.ts": `export * from "./b";`, "src/cli/b.ts": "" }],
  ["no long files", { "src/cli/a.ts": "\n".repeat(401) }],
  ["every file has its rule", { "src/utils/a.ts": "" }],
  ["every import leads somewhere", { "src/cli/a.ts": `import "./gone";` }],
];

test.each(planted)("detects a planted violation: %s", (_, files) => {
  expect(findViolations(new Map(Object.entries(files)))).toHaveLength(1);
});

test("a message shows the place and the rule", () => {
  const found = planted.flatMap(([, files]) => findViolations(new Map(Object.entries(files))));
  expect(found).toMatchInlineSnapshot(`
    [
      "src/backend/graph/a.ts:1: src/backend/graph does not import src/backend/engine",
      "src/extension/a.ts:1: src/extension does not import src/backend/engine",
      "src/protocol/a.ts:1: src/protocol does not import src/cli",
      "src/backend/training/a.ts:1: onnxruntime-node belongs to src/backend/engine",
      "src/cli/a.ts:1: vscode belongs to src/extension",
      "src/extension/a.ts:1: chart.js belongs to webview",
      "src/backend/graph/a.ts:1: node:fs reaches outside the program, which this folder does not",
      "src/backend/methods/a.ts: a method imports another method, src/backend/methods/b.ts",
      "cycle: src/cli/a.ts → src/cli/b.ts → src/cli/c.ts → src/cli/a.ts",
      "src/cli/index.ts: an index file hides what is imported from where",
      "src/cli/a.ts: a barrel hides what is imported from where",
      "src/cli/a.ts: 401 lines, and a file has at most 400",
      "src/utils/a.ts: no rule of the import table covers it",
      "src/cli/a.ts:1: ./gone leads to no file of the tree",
    ]
  `);
});

test("nothing outside the models folder parses the address of a matrix", () => {
  expect(findRoleStrings(readSources(root, ["src", "webview"]))).toEqual([]);
});

test.each([
  "const layer = /^layers\\.(\\d+)\\./.exec(role)?.[1];",
  'role.replace(/\\blayers\\.\\d+\\b/, "layers.<n>")',
  'const block = role.split(".")[2] as "self_attn" | "mlp" | undefined;',
  "names.map((name) => `layers.${layer}.${name}`)",
  'own(["self_attn.q_proj", "self_attn.k_proj"])',
  'const roles = ["o_proj", "v_proj"];',
  'const usual = ["embed_tokens"];',
  'parametersOf(shape).some(({ role }) => role === "lm_head");',
  '(role) => !role.endsWith(".bias")',
])("such as %s", (line) => {
  expect(findRoleStrings(new Map([["src/backend/methods/a.ts", line]]))).toHaveLength(1);
  expect(findRoleStrings(new Map([["src/backend/models/a.ts", line]]))).toEqual([]);
});

test("patterns that users write do not count as code that reads roles", () => {
  const line = 'samples: [{ targets: "layers.*.mlp.*" }, { targets: "embed_tokens" }],';
  expect(findRoleStrings(new Map([["src/backend/methods/a.ts", line]]))).toEqual([]);
});
