import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { renderSvg } from "../../../src/pictures/svg";
import { createKeptFigures } from "../../../src/backend/report/keptFigures";
import { temporaryFolder } from "../runs/workbench";

test("a figure shows which heads have each token, with the token under the pointer", () => {
  const folder = join(temporaryFolder(), "run");
  mkdirSync(join(folder, "steps/3-evaluate"), { recursive: true });
  const kept = {
    tokens: ["a", "<b>", "c", "d"],
    layers: [
      [
        [0, 1, 3],
        [0, 2, 3],
      ],
      [[1, 2, 3]],
    ],
  };
  const details = { policy: "h2o", kept };
  writeFileSync(join(folder, "steps/3-evaluate/eval.json"), JSON.stringify({ cache: { details } }));
  const run = {
    folder,
    name: "r",
    variant: "small",
    sweep: {},
    seed: 0,
    state: "done",
    metrics: {},
  } as const;
  const [figure] = createKeptFigures([run]);
  expect(figure!.lines).toEqual([
    ["layer", "head", "positions"],
    ["0", "0", "0 1 3"],
    ["0", "1", "0 2 3"],
    ["1", "0", "1 2 3"],
  ]);
  const { picture } = figure!;
  expect(picture.title).toBe("small: h2o");
  // Two runs in each of the heads of layer 0, one in layer 1; a strip with every token below.
  const rows = picture.faces!.filter(({ title }) => title === undefined);
  expect(rows).toHaveLength(5);
  const tokens = picture.faces!.filter(({ title }) => title !== undefined);
  expect(tokens.map(({ title }) => title)).toEqual([
    '"a", position 0: in 2 of 3 heads',
    '"<b>", position 1: in 2 of 3 heads',
    '"c", position 2: in 2 of 3 heads',
    '"d", position 3: in 3 of 3 heads',
  ]);
  // The run of positions 0 and 1 is as wide as two tokens.
  const widthOf = ({ points }: { readonly points: readonly { readonly x: number }[] }) =>
    points[1]!.x - points[0]!.x;
  expect(widthOf(rows[0]!)).toBeCloseTo(2 * widthOf(tokens[0]!), 6);
  const svg = renderSvg(picture);
  expect(svg).toContain("<title>&quot;&lt;b&gt;&quot;, position 1: in 2 of 3 heads</title>");
  expect(createKeptFigures([{ ...run, folder: join(folder, "none") }])).toEqual([]);
});
