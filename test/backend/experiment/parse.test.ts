import { describe, expect, test } from "vitest";
import { parseExperiment } from "../../../src/backend/experiment/parse";
import { cellsFile, messagesOf } from "./cellsFile";
import { catalog } from "./sampleCatalog";

const model = "model: {model_type: phi3, hidden_size: 64, num_attention_heads: 4}";
const data = "data: {text: '**/*.ts', sequence_len: 128}";

describe("reading an experiment", () => {
  test("cells, declarations and actions have their lines, keys and order", () => {
    const experiment = parseExperiment(
      cellsFile(
        `${data}\nseed: 3`,
        model,
        "train: {max_steps: 5}",
        "compress:\n  - magnitude: {}\n  - wanda: {}\nexport: {format: onnx}",
        "# nothing",
      ),
      "x.lathe.md",
      catalog,
    );
    expect(experiment.cells).toMatchInlineSnapshot(`
      [
        {
          "firstLine": 3,
          "index": 0,
          "keys": [
            "data",
            "seed",
          ],
          "lastLine": 6,
        },
        {
          "firstLine": 10,
          "index": 1,
          "keys": [
            "model",
          ],
          "lastLine": 12,
        },
        {
          "firstLine": 16,
          "index": 2,
          "keys": [
            "train",
          ],
          "lastLine": 18,
        },
        {
          "firstLine": 22,
          "index": 3,
          "keys": [
            "compress",
            "export",
          ],
          "lastLine": 27,
        },
        {
          "firstLine": 31,
          "index": 4,
          "keys": [],
          "lastLine": 33,
        },
      ]
    `);
    expect(Object.keys(experiment.declarations)).toEqual(["data", "seed", "model"]);
    expect(experiment.actions.map(({ key, cell, value }) => [key, cell, value])).toEqual([
      ["train", 2, { max_steps: 5 }],
      ["compress", 3, { magnitude: {} }],
      ["compress", 3, { wanda: {} }],
      ["export", 3, { format: "onnx" }],
    ]);
    expect(experiment.actions[2]!.find(["wanda"], "key")).toEqual({
      file: "x.lathe.md",
      line: 25,
      column: 5,
    });
  });

  test("the documents of a YAML file are its cells", () => {
    const experiment = parseExperiment(`# c\n${data}\n---\n${model}\ntrain: {}\n---\n`, "x.yaml", catalog);
    expect(experiment.cells.map(({ firstLine, keys }) => [firstLine, keys])).toEqual([
      [2, ["data"]],
      [3, ["model", "train"]],
    ]);
    expect(messagesOf(`${model}\n---\ntrian: {}\n`, "x.yaml")[0]).toMatch(
      /^x\.yaml:3:1: unknown key "trian"/,
    );
  });

  test("CRLF line ends and a byte order mark do not shift positions", () => {
    const text = `\uFEFF${cellsFile(model, "train: {\n  max_step: 3}")}`.replaceAll("\n", "\r\n");
    expect(messagesOf(text)[0]).toMatch(
      /^x\.lathe\.md:11:3: unknown key "max_step" in train\. Did you mean "max_steps"\?/,
    );
  });
});
