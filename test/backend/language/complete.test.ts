import { describe, expect, test } from "vitest";
import { accepted, at, cells, file, language, within } from "./editor";
import { dataSets } from "../../../src/backend/data/datasets/catalog";
import { metrics } from "../../../src/backend/evaluation/catalog";
import { exporters } from "../../../src/backend/exports/catalog";
import { methods } from "../../../src/backend/methods/catalog";
import { strategies } from "../../../src/backend/strategies/catalog";
import { models } from "../../../src/backend/models/catalog";
import { deviceNames } from "../../../src/schema/device";

const families = Object.keys(models);

const phi3 = "model: {model_type: phi3, hidden_size: 64}";
const labels = (...bodies: readonly string[]) =>
  language.complete(at(cells(...bodies))).map(({ label }) => label);
const one = (label: string, ...bodies: readonly string[]) => {
  const found = language.complete(at(cells(...bodies))).find((each) => each.label === label);
  if (found === undefined) throw new Error(`${label} is not offered.`);
  return found;
};

const trainKeys = ["max_steps", "num_train_epochs", "learning_rate", "optim"];

describe("keys", () => {
  test.each([
    ["an empty line of a cell", "train:\n  |"],
    ["a line between others", "train:\n  eval_steps: 3\n  |\n  logging_steps: 5"],
    ["empty lines around", "train:\n\n  |\n\nseed: 3"],
    ["a partial word", "train:\n  lear|\n  eval_steps: 3"],
    ["an existing key", "train:\n  le|arning: 3"],
    ["braces", "train: {eval_steps: 1, |}"],
    ["unclosed braces", "train: {eval_steps: 1, |"],
    ["braces across lines", "train: {\n  eval_steps: 1,\n  |\n}"],
    ["a comment behind", "train:\n  |  # the rest is default"],
    ["a variant", "variants:\n  a:\n    train:\n      |"],
    ["a scale", "scales:\n  a:\n    train:\n      |"],
    ["a variant of a scale", "scales:\n  a:\n    variants:\n      b:\n        train:\n          |"],
    ["a variant between braces", "variants: {a: {train: {|}}}"],
    ["after the colon", "train: |"],
    ["an unreadable line below", "train:\n  |\nmodel: {{{"],
    ["carriage returns", "train:\r\n  |\r\n"],
  ])("those of train are offered at %s", (_, body) => {
    expect(labels(phi3, body)).toEqual(expect.arrayContaining(trainKeys));
  });

  test("keys that are already present are left out, also under their other name", () => {
    const offered = labels(phi3, "train:\n  max_steps: 5\n  micro_batch_size: 2\n  |");
    expect(offered).not.toContain("max_steps");
    expect(offered).not.toContain("per_device_train_batch_size");
  });

  test("at the top of a cell all keys are offered, but declarations only once per file", () => {
    expect(labels(phi3, "|")).toEqual([
      "name",
      "folder",
      "recipe",
      "data",
      "base_model",
      "device",
      "parallel",
      "seed",
      "scale",
      "scales",
      "variants",
      "sweep",
      "search",
      "paper",
      "train",
      "compress",
      "merge",
      "evaluate",
      "export",
      "report",
    ]);
    expect(labels("train: {}\n|")).not.toContain("train");
    expect(labels("train: {}", "tr|")).toContain("train");
  });

  test("those of a model depend on its family, and without one the family comes first", () => {
    expect(labels("model: {|}")).toEqual(["model_type"]);
    expect(labels("model:\n  model_type: phi3\n  |")).toContain("min_channels_per_group");
    expect(labels("model:\n  |\n  model_type: gpt2")).toContain("n_embd");
    expect(labels("model: {model_type: unheard, |}")).toEqual([]);
    // Keys of published files that have no effect here are accepted, but not offered.
    expect(labels("model: {model_type: phi3, |}")).not.toContain("use_cache");
  });

  test("a variant's model has the family of the cell, unless it names its own", () => {
    expect(labels(phi3, "variants: {a: {model: {|}}}")).toContain("min_channels_per_group");
    expect(labels(phi3, "variants: {a: {model: {model_type: gpt2, |}}}")).toContain("n_embd");
    expect(labels(phi3, "variants: {a: {|}}")).toEqual([
      "recipe",
      "data",
      "model",
      "base_model",
      "device",
      "parallel",
      "seed",
      "train",
      "compress",
      "merge",
      "evaluate",
      "export",
      "report",
    ]);
    expect(labels("variants: {a: {model: {|}}}")).toEqual(["model_type"]);
    // Changes of an existing section need no keys; a new section has the usual required keys.
    expect(one("model", phi3, "variants: {a: {|}}").insert).toBe("model: {$1}");
    expect(one("model", "variants: {a: {|}}").insert).toBe(
      `model: {model_type: \${1|${families.join(",")}|}}`,
    );
  });

  test("methods, metrics and their options are offered, also in lists", () => {
    const known = [...Object.keys(methods), ...Object.keys(strategies)].sort();
    expect(labels(phi3, "compress: {|}").toSorted()).toEqual(known);
    expect(labels(phi3, "compress:\n  - |").toSorted()).toEqual(known);
    expect(labels(phi3, "compress:\n  - magnitude: {sparsity: 0.5}\n  - magnitude:\n      |")).toContain(
      "targets",
    );
    expect(labels(phi3, "compress: [{magnitude: {|}}]")).toContain("sparsity");
    expect(labels(phi3, "evaluate:\n  |")).toEqual([...Object.keys(metrics).sort(), "inference"]);
    expect(labels(phi3, "evaluate:\n  perplexity:\n    |")).toContain("stride");
    expect(labels(phi3, "paper:\n  published:\n    - {|}")).toContain("quantity");
  });

  test("for a sweep, the paths of the cells are offered", () => {
    const offered = labels(phi3, "train: {}\ncompress: {magnitude: {}}", "sweep:\n  |");
    expect(offered).toEqual(
      expect.arrayContaining([
        "seed",
        "model.hidden_size",
        "train.learning_rate",
        "compress.magnitude.sparsity",
      ]),
    );
    expect(offered.filter((path) => path.startsWith("evaluate"))).toEqual([]);
    expect(one("train.learning_rate", phi3, "train: {}", "sweep: {|}").insert).toBe(
      "train.learning_rate: [${1:0.00005}]",
    );
  });

  test("names of variants and swept paths are left to the user", () => {
    expect(labels(phi3, "variants:\n  |")).toEqual([]);
  });

  test("each shows its type, meaning and default", () => {
    expect(one("learning_rate", phi3, "train: {|}")).toMatchObject({
      kind: "key",
      insert: "learning_rate: ${1:0.00005}",
      detail: "number at least 0",
      documentation: "Peak learning rate.\n\nDefault: `0.00005`",
    });
  });
});

