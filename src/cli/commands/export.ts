/** `lathe export RUN`: writes a model, or the history of a run, in a form that other programs read. */
import { basename, resolve } from "node:path";
import * as z from "zod";
import { exporters } from "../../backend/exports/catalog";
import { exportModel } from "../../backend/exports/exportModel";
import { historyExporters } from "../../backend/exports/histories/catalog";
import { exportHistory } from "../../backend/exports/histories/exportHistory";
import type { HistoryExporter } from "../../backend/exports/histories/historyExporter";
import { preparePush } from "../../backend/exports/hub/preparePush";
import { verifyAccess } from "../../backend/exports/hub/pushFolder";
import { requirePushSettings } from "../../backend/exports/hub/pushRequest";
import { formatSizeTable } from "../../backend/exports/savings";
import type { WrittenFolder } from "../../backend/exports/writtenFolder";
import { createHistorySubject } from "../../backend/runs/folder/exportedHistory";
import { WorkbenchError } from "../../protocol/errors";
import { defineCommand, type Outcome } from "../command";
import { parseBoolean, parseNumber, validateOptions } from "../optionParsing";
import { addPush, createCardSource, publish, publishFolder, pushOptions, readPush } from "../pushExport";
import {
  checkpointOption,
  openKnownTokenizer,
  type LoadedModel,
  loadModel,
  modelArgument,
  type ModelOptions,
  tokenizerOption,
  readingOptions,
  omitModelOptions,
} from "../modelArgument";
import { formatBytes } from "../../protocol/quantities";
import { selectRun } from "../runSelection";
import { toPlainLine } from "../terminal";

interface Options extends ModelOptions {
  readonly format?: string;
  readonly out?: string;
  readonly sequenceLen?: number;
  readonly batchSize?: number;
  readonly inputType?: string;
  readonly withPast?: boolean;
  readonly positionIds?: boolean;
  readonly operators?: string;
  readonly externalData?: boolean;
  readonly output?: string;
  readonly dtype?: string;
  readonly maxShardSize?: string;
  readonly entropyCoding?: boolean | string;
  readonly vocabulary?: string;
  readonly checkpointFormat?: string;
  readonly pushTo?: string;
  readonly private?: boolean | string;
  readonly license?: string;
  readonly push?: boolean;
}

const modelFormats = Object.keys(exporters);
const historyFormats = Object.keys(historyExporters);
const formats = [...modelFormats, ...historyFormats];
const formatList = `${formats.slice(0, -1).join(", ")} or ${formats.at(-1)!}`;

export default defineCommand<readonly [string], Options>({
  summary:
    "write a model as a Hugging Face folder, a GGUF or an ONNX file, a folder for another program, or a run's metrics",
  arguments: [modelArgument],
  options: [
    ["--format <name>", `${modelFormats.join(" or ")}; of a run's metrics ${historyFormats.join(" or ")}`],
    ["--out <dir>", "folder to create; default: named after the model and the format"],
    [
      "--dtype <type>",
      "float32, float16 or bfloat16 weights; gguf: also q8_0, q4_0, q4_k or q6_k; gptq, awq, mlx and compressed-tensors: also the type of the scales",
    ],
    ["--vocabulary <include or none>", "gguf: whether the tokenizer is written into the file"],
    ["--checkpoint-format <name>", "gptq: gptq stores zero points less one, gptq_v2 as they are"],
    [
      "--max-shard-size <size>",
      "Hugging Face folders: largest file of weights, such as 5GB; larger models are split",
    ],
    [
      "--entropy-coding <true or false>",
      "packed: whether masks and codes may be entropy-coded; default true",
      parseBoolean,
    ],
    [
      "--sequence-len <tokens>",
      "onnx: fix the number of tokens of a row; any number unless given",
      parseNumber,
    ],
    ["--batch-size <rows>", "onnx: fix the number of rows; any number unless given", parseNumber],
    ["--input-type <type>", "onnx: int64 or int32 token ids, mask and positions"],
    ["--position-ids", "onnx: take positions as an input; otherwise they follow from the attention mask"],
    [
      "--operators <set>",
      "onnx: microsoft keeps quantized codes as MatMulNBits where it can; standard uses DequantizeLinear only",
    ],
    [
      "--external-data",
      "onnx, transformers-js, genai: weights in a file of their own, as is done above 2 GiB in any case",
    ],
    [
      "--output <name>",
      "transformers-js: logits, or last_hidden_state of an encoder, for feature extraction; default logits",
    ],
    ...pushOptions,
    ["--with-past", "onnx: also write a file that generates one token at a time, with a key-value cache"],
    tokenizerOption,
    checkpointOption,
    ...readingOptions,
  ],
  async run({ args: [text], options, terminal }) {
    const { format = "", push: isSent = false, ...formatOptions } = options;
    const history = Object.hasOwn(historyExporters, format) ? historyExporters[format] : undefined;
    if (history !== undefined)
      return exportRunHistory(text, format, history, { ...formatOptions, ...(isSent && { push: true }) });
    const { out, pushTo, private: isPrivate, license, ...exportOptions } = omitModelOptions(formatOptions);
    const push = readPush({ pushTo, private: isPrivate, license }, isSent);
    if (push !== undefined && isSent) await verifyAccess(push, requirePushSettings(push), undefined);
    if (push !== undefined && options.format === undefined)
      return publishFolder(resolve(text), push, { isSent, license, exportOptions, terminal });
    const exporter = Object.hasOwn(exporters, format) ? exporters[format] : undefined;
    if (exporter === undefined)
      throw new WorkbenchError("invalid-input", `--format is ${formatList}.`, { allowed: formats });
    const resolved = validateOptions(exporter.options, exportOptions) as Readonly<Record<string, unknown>>;
    const model = await loadModel(text, options, terminal);
    const tokenizer = await openKnownTokenizer(model, options);
    if (tokenizer === undefined)
      terminal.log("The model has no known tokenizer, so none is written. Name one with --tokenizer.");
    const tokenizerFolder = options.tokenizer === undefined ? model.tokenizerFolder : undefined;
    const folder = resolve(out ?? `${getModelName(model)}-${format}`);
    const subject = { ...model, tokenizer, tokenizerFolder };
    const result = await exportModel(subject, { ...resolved, format }, folder);
    for (const notice of result.notices) terminal.log(toPlainLine(notice));
    const outcome = createOutcome({ model: model.source, ...result }, result, [
      "",
      ...formatSizeTable(result.sizes),
    ]);
    if (push === undefined) return outcome;
    const prepared = preparePush(subject, result, resolved, push, createCardSource(text, model, options));
    return addPush(outcome, await publish(result.folder, push, prepared, { isSent, terminal }));
  },
});

async function exportRunHistory(
  text: string,
  format: string,
  exporter: HistoryExporter,
  { out, ...otherOptions }: Omit<Options, "format">,
): Promise<Outcome> {
  validateOptions(z.strictObject({}), otherOptions);
  const { folder, id, record } = await selectRun(text, {});
  const target = resolve(out ?? `${id}-${format}`);
  const result = await exportHistory(createHistorySubject(folder, record), exporter, target);
  return createOutcome({ run: folder, format, ...result }, result);
}

function createOutcome(
  document: object,
  { folder, files }: WrittenFolder,
  sizes: readonly string[] = [],
): Outcome {
  const rows = files.map((file) => `  ${toPlainLine(file.name)}  ${formatBytes(file.bytes)}`);
  return { document, text: [toPlainLine(folder), ...rows, ...sizes].join("\n") };
}

function getModelName({ run, source }: LoadedModel): string {
  return basename(run ?? source).replace(/\.bin$/, "");
}
