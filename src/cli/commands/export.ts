/** `lathe export RUN`: writes a model in a form that other programs read. */
import { basename, resolve } from "node:path";
import { exporters } from "../../backend/exports/catalog";
import { exportModel } from "../../backend/exports/exportModel";
import { WorkbenchError } from "../../protocol/errors";
import { defineCommand } from "../command";
import { checkedOptions, number } from "../givenOptions";
import {
  checkpointOption,
  knownTokenizer,
  type LoadedModel,
  loadModel,
  modelArgument,
  type ModelOptions,
  tokenizerOption,
} from "../modelArgument";
import { bytes } from "../quantities";
import { plainLine } from "../terminal";

interface Options extends ModelOptions {
  readonly format?: string;
  readonly out?: string;
  readonly sequenceLen?: number;
  readonly batchSize?: number;
  readonly inputType?: string;
}

const formats = Object.keys(exporters);

export default defineCommand<readonly [string], Options>({
  summary: "write a model as a Hugging Face folder or an ONNX file",
  arguments: [modelArgument],
  options: [
    ["--format <name>", formats.join(" or ")],
    ["--out <dir>", "new folder to write; named after the model and the format when left out"],
    ["--sequence-len <tokens>", "onnx: tokens that the graph takes", number],
    ["--batch-size <rows>", "onnx: rows that the graph takes", number],
    ["--input-type <type>", "onnx: int64 or int32 token ids"],
    tokenizerOption,
    checkpointOption,
  ],
  async run({ args: [text], options, terminal }) {
    const { format = "", out, tokenizer: _tokenizer, checkpoint: _checkpoint, ...given } = options;
    const exporter = Object.hasOwn(exporters, format) ? exporters[format] : undefined;
    if (exporter === undefined)
      throw new WorkbenchError("invalid-input", `--format is ${formats.join(" or ")}.`, { allowed: formats });
    const chosen = checkedOptions(exporter.options, given) as Readonly<Record<string, unknown>>;
    const model = await loadModel(text, options);
    const tokenizer = await knownTokenizer(model, options);
    if (tokenizer === undefined)
      terminal.say("No tokenizer is known for this model, so none is written. Name one with --tokenizer.");
    const folder = resolve(out ?? `${nameOf(model)}-${format}`);
    const written = await exportModel({ ...model, tokenizer }, { ...chosen, format }, folder);
    for (const notice of written.notices) terminal.say(plainLine(notice));
    return {
      document: { model: model.source, ...written },
      text: [
        plainLine(written.folder),
        ...written.files.map((file) => `  ${plainLine(file.name)}  ${bytes(file.bytes)}`),
      ].join("\n"),
    };
  },
});

function nameOf({ run, source }: LoadedModel): string {
  return basename(run ?? source).replace(/\.bin$/, "");
}