describe("values", () => {
  test.each([
    ["train:\n  optim: |", ["adamw", "sgd"]],
    ["train:\n  optim: s|", ["adamw", "sgd"]],
    ["train: {optim: |}", ["adamw", "sgd"]],
    ["train:\n  optim:\n    |", ["adamw", "sgd"]],
    ["train: {gradient_checkpointing: |}", ["true", "false", "auto"]],
    ["train: {loss_chunk_size: |}", ["auto", "false"]],
    ["model: {model_type: |}", families],
    ["model: {model_type: ph|, hidden_size: 3}", families],
    ["model: {model_type: phi3, tie_word_embeddings: |}", ["true", "false"]],
    ["device: |", deviceNames],
    ["export: {format: |}", Object.keys(exporters).sort()],
    ["data: {tokenizer: |}", ["bytes", "characters"]],
    ["scale: |\nscales: {full: {}, small: {}}", ["full", "small"]],
    ["data: {dataset: |}", Object.keys(dataSets).sort()],
    ["train: {learning_rate: |}", ["0.00005"]],
    ["seed: |", ["0"]],
  ])("%j", (body, values) => {
    expect(labels(body)).toEqual(values);
  });

  test("in a variant, null is offered too, which removes the key", () => {
    expect(labels(phi3, "variants: {a: {train: {optim: |}}}")).toEqual(["adamw", "sgd", "null"]);
  });

  test("trained models are offered by the caller, from the folder that the experiment names", () => {
    const surroundings = { baseModels: (folder: string) => [{ path: `${folder}/runs/a: b`, title: "a" }] };
    const given = at(cells("folder: ..", "base_model: |"));
    expect(language.complete(given, surroundings)).toMatchObject([{ label: '"../runs/a: b"', detail: "a" }]);
  });

  test("named datasets show what they are and their license", () => {
    expect(one("wikitext-2", "data: {dataset: |}")).toMatchObject({
      detail: "WikiText-2",
      documentation: expect.stringContaining("License: CC BY-SA 3.0") as string,
    });
  });
});

