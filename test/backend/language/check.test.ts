import { describe, expect, test } from "vitest";
import { at, cells, file, language, offsetOf, within } from "./editor";

const good =
  'data: {text: "*.txt"}\nmodel: {model_type: phi3, hidden_size: 64, num_attention_heads: 4, num_hidden_layers: 1}';

const checked = (...bodies: readonly string[]) => {
  const text = cells(...bodies);
  return language.check({ file, text }).map(({ range, message, ...rest }) => ({
    word: within(text, range),
    message,
    ...rest,
  }));
};

describe("faults underline the wrong word", () => {
  test.each([
    [
      "model: {model_type: phi3, hiden_size: 64}",
      "hiden_size",
      /^unknown key "hiden_size" in model\. Did you mean "hidden_size"\?/,
      "hidden_size",
    ],
    ["train: {optim: adamm}", "adamm", /^unknown value "adamm" of train\.optim/, "adamw"],
    [
      "train:\n  max_steps: many",
      "many",
      /^train\.max_steps has to be a whole number, not "many"\.$/,
      undefined,
    ],
    [
      "train:\n  learning_rate:",
      "learning_rate:",
      /^train\.learning_rate has to be a number, not empty/,
      undefined,
    ],
    ["train: {max_steps: 'ten'}", "'ten'", /whole number/, undefined],
    ["trian: {}", "trian", /^unknown key "trian"/, "train"],
    ["model: {model_type: phi4}", "phi4", /^unknown value "phi4" of model\.model_type/, "phi3"],
    ["compress:\n  magnitude: {sparsity: 2}", "2", /at most 1/, undefined],
    ["compress: [{magnitud: {}}]", "magnitud", /unknown key "magnitud"/, "magnitude"],
    ["train: {max_steps: 3, max_steps: 4}", "max_steps", /specified twice/, undefined],
    ["train: [1, 2]", "[1, 2]", /has to be a map/, undefined],
    ["train: {max_steps: 3", undefined, /not valid YAML/, undefined],
  ])("%j", (body, word, message, replacement) => {
    const found = checked(...(body.startsWith("model") ? [body] : [good, body]));
    const fault = found.find((each) => message.test(each.message))!;
    expect(fault, JSON.stringify(found)).toBeDefined();
    if (word !== undefined) expect(fault.word).toBe(word);
    expect(fault.replacement).toBe(replacement);
    expect(fault.cell).toBe(body.startsWith("model") ? 0 : 1);
    expect(fault.severity).toBe("error");
    expect(fault.message).not.toContain(file);
  });
});

test("a replacement fixes the fault", () => {
  const text = cells(good, "train: {optim: adamm, lerning_rate: 1e-3}");
  const fixed = language
    .check({ file, text })
    .toReversed()
    .reduce((before, { range, replacement }) => {
      const [start, end] = [
        offsetOf(before, range.line, range.column),
        offsetOf(before, range.endLine, range.endColumn),
      ];
      return before.slice(0, start) + replacement! + before.slice(end);
    }, text);
  expect(fixed).toContain("{optim: adamw, learning_rate: 1e-3}");
  expect(language.check({ file, text: fixed })).toEqual([]);
});

test("a fault of a combination of sweep values is reported at the words of the file", () => {
  const found = checked(good, "sweep:\n  model.hidden_size: [64, 65]");
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({
    cell: 0,
    message: expect.stringContaining("model.hidden_size: 65 of the sweep") as string,
  });
});

test("faults outside cells have no cell, and a file without cells has a fault at its start", () => {
  const open = `${cells(good)}\n\`\`\`yaml\ntrain: {}\n`;
  expect(language.check({ file, text: open })[0]).toMatchObject({
    message: expect.stringContaining("never closed") as string,
  });
  const [empty] = language.check({ file, text: "Only prose.\n" });
  expect(empty).toMatchObject({
    range: { line: 1, column: 1 },
    message: expect.stringContaining("no cell") as string,
  });
  expect(empty).not.toHaveProperty("cell");
});

