import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createStructureMarkdown, createStructureSvg } from "../scripts/structure/drawing";
import { readSources } from "../scripts/structure/imports";
import { findDirectImports, measureStructure } from "../scripts/structure/rooms";

const sources = new Map(
  Object.entries({
    "src/schema/a.ts": "",
    "src/protocol/a.ts": `import type { A } from "../schema/a";\nimport "./b";`,
    "src/protocol/b.ts": `import "zod";`,
    "src/backend/data/deep/a.ts": `import "../../../protocol/a";\nimport "../../../schema/a";`,
    "src/backend/main.ts": `import("./data/deep/a");`,
    "webview/charts/a.ts": `import "../../src/protocol/b";`,
  }),
);

test("a room is one floor above the highest that it imports, and arrows implied by a longer path are left out", () => {
  const structure = measureStructure(sources);
  expect(Object.fromEntries(structure.floors)).toEqual({
    "src/schema": 1,
    "src/protocol": 2,
    "src/backend/data": 3,
    "src/backend/main.ts": 4,
    webview: 3,
  });
  expect(structure.imports.get("src/backend/data")).toEqual(["src/protocol", "src/schema"]);
  expect(findDirectImports(structure.imports)).not.toContainEqual(["src/backend/data", "src/schema"]);
  const svg = createStructureSvg(structure);
  expect(svg.match(/<rect /g)).toHaveLength(5);
  expect(svg.match(/<path d="M[^"]*C/g)).toHaveLength(4);
  expect(createStructureMarkdown(structure)).toContain("5 rooms on 4 floors, with 5 imports between rooms.");
});

test("rooms that import each other share a floor and are named", () => {
  const structure = measureStructure(new Map([...sources, ["src/schema/b.ts", `import "../protocol/b";`]]));
  expect(structure.circles).toEqual([["src/protocol", "src/schema"]]);
  expect(structure.floors.get("src/schema")).toBe(1);
  expect(createStructureMarkdown(structure)).toContain("in a circle: protocol, schema");
});

test("no rooms of Lathe import each other in a circle", () => {
  const root = fileURLToPath(new URL("..", import.meta.url));
  expect(measureStructure(readSources(root, ["src", "webview"])).circles).toEqual([]);
});