describe("the replaced text", () => {
  test.each([
    ["train:\n  lear|", "learning_rate", "lear"],
    ["train:\n  le|arning: 3", "learning_rate", "learning"],
    ["train: {optim: ad|am}", "adamw", "adam"],
    ["train:\n  optim: |", "adamw", ""],
    ["🙂|", "train", "🙂"],
  ])("%j: %s replaces %j", (body, label, replaced) => {
    const given = at(cells(phi3, body));
    const found = language.complete(given).find((each) => each.label === label)!;
    expect(within(given.text, found.range)).toBe(replaced);
  });

  test("a key with a colon keeps its value", () => {
    expect(
      accepted(at(cells("train:\n  le|arning: 3")), one("learning_rate", "train:\n  le|arning: 3")),
    ).toBe(cells("train:\n  learning_rate: 3"));
  });

  test("after `key:` a map begins on the next line, in a list between braces", () => {
    expect(accepted(at(cells("train: |")), one("optim", "train: |"))).toBe(cells("train: \n  optim: adamw"));
    expect(one("targets", phi3, "compress:\n  - magnitude: |").insert).toBe('{targets: ["$1"]}');
  });

  test("a new section includes its most important key", () => {
    expect(one("model", "|").insert).toBe(`model:\n  model_type: \${1|${families.join(",")}|}`);
    expect(one("data", "|").insert).toBe('data:\n  text: ["${1:**/*.txt}"]');
    expect(one("evaluate", "|").insert).toBe(
      `evaluate:\n  \${1|${[...Object.keys(metrics).sort(), "inference"].join(",")}|}: {$2}`,
    );
    expect(one("generate", phi3, "evaluate:\n  |").insert).toBe('generate: {prompts: ["$1"]}');
    expect(one("device", "|").insert).toBe(`device: \${1|${deviceNames.join(",")}|}`);
  });
});

describe("nothing is offered", () => {
  test.each([
    "# a comment ^",
    'data: {text: "a^"}',
    "data:\n  text: |-\n    a^",
    "train:\n  max_steps: 5\n    ^",
    "nonsense:\n  ^",
    "train: {nonsense: ^}",
  ])("%j", (body) => {
    expect(language.complete(at(cells(body), "^"))).toEqual([]);
  });

  test("in prose", () => {
    expect(language.complete(at(`Some |prose.\n\n${cells(phi3)}`))).toEqual([]);
  });
});

test("a block without a closing fence is still a cell", () => {
  const given = at("# Title\n\n```yaml\ntrain:\n  |");
  expect(language.complete(given).map(({ label }) => label)).toEqual(expect.arrayContaining(trainKeys));
});

test("the documents of a YAML file are cells too", () => {
  const given = { ...at("model: {model_type: phi3}\n---\ntrain:\n  |"), file: "/nowhere/x.yaml" };
  expect(language.complete(given).map(({ label }) => label)).toEqual(expect.arrayContaining(trainKeys));
  expect(
    language
      .complete({ ...at("model: {model_type: phi3}\n---\n|"), file: "/nowhere/x.yaml" })
      .map(({ label }) => label),
  ).not.toContain("model");
});

/** At every place of a rich experiment that allows a key, each offered key is accepted and the text is checked. */
test("accepting an offered key gives a text with known keys", () => {
  const bodies = [
    ["|"],
    [phi3, "|"],
    [phi3, "train:\n  |"],
    [phi3, "train: {|}"],
    [phi3, "train: |"],
    ["model:\n  model_type: gpt2\n  |"],
    ["model: {model_type: llama, |}"],
    ["model: {model_type: kphi3, |}"],
    [phi3, "data:\n  |"],
    [phi3, "data: {grammar: {|}}"],
    [phi3, "compress: {|}"],
    [phi3, "compress:\n  - |"],
    [phi3, "compress: {magnitude: {|}}"],
    [phi3, "evaluate: {|}"],
    [phi3, "evaluate: {perplexity: {|}}"],
    [phi3, "evaluate: {generate: {|}}"],
    [phi3, "export: {format: onnx, |}"],
    [phi3, "paper: {title: a, |}"],
    [phi3, "paper: {title: a, published: [{|}]}"],
    [phi3, "train: {}", "variants: {a: {|}}"],
    [phi3, "train: {}", "variants:\n  a:\n    |"],
    [phi3, "train: {}", "variants: {a: {train: {|}}}"],
    [phi3, "train: {}", "sweep: {|}"],
  ];
  let accepts = 0;
  for (const each of bodies) {
    const given = at(cells(...each));
    for (const completion of language.complete(given)) {
      accepts++;
      const text = accepted(given, completion);
      const wrong = language
        .check({ file, text })
        .filter(({ message }) =>
          /unknown key|unknown path|not valid YAML|specified twice|two names/.test(message),
        );
      expect(wrong, `${completion.label} in ${text}`).toEqual([]);
    }
  }
  expect(accepts).toBeGreaterThan(300);
});