describe("hover", () => {
  const hovered = (...bodies: readonly string[]) => language.hover(at(cells(...bodies)));

  test("a key shows its meaning, its allowed values and its default", () => {
    const given = at(cells("train:\n  learning_|rate: 3"));
    const hover = language.hover(given)!;
    expect(within(given.text, hover.range)).toBe("learning_rate");
    expect(hover.markdown).toBe(
      "**`train.learning_rate`**\n\nPeak learning rate.\n\nType: number at least 0\n\nDefault: `0.00005`",
    );
  });

  test.each([
    ["train: {optim: ad|amw}", ["`train.optim`", "`adamw`, `sgd`"]],
    [
      "model: {model_type: phi3, hidden_|size: 3}",
      ["Width of the residual stream.", "Of `model_type: phi3`"],
    ],
    ["model: {hidden_|size: 3}", ["Width of the residual stream."]],
    ["model: {model_|type: phi3}", ["`gpt2`", "`kphi3`, `llama`", "`phi`, `phi3`"]],
    ["variants: {a: {train: {max_|steps: 3}}}", ["`train.max_steps`", "`null` removes the key"]],
    [
      "compress: [{magnitude: {sparsity: 0.|5}}]",
      ["`compress.magnitude.sparsity`", "Of `compress.magnitude`"],
    ],
    ["data: {dataset: |wikitext-2}", ["WikiText-2", "CC BY-SA 3.0"]],
    ["sweep: {train.1.learning_|rate: [1]}", ["`train.learning_rate`", "Peak learning rate."]],
    ["see|d: 3", ["Seed of weights"]],
    ["recipe: pap|er", ["`paper`, `fixed`", "- `data.packing_strategy`: `characters` or `wrapped`"]],
    [
      "recipe: fixed\ndata: {packing_|strategy: wrapped}",
      ["How packing fills a sequence.", "With `recipe: fixed`, unless it is specified: `wrapped`"],
    ],
  ])("%j", (body, parts) => {
    const markdown = hovered(body)?.markdown ?? "";
    for (const part of parts) expect(markdown).toContain(part);
  });

  test.each(["typo|: 3", "# com|ment", "train: {typ|o: 3}", "variants: {na|me: {}}"])(
    "shows nothing for %j",
    (body) => {
      expect(hovered(body)).toBeUndefined();
    },
  );

  test("text of the file never becomes Markdown", () => {
    const evil = "[x](command:evil)";
    for (const body of [
      `model: {model_type: "${evil}", hidden_si|ze: 3}`,
      `sweep: {"${evil}|": [1]}`,
      `data: {text: "${evil}|"}`,
    ])
      expect(hovered(body)?.markdown ?? "").not.toContain("evil");
  });
});

describe("outline", () => {
  test("title, variants, cells and runs", () => {
    const text = `Prose.\n\n# A *title* #\n\n${cells(good, "variants:\n  a: {}\n  b: {train: {max_steps: 3}}", "compress: [{magnitude: {}}, {magnitude: {sparsity: 0.9}}]\ntrain: {max_steps: 5}")}`;
    expect(language.outline({ file, text })).toEqual({
      title: "A *title*",
      variants: [
        { name: "a", line: 14 },
        { name: "b", line: 15 },
      ],
      cells: [
        { index: 0, firstLine: 5, lastLine: 8, keys: ["data", "model"], actions: [] },
        { index: 1, firstLine: 12, lastLine: 16, keys: ["variants"], actions: [] },
        {
          index: 2,
          firstLine: 20,
          lastLine: 23,
          keys: ["compress", "train"],
          actions: ["compress", "compress", "train"],
        },
      ],
      runs: 2,
      faults: 0,
    });
  });

  test("the readable part of a broken text, with the number of faults and without runs", () => {
    const text = cells(good, "train: {max_steps: x, optim: y", "evaluate: {perplexity: {}}\ntypo: 3");
    const outline = language.outline({ file, text });
    expect(outline).toMatchObject({
      title: "x",
      cells: [{ keys: ["data", "model"] }, { keys: ["train"] }, { keys: ["evaluate"] }],
    });
    expect(outline.faults).toBeGreaterThan(1);
    expect(outline).not.toHaveProperty("runs");
  });
});
