import { expect, test } from "vitest";
import { WorkbenchError } from "../../../src/protocol/errors";
import type { Outline } from "../../../src/protocol/service/experiments";
import {
  presentCell,
  createChildren,
  presentFaults,
  presentFile,
  type FileNode,
  presentVariant,
} from "../../../src/extension/views/experimentTree/presentExperiment";
import { maxBytes, Outlines } from "../../../src/extension/views/experimentTree/outlines";
import { hostile, someRun } from "./someRun";

const file: FileNode = { kind: "experiment", experiment: "/study/sub/first.lathe.md", folder: "sub" };
const outline: Outline = {
  title: "Grouped against dense",
  variants: [
    { name: "dense", line: 12 },
    { name: "grouped", line: 13 },
  ],
  cells: [
    { index: 0, firstLine: 3, lastLine: 7, keys: ["data"], actions: [] },
    { index: 1, firstLine: 9, lastLine: 14, keys: ["variants"], actions: [] },
    { index: 2, firstLine: 16, lastLine: 20, keys: ["train", "evaluate"], actions: ["train", "evaluate"] },
    { index: 3, firstLine: 22, lastLine: 23, keys: [], actions: [] },
  ],
  runs: 2,
  faults: 0,
};

/** Kind, label and description of each row below the file. */
function rows(given: Outline): string[] {
  return createChildren(file, given).map((node) => {
    const runs = [someRun({ variant: "grouped", state: "failed" })];
    const face =
      node.kind === "variant"
        ? presentVariant(node, node.variant === "grouped" ? runs : [])
        : node.kind === "cell"
          ? presentCell(node)
          : presentFaults(node);
    return `${face.contextValue}: ${face.icon.id} ${face.label} ${face.description ?? ""}`.trim();
  });
}

test("a file has its variants and its cells as children", () => {
  expect(rows(outline)).toEqual([
    "variant: git-branch dense",
    "variant.ran: error grouped 1 run",
    "cell: database data line 3",
    "cell: git-branch variants line 9",
    "cell.action: pulse train, evaluate line 16",
    "cell: circle-outline empty cell line 22",
  ]);
  expect(rows({ ...outline, variants: [], cells: [], faults: 2 })).toEqual([
    "faults: warning 2 faults underlined in the file",
  ]);
});

test("a file shows its runs and faults, with the icon of the worst of its last runs", () => {
  expect(presentFile(file, [], undefined)).toMatchObject({
    label: "first",
    description: "sub",
    icon: { id: "notebook" },
    contextValue: "experiment",
  });
  const runs = [someRun({ state: "running" }), someRun({ state: "interrupted", seed: 1 })];
  expect(presentFile(file, runs, { ...outline, faults: 0 })).toMatchObject({
    description: "2 runs · 1 active · sub",
    icon: { id: "debug-disconnect" },
    contextValue: "experiment.ran",
    spoken: "first, 2 runs, 1 active, sub, worst: interrupted",
  });
  expect(presentFile(file, runs, { ...outline, faults: 1 })).toMatchObject({
    description: "2 runs · 1 active · 1 fault · sub",
    icon: { id: "warning" },
    contextValue: "experiment.faulty.ran",
  });
});

test("a file may have any name", () => {
  const face = presentFile(
    { kind: "experiment", experiment: `/study/${hostile}.lathe.md`, folder: hostile },
    [],
    { ...outline, title: hostile },
  );
  // eslint-disable-next-line no-control-regex -- control characters are what must not be there
  for (const text of [face.label, face.description!]) expect(text).not.toMatch(/[\u0000-\u001f\u202e]/);
  expect(face.tooltip).not.toMatch(/https?:\/\/|www\.|\$\(|[^\\]<|[^\\]\]\(/);
});

function source(sizes: readonly number[], answers: readonly Promise<Outline>[]) {
  const asked: string[] = [];
  const outlines = new Outlines({
    size: async () => sizes[asked.length] ?? 100,
    read: async () => "# text",
    outline: async (path) => {
      asked.push(path);
      return answers[asked.length - 1] ?? outline;
    },
  });
  return { outlines, asked };
}

test("an outline is asked for once, and again after the file has changed", async () => {
  const { outlines, asked } = source([], []);
  expect(outlines.get("/a")).toBeUndefined();
  const [first, second] = await Promise.all([outlines.load("/a"), outlines.load("/a")]);
  expect(first).toBe(second);
  expect(outlines.get("/a")).toBe(first);
  expect(asked).toEqual(["/a"]);
  outlines.forget("/a");
  expect(outlines.get("/a")).toBeUndefined();
  await outlines.load("/a");
  expect(asked).toEqual(["/a", "/a"]);
});

test("an answer is not cached if the file has changed meanwhile, nor is a failure", async () => {
  let answer: (outline: Outline) => void = () => undefined;
  const late = new Promise<Outline>((resolve) => (answer = resolve));
  const { outlines, asked } = source([], [late, Promise.reject(new WorkbenchError("io", "no service"))]);
  const old = outlines.load("/a");
  outlines.forget("/a");
  answer({ ...outline, title: "old" });
  expect((await old).title).toBe("old");
  expect(outlines.get("/a")).toBeUndefined();
  await expect(outlines.load("/a")).rejects.toThrow("no service");
  expect((await outlines.load("/a")).title).toBe(outline.title);
  expect(asked).toHaveLength(3);
});

test("a huge file is refused without reading it", async () => {
  const { outlines, asked } = source([maxBytes + 1], []);
  await expect(outlines.load("/a")).rejects.toThrow(/Open it as text/);
  expect(asked).toEqual([]);
});
