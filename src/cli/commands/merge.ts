/** `lathe merge CONFIG OUT`: merges models as a configuration of mergekit describes, and writes a Hugging Face folder. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { exportModel } from "../../backend/exports/exportModel";
import { formatSizeTable } from "../../backend/exports/savings";
import { refuseOtherVocabulary } from "../../backend/data/tokenizers/vocabulary";
import { readYaml } from "../../backend/experiment/yamlText";
import { readMergekitConfiguration } from "../../backend/merging/mergekit";
import { mergeModels, refuseUnlike, refuseUnmergeable } from "../../backend/merging/mergeModels";
import { dimensionsOf } from "../../backend/models/model";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import { defineCommand } from "../command";
import { loadModel, openKnownTokenizer } from "../modelArgument";
import { parseNumber } from "../optionParsing";
import { toPlainLine } from "../terminal";

interface Options {
  readonly seed?: number;
  readonly dtype?: string;
}

const maxBytes = 2 ** 20;

export default defineCommand<readonly [string, string], Options>({
  summary: "merge models as a configuration of mergekit describes",
  arguments: [
    ["<config>", "YAML file with merge_method, models, base_model and parameters"],
    ["<out>", "folder to create: a Hugging Face folder"],
  ],
  options: [
    ["--seed <number>", "seed of what dare_linear and dare_ties drop; default 0", parseNumber],
    ["--dtype <type>", "float32, float16 or bfloat16 weights; default: that of the configuration"],
  ],
  async run({ args: [config, out], options, terminal }) {
    const merge = readMergekitConfiguration(readConfiguration(config));
    const { method } = merge;
    const base = await loadModel(merge.base, {}, terminal);
    refuseUnmergeable(base.shape, merge.base);
    const { layers } = dimensionsOf(base.shape);
    if (merge.layers !== undefined && merge.layers !== layers)
      throw new WorkbenchError(
        "unsupported",
        `slices: layer_range ends at ${merge.layers}, and ${merge.base} has ${layers} layers. Write all of them.`,
      );
    const tokenizer = await openKnownTokenizer(base, {});
    const others = [];
    for (const name of method.models(merge.options)) {
      const other = await loadModel(name, {}, terminal);
      refuseUnlike(base.shape, other.shape, name);
      const otherTokenizer = await openKnownTokenizer(other, {});
      if (tokenizer !== undefined && otherTokenizer !== undefined)
        refuseOtherVocabulary(tokenizer, otherTokenizer, name);
      others.push(other);
    }
    const tensors = await mergeModels(base, others, method, merge.options, {
      seed: options.seed ?? 0,
      signal: new AbortController().signal,
      progress: () => undefined,
    });
    if (tokenizer === undefined) terminal.log(`${merge.base} has no known tokenizer, so none is written.`);
    const dtype = options.dtype ?? merge.dtype;
    const result = await exportModel(
      { ...base, tensors, tokenizer },
      { format: "safetensors", ...(dtype === undefined ? {} : { dtype }) },
      resolve(out),
    );
    for (const notice of result.notices) terminal.log(toPlainLine(notice));
    const names = [merge.base, ...others.map(({ source }) => source)];
    return {
      document: { method: method.title, models: names, ...result },
      text: [
        `${method.title} of ${names.map(toPlainLine).join(", ")}, written to ${result.folder}`,
        "",
        ...formatSizeTable(result.sizes),
      ].join("\n"),
    };
  },
});

function readConfiguration(file: string): unknown {
  const text = readText(file);
  const { documents, faults } = readYaml(text);
  if (faults.length > 0)
    throw new WorkbenchError("invalid-input", `${file} is not valid YAML: ${faults[0]!.message}`);
  if (documents.length !== 1)
    throw new WorkbenchError("invalid-input", `${file} has ${documents.length} YAML documents; write one.`);
  return documents[0]!.value;
}

function readText(file: string): string {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > maxBytes)
      throw new WorkbenchError("invalid-input", `${file} is larger than a configuration can be (1 MiB).`);
    return bytes.toString("utf8");
  } catch (thrown) {
    throw toWorkbenchError(thrown, file);
  }
}
