import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import {
  generateCatalogs,
  generateCompatibility,
  generatePageParts,
  generateReference,
  generateStructure,
  findStaleFiles,
} from "../scripts/generatedFiles";
import { findImports, readSources, resolveImport, type Sources } from "../scripts/structure/imports";

const root = fileURLToPath(new URL("..", import.meta.url));

test("catalogs, the experiment reference and generated parts of pages are current; `npm run generate` writes them", async () => {
  const files = new Map([
    ...(await generateCatalogs(root)),
    ...(await generateReference()),
    ...(await generatePageParts(root)),
    ...(await generateCompatibility(root)),
    ...(await generateStructure(root)),
  ]);
  expect(await findStaleFiles(root, files)).toEqual([]);
});

test("a new file with a default export is added to its catalog, whatever its name", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "lathe-catalog-"));
  try {
    const write = async (file: string, text: string) => {
      await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
      await writeFile(path.join(folder, file), text);
    };
    await write("src/cli/commands/export.ts", "export default 1;\n");
    await write("src/cli/commands/tiny-set.ts", "export default 2;\n");
    await write("src/cli/commands/mechanism.ts", "export const defaults = 3;\n");
    await write("src/cli/command.ts", "export type AnyCommand = number;\n");
    await write("src/backend/graph/ops/elementwise.ts", "");
    const files = await generateCatalogs(folder);
    expect(files.get("src/cli/commands/catalog.ts")).toMatchInlineSnapshot(`
      "/** Every command by its file's name. Written by \`npm run generate\`. */
      import type { AnyCommand } from "../command";
      import exportEntry from "./export";
      import tinySet from "./tiny-set";

      export const commands: Readonly<Record<string, AnyCommand>> = {
        export: exportEntry,
        "tiny-set": tinySet,
      };
      "
    `);
    expect(files.get("src/backend/graph/ops/catalog.ts")).toMatchInlineSnapshot(`
      "/** Every operation, by file and by name. Written by \`npm run generate\`. */
      import * as elementwise from "./elementwise";

      export const ops = { elementwise } as const;
      "
    `);
    expect(files.get("src/backend/methods/catalog.ts")).toMatchInlineSnapshot(`
      "/** Every method by its file's name. Written by \`npm run generate\`. */
      export const methods: Readonly<Record<string, never>> = {};
      "
    `);
    expect(await findStaleFiles(folder, files)).toEqual([...files.keys()]);
    await write("src/cli/command.ts", "");
    await expect(generateCatalogs(folder)).rejects.toThrow(/has to export the type AnyCommand/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** Every module that importing a file loads: files of the tree by path, packages by name. */
function loadedBy(sources: Sources, start: string): Set<string> {
  const loaded = new Set<string>();
  const todo = [start];
  for (let file = todo.pop(); file !== undefined; file = todo.pop()) {
    if (loaded.has(file)) continue;
    loaded.add(file);
    const text = sources.get(file);
    if (text === undefined) continue;
    for (const { specifier, loads } of findImports(text, file))
      if (loads) todo.push(resolveImport(sources, file, specifier) ?? specifier);
  }
  return loaded;
}

test("the extension host loads no native library", () => {
  const sources = readSources(root, ["src"]);
  const native = ["onnxruntime-node", "tokenizers"];
  const loaded = loadedBy(sources, "src/extension/extension.ts");
  expect(native.filter((name) => loaded.has(name))).toEqual([]);
  const backend = loadedBy(sources, "src/backend/main.ts");
  expect(native.filter((name) => backend.has(name))).toEqual(native);
});

test("loading the checks of experiments does not load an engine", () => {
  const sources = readSources(root, ["src"]);
  const loaded = loadedBy(sources, "src/backend/schemaCatalog.ts");
  expect(loaded).toContain("src/backend/models/gpt2.ts");
  expect([...loaded].filter((module) => module.startsWith("onnxruntime"))).toEqual([]);
  // The check itself detects an engine if there is one.
  expect(loadedBy(sources, "src/backend/engine/onnxRuntime.ts")).toContain("onnxruntime-node");
});
