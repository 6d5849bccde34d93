/** Faults of an experiment: each with its place, the allowed values and the nearest known key. */
import { describe, expect, test } from "vitest";
import { parseExperiment } from "../../../src/backend/experiment/parse";
import { maxCharacters } from "../../../src/protocol/cells";
import { cellsFile, faultsOf, messagesOf } from "./cellsFile";
import { catalog } from "./sampleCatalog";

const model = "model: {model_type: phi3, hidden_size: 64, num_attention_heads: 4}";
const data = "data: {text: '**/*.ts', sequence_len: 128}";

describe("faults of an experiment", () => {
  test.each(["adam_beta1", "adam_beta2"])("%s of 1 is refused by name, and 0 is accepted", (key) => {
    expect(messagesOf(cellsFile(model, `train: {${key}: 1}`))).toEqual([
      expect.stringMatching(new RegExp(`train\\.${key} has to be less than 1`)),
    ]);
    expect(messagesOf(cellsFile(model, `train: {${key}: 0}`)).join()).not.toContain(key);
  });

  test("an unknown key names its place, the nearest key and all allowed ones", () => {
    const error = faultsOf(cellsFile("train:\n  learning_rte: 1"));
    expect(error.message).toMatchInlineSnapshot(
      `"x.lathe.md:5:3: unknown key "learning_rte" in train. Did you mean "learning_rate"? Allowed: data, max_steps, num_train_epochs, per_device_train_batch_size, micro_batch_size, mlm_probability, gradient_accumulation_steps, learning_rate, lr_scheduler_type, warmup_steps, warmup_ratio, min_lr_ratio, optim, adam_beta1, adam_beta2, adam_epsilon, momentum, weight_decay, max_grad_norm, teacher, lora, exits, preference, cumulative_loss, cumulative_decay, data_seed, block_rows, sample_with_replacement, restart_optimizer, eval_loss_average, logging_steps, eval_steps, eval_tokens, eval_batches, save_steps, save_total_limit, load_best_model_at_end, early_stopping, watch, gradient_checkpointing, precision, torch_compile, attention_block_size, loss_chunk_size."`,
    );
    expect(error.faults[0]).toMatchObject({
      code: "invalid-input",
      details: { position: { file: "x.lathe.md", line: 5, column: 3 }, nearest: "learning_rate" },
    });
    expect(error.faults[0]!.details.allowed).toContain("max_steps");
    expect(messagesOf(cellsFile("trian: {}"))).toMatchInlineSnapshot(`
      [
        "x.lathe.md:4:1: unknown key "trian". Did you mean "train"? Allowed: name, folder, recipe, data, model, base_model, device, parallel, seed, scale, scales, variants, sweep, search, paper, train, compress, merge, evaluate, export, report.",
      ]
    `);
    expect(messagesOf(cellsFile("xyzzy: {}"))[0]).not.toMatch(/Did you mean/);
  });

  test("errors of wrong types, sizes and words name the allowed values", () => {
    expect(
      messagesOf(
        cellsFile(
          "data: {text: [1], val_fraction: many, sequence_len: -5, packing: 1, tokenizer: [a], format: jsnl, max_bytes: 1.5}",
          "model: {model_type: phi3, hidden_size: -64, init: papr, num_hidden_layers: 2_000}",
          "train:",
          "evaluate: {generate: {prompts: []}, perplexity: }\nseed: -1\ndevice: gpu\nbase_model: ''",
        ),
      ),
    ).toMatchInlineSnapshot(`
      [
        "x.lathe.md:4:15: data.text.0 has to be text, not 1.",
        "x.lathe.md:4:33: data.val_fraction has to be a number, not "many".",
        "x.lathe.md:4:53: data.sequence_len has to be more than 0, not -5.",
        "x.lathe.md:4:66: data.packing has to be true or false, not 1.",
        "x.lathe.md:4:80: data.tokenizer has to be text, not a list.",
        "x.lathe.md:4:93: unknown value "jsnl" of data.format. Did you mean "jsonl"? Allowed: auto, text, jsonl, json, csv, tsv, parquet, arrow.",
        "x.lathe.md:4:110: data.max_bytes has to be a whole number, not 1.5.",
        "x.lathe.md:10:40: model.hidden_size has to be more than 0, not -64.",
        "x.lathe.md:10:51: unknown value "papr" of model.init. Did you mean "paper"? Allowed: paper, fan_in.",
        "x.lathe.md:10:76: model.num_hidden_layers has to be a whole number, not "2_000".",
        "x.lathe.md:16:7: train has to be a map of keys to values, not empty.",
        "x.lathe.md:22:32: evaluate.generate.prompts has to be a list of at least 1 entries, not an empty list.",
        "x.lathe.md:22:49: evaluate.perplexity has to be a map of keys to values, not empty.",
        "x.lathe.md:23:7: seed has to be at least 0, not -1.",
        "x.lathe.md:24:9: unknown value "gpu" of device. Did you mean "webgpu"? Allowed: auto, cpu, webgpu, cuda, dml, coreml, torch, torch:cuda, torch:mps, torch:xpu, torch:cpu.",
        "x.lathe.md:25:13: base_model has to be some text, not "".",
      ]
    `);
  });

  test("a missing key and an unknown family point at the cell", () => {
    expect(messagesOf(cellsFile("model: {hidden_size: 64}"))).toMatchInlineSnapshot(`
      [
        "x.lathe.md:4:1: model needs the key "model_type". Allowed: phi3, gpt2.",
      ]
    `);
    expect(messagesOf(cellsFile("model: {model_type: phi4}"))).toMatchInlineSnapshot(`
      [
        "x.lathe.md:4:21: unknown value "phi4" of model.model_type. Did you mean "phi3"? Allowed: phi3, gpt2.",
      ]
    `);
    expect(messagesOf(cellsFile("model: {model_type: gpt2}"))).toMatchInlineSnapshot(`
      [
        "x.lathe.md:4:1: model needs the key "n_embd".",
      ]
    `);
    expect(messagesOf(cellsFile(model, "evaluate: {generate: {}}\nexport: {}"))).toMatchInlineSnapshot(`
      [
        "x.lathe.md:10:12: evaluate.generate needs the key "prompts".",
        "x.lathe.md:11:1: export needs the key "format". Allowed: safetensors, onnx.",
      ]
    `);
  });

  test("a rule of a family points at the key that it names", () => {
    expect(messagesOf(cellsFile("model:\n  model_type: phi3\n  hidden_size: 65\n  num_attention_heads: 4")))
      .toMatchInlineSnapshot(`
      [
        "x.lathe.md:7:24: model.num_attention_heads: 4 heads do not divide the width 65.",
      ]
    `);
  });

  test("compress accepts one known method at a time", () => {
    expect(
      messagesOf(
        cellsFile(
          model,
          "compress: {magnitude: {}, wanda: {}}",
          "compress: {magnitud: {}}",
          "compress: 3",
          "compress:\n  - wanda: {samples: 0}\n  - magnitude: {mask_structure: x}",
        ),
      ),
    ).toMatchInlineSnapshot(`
      [
        "x.lathe.md:10:11: compress: give one method at a time; to apply several, write a list: [{first: {…}}, {second: {…}}].",
        "x.lathe.md:16:12: unknown key "magnitud" in compress. Did you mean "magnitude"? Allowed: magnitude, wanda.",
        "x.lathe.md:22:11: compress has to be a map of keys to values or a list, not 3.",
        "x.lathe.md:29:22: compress.0.wanda.samples has to be more than 0, not 0.",
        "x.lathe.md:30:33: compress.1.magnitude.mask_structure: is written as kept:of, such as 2:4.",
      ]
    `);
  });

  test("declarations occur once, and the model comes before the actions that use it", () => {
    expect(messagesOf(cellsFile("train: {max_steps: 1}", model, data, "seed: 1", "seed: 2")))
      .toMatchInlineSnapshot(`
      [
        "x.lathe.md:4:1: train comes before any model. Move model, on line 10, above it.",
        "x.lathe.md:28:1: seed is already declared on line 22. Keep one of them.",
      ]
    `);
    expect(messagesOf(cellsFile("compress: {magnitude: {}}"))).toMatchInlineSnapshot(`
      [
        "x.lathe.md:4:11: compress has no model to work on; declare model or base_model above it.",
      ]
    `);
    expect(messagesOf(cellsFile(model, "base_model: gpt2"))).toMatchInlineSnapshot(`
      [
        "x.lathe.md:10:13: base_model and model are both specified; keep one of them.",
      ]
    `);
    expect(messagesOf(cellsFile(model, "train: {}"))).toMatchInlineSnapshot(`
      [
        "x.lathe.md:10:8: train has no text to read; declare data above it.",
      ]
    `);
  });

  test("train.watch names the kinds that it can record", () => {
    const data = "data: {text: a}";
    const messages = (watch: string) => messagesOf(cellsFile(data, model, `train: {watch: ${watch}}`));
    expect(["{every: 0, what: [weigths]}", "{what: []}", "{what: [weights, weights]}"].flatMap(messages))
      .toMatchInlineSnapshot(`
      [
        "x.lathe.md:16:24: train.watch.every has to be more than 0, not 0.",
        "x.lathe.md:16:34: unknown value "weigths" of train.watch.what.0. Did you mean "weights"? Allowed: weights, gradients, activations.",
        "x.lathe.md:16:23: train.watch.what has to be a list of at least 1 entries, not an empty list.",
        "x.lathe.md:16:23: train.watch.what: name each of them only once.",
      ]
    `);
  });

  test("rules between keys and between cells are checked without data", () => {
    const train = "{max_steps: 5, warmup_steps: 6, load_best_model_at_end: true, early_stopping: {}}";
    expect(
      messagesOf(
        cellsFile(
          "data: {text: a, sequence_len: 9999, validation_text: b, response_column: r, packing: false, document_mask: true}",
          model,
          `train: ${train}`,
          "evaluate: {perplexity: {stride: 10000}}",
        ),
      ),
    ).toMatchInlineSnapshot(`
      [
        "x.lathe.md:4:31: data.sequence_len has to be at most 4096, the model's max_position_embeddings; it is 9999.",
        "x.lathe.md:4:74: data.response_column requires instruction_column.",
        "x.lathe.md:4:108: data.document_mask has to be false without packing: each sequence is already one document.",
        "x.lathe.md:16:37: train.warmup_steps has to be at most max_steps, 5; it is 6.",
        "x.lathe.md:16:64: train.load_best_model_at_end needs eval_steps or block_rows to determine the best checkpoint.",
        "x.lathe.md:16:86: train.early_stopping needs eval_steps or block_rows, since it counts evaluations.",
        "x.lathe.md:22:33: evaluate.perplexity.stride has to be at most the context, 9999 tokens; it is 10000, so tokens between windows would not be scored.",
      ]
    `);
    const dataFaults = (text: string) =>
      messagesOf(cellsFile(`data: ${text}`, model, "train: {eval_steps: 2}"));
    expect(
      [
        "{}",
        "{text: a, dataset: b}",
        "{grammar: {symbols: 4, branching: 5}, fallback: grammar}",
        "{text: a, grammar: {}}",
        "{passkeys: {length: 100}, sequence_len: 99}",
        "{passkeys: {}, packing: false, grammar: {}}",
        "{text: a, val_fraction: 0}",
      ].flatMap(dataFaults),
    ).toMatchInlineSnapshot(`
      [
        "x.lathe.md:4:7: data names no source; specify one of text, dataset, grammar, passkeys.",
        "x.lathe.md:4:26: data.dataset conflicts with text; keep one of them.",
        "x.lathe.md:4:41: data.grammar.branching has to be at most grammar.symbols, 4.",
        "x.lathe.md:4:55: data.fallback applies to text only, and none is specified.",
        "x.lathe.md:4:26: data.grammar conflicts with text; keep one of them.",
        "x.lathe.md:4:18: data.passkeys requires packing: false, because a packed sequence may have questions without their pairs.",
        "x.lathe.md:4:47: data.sequence_len has to be at least passkeys.length, 100.",
        "x.lathe.md:4:18: data.passkeys conflicts with grammar; keep one of them.",
        "x.lathe.md:16:21: train.eval_steps needs a validation split; raise data.val_fraction above 0.",
      ]
    `);
    parseExperiment(
      cellsFile("data: {text: a, fallback: grammar, grammar: {}}", model, "train: {}"),
      "x.lathe.md",
      catalog,
    );
  });

  test("two names of one option must agree", () => {
    const train = (options: string) => cellsFile(data, model, `train: ${options}`);
    expect(messagesOf(train("{micro_batch_size: 3, per_device_train_batch_size: 4}"))).toMatchInlineSnapshot(`
      [
        "x.lathe.md:16:9: micro_batch_size and per_device_train_batch_size are two names of one option. Keep one of them.",
      ]
    `);
    parseExperiment(train("{micro_batch_size: 4, per_device_train_batch_size: 4}"), "x.lathe.md", catalog);
    expect(messagesOf(train("{micro_batch_size: 0}"))).toMatchInlineSnapshot(`
      [
        "x.lathe.md:16:27: train.micro_batch_size has to be more than 0, not 0.",
      ]
    `);
  });

  test("a variant's changes are checked in the merged experiment", () => {
    expect(
      messagesOf(
        cellsFile(
          data,
          model,
          "train: {max_steps: 10}",
          `variants:
  a: {modl: {}}
  b: {model: {hiden_size: 3}}
  c: {model: {num_attention_heads: 5}}
  d: {compress: {magnitude: {}}}
  e: {train: {warmup_steps: 11}, model: {min_channels_per_group: x}}
  f: {train: {warmup_steps: 12}}
  g: {data: null}
  h: {model: null}
  i: {model: {unknown: null}}
  "j k": {}
  l: 3`,
        ),
      ),
    ).toMatchInlineSnapshot(`
      [
        "x.lathe.md:16:8: train has no text to read; declare data above it (variant g).",
        "x.lathe.md:23:7: unknown key "modl" in variants.a. Did you mean "model"? Allowed: recipe, data, model, base_model, device, parallel, seed, train, compress, merge, evaluate, export, report, sweep.",
        "x.lathe.md:24:15: unknown key "hiden_size" in variants.b.model. Did you mean "hidden_size"? Allowed: vocab_size, hidden_size, num_attention_heads, num_hidden_layers, max_position_embeddings, min_channels_per_group, init, use_cache, n_embd, n_positions, resid_pdrop.",
        "x.lathe.md:25:36: model.num_attention_heads: 5 heads do not divide the width 64.",
        "x.lathe.md:26:7: variant d changes compress, but no cell has that action. Add a compress cell, and "compress: null" to the variants without it.",
        "x.lathe.md:27:66: model.min_channels_per_group has to be a whole number, not "x".",
        "x.lathe.md:28:29: train.warmup_steps has to be at most max_steps, 10; it is 12 (variant f).",
        "x.lathe.md:31:15: unknown key "unknown" in variants.i.model. Allowed: vocab_size, hidden_size, num_attention_heads, num_hidden_layers, max_position_embeddings, min_channels_per_group, init, use_cache, n_embd, n_positions, resid_pdrop.",
        "x.lathe.md:32:3: variants.j k: a variant's name has up to 40 letters, digits, dots, dashes and underscores.",
        "x.lathe.md:33:6: variants.l has to be a map of keys to values, not 3.",
      ]
    `);
  });

  test("a sweep names existing paths, with valid values", () => {
    expect(
      messagesOf(
        cellsFile(
          model,
          `sweep:
  train.learning_rate: [1e-3]
  model.hiden: [2]
  model.hidden_size: [x, 33, 64]
  modl.hidden_size: [1]
  data.text: []
  device: cpu
  seed: [0, one]`,
        ),
      ),
    ).toMatchInlineSnapshot(`
      [
        "x.lathe.md:4:65: model.num_attention_heads: 4 heads do not divide the width 33 (with model.hidden_size: 33 of the sweep).",
        "x.lathe.md:11:3: train.learning_rate changes train, but no cell has that action.",
        "x.lathe.md:12:3: unknown key "hiden" in model. Allowed: vocab_size, hidden_size, num_attention_heads, num_hidden_layers, max_position_embeddings, min_channels_per_group, init, model_type.",
        "x.lathe.md:13:23: model.hidden_size has to be a whole number, not "x".",
        "x.lathe.md:14:3: unknown path "modl.hidden_size". Allowed: recipe, data, model, base_model, device, parallel, seed, train, compress, merge, evaluate, export, report.",
        "x.lathe.md:15:14: sweep.data.text has to be a list of at least 1 entries, not an empty list.",
        "x.lathe.md:16:11: sweep.device has to be a list or a map of keys to values, not "cpu".",
        "x.lathe.md:17:13: seed has to be a whole number, not "one".",
      ]
    `);
    const values = Array.from({ length: 40 }, (_, index) => index).join(", ");
    expect(messagesOf(cellsFile(model, `sweep: {seed: [${values}], model.hidden_size: [${values}]}`)))
      .toMatchInlineSnapshot(`
        [
          "x.lathe.md:10:1: variants and sweep make 1600 runs; the limit for one file is 1000. Remove some values.",
        ]
      `);
  });

  test("text that is not an experiment is refused", () => {
    expect(
      [
        "",
        "# Prose\n",
        cellsFile(),
        cellsFile("a: 1\na: 2"),
        cellsFile("model: {model_type: phi3"),
        cellsFile("- a"),
        cellsFile("seed: 1\n---\nseed: 2"),
        cellsFile("3"),
        "```yaml\nseed: 1\n",
        "- x\n  ```yaml\n  seed: 1\n  ```\n",
        "x".repeat(maxCharacters + 1),
      ].flatMap((text) => messagesOf(text)),
    ).toMatchInlineSnapshot(`
      [
        "x.lathe.md:1:1: the file has no cell. Write a block that starts with \`\`\`yaml and contains keys such as model or train.",
        "x.lathe.md:1:1: the file has no cell. Write a block that starts with \`\`\`yaml and contains keys such as model or train.",
        "x.lathe.md:1:1: the file has no cell. Write a block that starts with \`\`\`yaml and contains keys such as model or train.",
        "x.lathe.md:5:1: the key "a" is specified twice.",
        "x.lathe.md:4:26: not valid YAML: flow map in block collection must be sufficiently indented and end with a }.",
        "x.lathe.md:4:1: a cell is a map of keys to values. Allowed: name, folder, recipe, data, model, base_model, device, parallel, seed, scale, scales, variants, sweep, search, paper, train, compress, merge, evaluate, export, report.",
        "x.lathe.md:5:1: a cell is one YAML document. Move the second to its own cell.",
        "x.lathe.md:4:1: a cell is a map of keys to values. Allowed: name, folder, recipe, data, model, base_model, device, parallel, seed, scale, scales, variants, sweep, search, paper, train, compress, merge, evaluate, export, report.",
        "x.lathe.md:1:1: the block that opens here is never closed. Add a line with \`\`\`.",
        "x.lathe.md:2:3: a yaml block is a cell only where its fence starts in the first column. Move it there, or give it another info string.",
        "x.lathe.md:1:1: the file has 262145 characters; the limit for an experiment is 262144. Keep data in separate files.",
      ]
    `);
    expect(messagesOf("", "x.yaml")).toMatchInlineSnapshot(`
      [
        "x.yaml:1:1: the file is empty. Write keys such as model or train.",
      ]
    `);
  });

  test("all faults of a file are reported together, in order", () => {
    const text = cellsFile("sed: 1", "model: {model_type: phi3, hidden_sze: 3}", "train: {max_steps: 0}");
    const lines = faultsOf(text).faults.map(({ details }) => details.position?.line);
    expect(lines).toEqual([4, 10, 16]);
  });
});
